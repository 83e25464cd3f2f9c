"""The disk under a simulated supervisor: it works, or does what a test says."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args

from overseen.durations import Duration, seconds
from overseen.errors import InvalidOption
from overseen.testing.worlds import world_here
from overseen_storage.sqlite.hop import InlineConnector, Link, LinkClosed

__all__ = ["Failure", "SimulatedDisk"]

T = TypeVar("T")

Failure: TypeAlias = Literal["write", "commit", "commit_unknown", "read"]
"""What `fail_next` can let fail: a `write` transaction at its beginning; its `commit`, with nothing
on disk; a `commit_unknown`, which reports an error although everything is on disk; a `read`."""

_FAILURES: Final = get_args(Failure)


class SimulatedDisk:
    """What goes wrong between the store and its disk, until the test takes it back."""

    def __init__(self) -> None:
        self._every_write: sqlite3.Error | None = None
        self._next: dict[Failure, int] = {}
        self._slow_seconds = 0.0
        self._connections: list[sqlite3.Connection] = []
        self.commits = 0
        """Transactions that were committed."""

    def full(self) -> None:
        """No write succeeds: the disk has no space left. Reads go on."""
        self._every_write = _error(sqlite3.SQLITE_FULL, "database or disk is full")

    def broken(self) -> None:
        """No write succeeds: the disk reports I/O errors. Reads go on."""
        self._every_write = _error(sqlite3.SQLITE_IOERR, "disk I/O error")

    def slow(self, duration: Duration) -> None:
        """Let each transaction, of writing or reading, take so long."""
        self._slow_seconds = seconds(duration, name="duration")

    def works_again(self) -> None:
        """Take everything back: the disk is in order, and fast."""
        self._every_write = None
        self._next.clear()
        self._slow_seconds = 0.0

    def fail_next(self, failure: Failure, times: int = 1) -> None:
        """Let the next `times` operations of this kind fail; see `Failure`."""
        if failure not in _FAILURES:
            raise InvalidOption("failure", failure, f"one of {', '.join(_FAILURES)}")
        self._next[failure] = self._next.get(failure, 0) + times

    def connector(self, after_write: Callable[[str], object]) -> _Connector:
        """Connections to this disk; `after_write` hears the path after each transaction."""
        return _Connector(self, after_write)

    def close(self) -> None:
        """Close the connections that nobody has closed: those of a process that was killed."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def connected(self, connection: sqlite3.Connection) -> None:
        """Keep a connection until `close`."""
        self._connections.append(connection)

    async def pause(self) -> None:
        """What the disk takes for a transaction."""
        await asyncio.sleep(self._slow_seconds)

    def write(self, sql: str, run: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        """One statement of the connection that writes."""
        if sql.startswith("BEGIN"):
            if self._every_write is not None:
                raise self._every_write
            if self._takes("write"):
                raise _error(sqlite3.SQLITE_IOERR, "disk I/O error")
        if sql != "COMMIT":
            return run()
        if self._takes("commit"):
            raise _error(sqlite3.SQLITE_IOERR, "disk I/O error")
        done = run()
        self.commits += 1
        if self._takes("commit_unknown"):
            raise _error(sqlite3.SQLITE_IOERR, "disk I/O error")
        return done

    def read(self, sql: str, run: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        """One statement of a connection that reads."""
        if sql.lstrip().upper().startswith(("SELECT", "WITH", "BEGIN")) and self._takes("read"):
            raise _error(sqlite3.SQLITE_IOERR, "disk I/O error")
        return run()

    def _takes(self, failure: Failure) -> bool:
        left = self._next.get(failure, 0)
        if left:
            self._next[failure] = left - 1
        return left > 0


class _Connector:
    """Connections on the loop's thread, with the faults of the disk."""

    blocks_the_loop = True

    def __init__(self, disk: SimulatedDisk, after_write: Callable[[str], object]) -> None:
        self._disk = disk
        self._after_write = after_write

    async def connect(self, path: str, *, read_only: bool) -> Link:
        """Connect on this thread."""
        disk = self._disk

        class Connected(sqlite3.Connection):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(*arguments, **options)
                disk.connected(self)

        class Writing(Connected):
            def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
                return disk.write(sql, lambda: super(Writing, self).execute(sql, parameters))

        class Reading(Connected):
            def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
                return disk.read(sql, lambda: super(Reading, self).execute(sql, parameters))

        inline = InlineConnector(disk.pause, Reading if read_only else Writing)
        link = await inline.connect(path, read_only=read_only)
        return _Link(link, None if read_only else lambda: self._after_write(path))


class _Link:
    """A link that does nothing for a world that has ended."""

    def __init__(self, link: Link, after: Callable[[], object] | None) -> None:
        self._link = link
        self._after = after

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function` in its turn, unless nobody is there any more who asked for it."""
        world, after = world_here(), self._after

        def unless_it_ended(connection: sqlite3.Connection) -> T:
            if world is not None and world.ended:
                raise LinkClosed
            try:
                return function(connection)
            finally:
                if after is not None:
                    after()

        return await self._link.run(unless_it_ended)

    async def close(self) -> None:
        """Close after what is under way."""
        await self._link.close()


def _error(code: int, text: str) -> sqlite3.OperationalError:
    """An error as SQLite itself would raise it."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error
