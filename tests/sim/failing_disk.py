"""A disk under the real SQLite store: slow, full, silent, failing or gone, as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from tests.sim.simulated_link import Killed, SimulatedLink
from tests.supervisor.faults import CANNOT_OPEN, DISK_FULL, IO_ERROR, sqlite_error

from overseen_storage.sqlite.hop import Link, connect_sqlite

T = TypeVar("T")

BUSY = sqlite_error(sqlite3.SQLITE_BUSY, "database is locked")


class PlantedBug(RuntimeError):
    """Raised where nobody expects it: an actor dies of it."""


class FailingDisk:
    """What goes wrong between one life's store and its disk."""

    def __init__(self, draw: Random, latency_seconds: tuple[float, float]) -> None:
        self._draw = draw
        self._latency_seconds = latency_seconds
        self.slower_seconds = 0.0
        """Added to what each transaction takes, times a number drawn for it."""
        self.at_begin: sqlite3.Error | None = None
        """Raised by each transaction that writes, before it does."""
        self.at_commit: sqlite3.Error | None = None
        """Raised by the next COMMIT; then forgotten."""
        self.commit_reaches_disk = False
        """Whether that COMMIT has happened all the same."""
        self.at_connect: sqlite3.Error | None = None
        self.at_read: sqlite3.Error | None = None
        self.write_bugs = 0
        """So many transactions that write fail as no disk does."""
        self.read_bugs = 0
        self.commits = 0
        self.transactions = 0
        self.at_each_commit: Callable[[int, bool], None] = lambda number, done: None
        """Called before and after each COMMIT with its number."""
        self.is_silent = False
        self._resumes: list[Callable[[], None]] = []
        self._dead = False
        self._connections: list[sqlite3.Connection] = []

    # What the world does to it

    def hang(self) -> None:
        """Answer nothing from now on."""
        self.is_silent = True

    def heal(self) -> None:
        """It works again."""
        self.at_begin = self.at_commit = self.at_connect = self.at_read = None
        self.slower_seconds = 0.0
        self.write_bugs = self.read_bugs = 0
        self.is_silent = False
        resumes, self._resumes = self._resumes, []
        for resume in resumes:
            resume()

    def when_it_answers(self, resume: Callable[[], None]) -> None:
        """Call this when it is silent no more."""
        self._resumes.append(resume)

    def die(self) -> None:
        """The process that used it is gone: nothing more reaches the disk."""
        self._dead = True

    def drop(self) -> None:
        """Close what a dead process had open."""
        for connection in self._connections:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        self._connections.clear()

    # What the store does with it

    def duration(self) -> float:
        """How long the next transaction takes."""
        low, high = self._latency_seconds
        return low + (high - low) * self._draw.random() + self.slower_seconds * self._draw.random()

    def check_alive(self) -> None:
        """Raise `Killed` once its process is gone."""
        if self._dead:
            raise Killed

    async def connect(self, path: str, *, read_only: bool) -> Link:
        """Connect, if it lets us."""
        self.check_alive()
        if self.at_connect is not None:
            raise self.at_connect
        kind = _reading(self) if read_only else _writing(self)
        await asyncio.sleep(self.duration())
        self.check_alive()
        connection = connect_sqlite(path, read_only=read_only, factory=kind)
        return SimulatedLink(connection, self)

    @property
    def blocks_the_loop(self) -> bool:
        """As every connection on the loop's thread."""
        return True

    def opened(self, connection: sqlite3.Connection) -> None:
        """It will be closed when the process is gone."""
        self._connections.append(connection)

    def write(self, sql: str, run: Callable[[], T]) -> T:
        """One statement of the connection that writes."""
        self.check_alive()
        if sql == "COMMIT":
            return self._commit(run)
        if sql.startswith("BEGIN"):
            self.transactions += 1
            if self.at_begin is not None:
                raise self.at_begin
            if self.write_bugs:
                self.write_bugs -= 1
                raise PlantedBug("a bug while writing")
        return run()

    def _commit(self, run: Callable[[], T]) -> T:
        self.commits += 1
        self.at_each_commit(self.commits, False)
        self.check_alive()
        if self.at_commit is not None:
            error, self.at_commit = self.at_commit, None
            if self.commit_reaches_disk:
                run()
            raise error
        done = run()
        self.at_each_commit(self.commits, True)
        return done

    def read(self, sql: str, run: Callable[[], T]) -> T:
        """One statement of a connection that reads."""
        self.check_alive()
        if sql.startswith("PRAGMA"):
            return run()
        if self.at_read is not None:
            raise self.at_read
        if self.read_bugs:
            self.read_bugs -= 1
            raise PlantedBug("a bug while reading")
        return run()


def _writing(disk: FailingDisk) -> type[sqlite3.Connection]:
    class Writing(sqlite3.Connection):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            disk.opened(self)

        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            return disk.write(sql, lambda: super(Writing, self).execute(sql, parameters))

    return Writing


def _reading(disk: FailingDisk) -> type[sqlite3.Connection]:
    class Reading(sqlite3.Connection):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            disk.opened(self)

        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            return disk.read(sql, lambda: super(Reading, self).execute(sql, parameters))

    return Reading


__all__ = ["BUSY", "CANNOT_OPEN", "DISK_FULL", "IO_ERROR", "FailingDisk", "Killed", "PlantedBug"]
