"""A disk that fails when a test says so, under the real SQLite store."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

from overseen_storage.sqlite.hop import InlineConnector, Link

__all__ = ["Faults", "FaultyConnector", "sqlite_error"]


def sqlite_error(code: int, text: str) -> sqlite3.OperationalError:
    """An error as SQLite itself would raise it."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


DISK_FULL = sqlite_error(sqlite3.SQLITE_FULL, "database or disk is full")
IO_ERROR = sqlite_error(sqlite3.SQLITE_IOERR, "disk I/O error")
READ_ONLY = sqlite_error(sqlite3.SQLITE_READONLY, "attempt to write a readonly database")
CANNOT_OPEN = sqlite_error(sqlite3.SQLITE_CANTOPEN, "unable to open database file")


class Faults:
    """What goes wrong between the store and its disk, until the test takes it back."""

    def __init__(self) -> None:
        self.at_write: sqlite3.Error | None = None
        """Raised at the first row that a transaction writes."""
        self.at_commit: sqlite3.Error | None = None
        """Raised by the next COMMIT; then forgotten."""
        self.commit_reaches_disk = False
        """Whether that COMMIT has happened all the same."""
        self.at_connect: sqlite3.Error | None = None
        """Raised by whoever opens the file."""
        self.at_read: sqlite3.Error | None = None
        """Raised by every SELECT of the connection that reads."""
        self.commits = 0
        """COMMITs that went well."""
        self.before_commit: Callable[[], None] | None = None
        """Called at each COMMIT of the store, in its transaction."""
        self._answers = asyncio.Event()
        self._answers.set()

    def hang(self) -> None:
        """Answer nothing from now on."""
        self._answers.clear()

    def answer(self) -> None:
        """Answer everything that waits."""
        self._answers.set()

    async def pause(self) -> None:
        """Awaited before each function reaches its connection."""
        await asyncio.sleep(0)
        await self._answers.wait()

    def heal(self) -> None:
        """The disk works again."""
        self.at_write = self.at_commit = self.at_connect = self.at_read = None
        self.answer()

    def execute(self, sql: str, run: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        """One statement of the connection that writes."""
        if self.at_write is not None and sql.startswith("BEGIN"):
            raise self.at_write
        if sql != "COMMIT":
            return run()
        if self.before_commit is not None:
            self.before_commit()
        if self.at_commit is None:
            self.commits += 1
            return run()
        error, self.at_commit = self.at_commit, None
        if self.commit_reaches_disk:
            run()
        raise error


class FaultyConnector:
    """Connections on the loop's thread, as in simulated time, with the faults of a test."""

    blocks_the_loop = True

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def connect(self, path: str, *, read_only: bool) -> Link:
        """Connect, if the disk lets us."""
        faults = self._faults
        if faults.at_connect is not None:
            raise faults.at_connect

        class Writing(sqlite3.Connection):
            def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
                return faults.execute(sql, lambda: super(Writing, self).execute(sql, parameters))

        class Reading(sqlite3.Connection):
            def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
                if faults.at_read is not None and not sql.startswith("PRAGMA"):
                    raise faults.at_read
                return super().execute(sql, parameters)

        inline = InlineConnector(faults.pause, Reading if read_only else Writing)
        return await inline.connect(path, read_only=read_only)
