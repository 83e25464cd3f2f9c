"""How much is measured: enough to judge, or just enough to see that everything works."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many of everything."""

    repeats: int
    jobs: int
    """Of one end-to-end sample."""
    floor_jobs: int
    sweep: bool
    """Also measure other group sizes and concurrencies than the judged ones."""
    latency_samples: int
    idle_seconds: float
    big_rows: int
    """Finished ones, and as many pending ones."""
    big_jobs: int
    orphans: int
    growth_jobs: int
    growth_slices: int
    batch_jobs: int


FULL = Amounts(
    repeats=3,
    jobs=50_000,
    floor_jobs=50_000,
    sweep=True,
    latency_samples=600,
    idle_seconds=10.0,
    big_rows=1_000_000,
    big_jobs=50_000,
    orphans=1_000,
    growth_jobs=1_000_000,
    growth_slices=10,
    batch_jobs=100_000,
)
QUICK = Amounts(
    repeats=1,
    jobs=1_000,
    floor_jobs=1_000,
    sweep=False,
    latency_samples=20,
    idle_seconds=0.1,
    big_rows=10_000,
    big_jobs=1_000,
    orphans=100,
    growth_jobs=2_000,
    growth_slices=2,
    batch_jobs=1_000,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is asked for."""

    amounts: Amounts
    folder: Path
    """Where databases are made: all on the same disk."""

    @contextmanager
    def scratch(self) -> Generator[Path]:
        """An empty folder that is gone afterwards."""
        self.folder.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".scratch-", dir=self.folder))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)
