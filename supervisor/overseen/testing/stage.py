"""Where a simulated supervisor lives: a folder, a clock, a disk, and one store for each life."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from overseen.running import Running
from overseen.surroundings import Surroundings
from overseen.testing.book import Book
from overseen.testing.clock import SimulatedClock
from overseen.testing.disk import SimulatedDisk
from overseen.testing.lives import SimulatedLives
from overseen.testing.loop import SimulatedLoop
from overseen_storage.errors import StoreError
from overseen_storage.sqlite.store import SqliteStore
from overseen_storage.store import Store

__all__ = ["Stage"]

_DATABASE: Final = "jobs.db"
_CLOSE_SECONDS: Final = 1.0
_SHARED_MEMORY: Final = "-shm"  # SQLite makes it anew from the log


class Stage:
    """The parts behind a `Simulation`.

    A crash leaves its files as they are, open, and the next life gets a copy: closing them would
    fold up SQLite's log, which a killed process does not do.
    """

    def __init__(self, folder: Path, loop: SimulatedLoop, clock: SimulatedClock, seed: int) -> None:
        self.clock = clock
        self.disk = SimulatedDisk()
        self.book = Book()
        self.crashed = False
        self._folder = folder
        self._loop = loop
        self._lives: SimulatedLives | None = None
        self._stores: list[SqliteStore] = []
        self._random = Random(f"{seed}/supervisor").random
        self._crashes = 0
        self.database.parent.mkdir()

    @property
    def database(self) -> Path:
        """Where the jobs are now."""
        return self._folder / f"life-{self._crashes + 1}" / _DATABASE

    def surroundings(self) -> Surroundings:
        """What the supervisor gets."""
        return Surroundings(self._make_store, self.clock, self._random, self._make_lives)

    def _make_store(self) -> Store:
        # Not flushed: the process may be killed here, but the power does not fail.
        store = SqliteStore(
            self.database,
            synchronous="normal",
            connector=self.disk.connector(self.book.write_down),
            owner_wait_seconds=0,
        )
        self._stores.append(store)
        return store

    def _make_lives(self, make: Callable[[], Running]) -> SimulatedLives:
        self._lives = SimulatedLives(make, self._loop)
        return self._lives

    def crash(self) -> None:
        """End the life under way as a killed process does; its files stay as they are."""
        if self._lives is not None:
            self._lives.crash()
        self.crashed = True
        left = self.database.parent
        self._crashes += 1
        shutil.copytree(left, self.database.parent, ignore=_without_shared_memory)

    def rise(self) -> None:
        """The next start begins from what the crash has left."""
        self.crashed = False

    async def close(self) -> None:
        """Let go of everything, also of what bodies that never end have kept."""
        if self._lives is not None:
            self._lives.bury()
        for store in self._stores:
            with contextlib.suppress(StoreError, TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):  # it may have been killed as it opened
                    await store.close(at=None)
            store.release_owner()
        self.disk.close()
        self.book.close()


def _without_shared_memory(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name.endswith(_SHARED_MEMORY)]
