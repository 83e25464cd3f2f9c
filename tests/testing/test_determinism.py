"""A run is a function of its seed: in one process, in two, and whatever strings hash to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.testing.history import digest

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(4)


def test_the_same_seed_is_the_same_run() -> None:
    """Every step, at the same virtual nanosecond, and every event; other seeds are other runs."""
    first = [digest(seed) for seed in SEEDS]
    second = [digest(seed) for seed in SEEDS]

    assert first == second
    assert len(set(first)) == len(SEEDS)


@pytest.mark.parametrize("hash_seed", ["1", "4711"])
def test_another_process_sees_the_same(hash_seed: str) -> None:
    """Also with other hashes of strings."""
    roots = [ROOT, ROOT / "supervisor", ROOT / "actors", ROOT / "storage"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.testing.history", *map(str, SEEDS)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONHASHSEED": hash_seed,
            "PYTHONPATH": os.pathsep.join(map(str, roots)),
        },
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [digest(seed) for seed in SEEDS]
