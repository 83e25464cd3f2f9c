"""How a function reaches a connection of SQLite.

One store call is one function, one transaction, one hop. `AiosqliteConnector` runs the function on
the connection's own thread, as production does; `InlineConnector` runs it on the loop's thread, so
that a simulated loop can repeat a run exactly. The functions are the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiosqlite

T = TypeVar("T")

_CACHED_STATEMENTS = 256


class LinkClosed(Exception):
    """The connection is closed: the function was not run."""


class Link(Protocol):
    """A connection, and the way to it."""

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function` with the connection; at any time at most one runs.

        Cancelling the waiter does not stop the function: it runs to its end, and its outcome
        is dropped. Raises `LinkClosed` after `close`.
        """
        ...

    async def close(self) -> None:
        """Close the connection after what is already under way. Safe to call twice.

        Cancelling the waiter does not keep it open: it is closed when its turn comes.
        """
        ...


class Connector(Protocol):
    """Makes links."""

    @property
    def blocks_the_loop(self) -> bool:
        """Whether a function that waits for a lock would keep the loop from running."""
        ...

    async def connect(self, path: str, *, read_only: bool) -> Link:
        """Connect to the database at `path`; a file that is missing is made unless `read_only`."""
        ...


def connect_sqlite(
    path: str, *, read_only: bool, factory: type[sqlite3.Connection] = sqlite3.Connection
) -> sqlite3.Connection:
    """The one way in which a connection is made: transactions are begun and ended by hand."""
    if path != ":memory:":
        path = Path(path).resolve().as_uri() + ("?mode=ro" if read_only else "?mode=rwc")
    return sqlite3.connect(
        path,
        uri=True,
        isolation_level=None,
        check_same_thread=True,
        cached_statements=_CACHED_STATEMENTS,
        factory=factory,
    )


class AiosqliteConnector:
    """Connections of aiosqlite, each with its own daemon thread.

    Daemon, because a disk that does not answer must not keep the program from ending.
    """

    blocks_the_loop = False

    def __init__(self, factory: type[sqlite3.Connection] = sqlite3.Connection) -> None:
        self._factory = factory

    async def connect(self, path: str, *, read_only: bool) -> Link:
        """Start a thread that makes the connection and keeps it."""
        link = ThreadLink(
            lambda: connect_sqlite(path, read_only=read_only, factory=self._factory),
            name=f"overseen-sqlite-{'reader' if read_only else 'writer'}",
        )
        return await link.begin()


class ThreadLink(aiosqlite.Connection):
    """aiosqlite's connection, with one more verb: run a whole function on its thread."""

    def __init__(self, connector: Callable[[], sqlite3.Connection], name: str) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._thread.daemon = True
        self._thread.name = name

    async def begin(self) -> ThreadLink:
        """Start the thread and connect on it. Without a connection no thread is left."""
        try:
            await self
        except sqlite3.Error:
            self._thread.join()  # aiosqlite has told it to stop, and nothing else is in its queue
            raise
        return self

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function` on the thread; see `Link.run`."""
        loop = asyncio.get_running_loop()
        connection = self._connection
        if connection is None or not self._running:
            raise LinkClosed
        answered: asyncio.Future[T] = loop.create_future()

        def deliver() -> None:
            try:
                result = function(connection)
            except BaseException as error:
                post(_set_exception, answered, error)
            else:
                post(_set_result, answered, result)

        def post(setter: Callable[..., None], *values: object) -> None:
            # Is the loop closed, nobody waits any more; the thread has to go on.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(setter, *values)

        # Cancelled, the future is simply done: the setters leave it alone, so that nothing is
        # left unretrieved, and the function runs to its end.
        self._tx.put_nowait((None, deliver))  # pyright: ignore[reportUnknownMemberType] - aiosqlite's
        return await answered

    async def close(self) -> None:
        """Close, and wait until the thread is gone, so that none is left behind."""
        await super().close()
        self._thread.join()


def _set_result(answered: asyncio.Future[T], result: T) -> None:
    if not answered.done():
        answered.set_result(result)


def _set_exception(answered: asyncio.Future[T], error: BaseException) -> None:
    if not answered.done():
        answered.set_exception(error)


class InlineConnector:
    """Connections on the loop's own thread, for a simulated loop and for tests.

    `pause` is awaited before each function runs: there other tasks get their turn, at an
    instant that a simulation draws from its seed. By default it is one turn of the loop.
    """

    blocks_the_loop = True

    def __init__(
        self,
        pause: Callable[[], Awaitable[object]] | None = None,
        factory: type[sqlite3.Connection] = sqlite3.Connection,
    ) -> None:
        self._pause = pause or _one_turn
        self._factory = factory

    async def connect(self, path: str, *, read_only: bool) -> Link:
        """Connect on this thread."""
        await self._pause()
        connection = connect_sqlite(path, read_only=read_only, factory=self._factory)
        return InlineLink(connection, self._pause)


class InlineLink:
    """A connection that is used on the loop's thread, one function after the other, in order."""

    def __init__(
        self, connection: sqlite3.Connection, pause: Callable[[], Awaitable[object]]
    ) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._pause = pause
        self._running: set[asyncio.Task[object]] = set()
        self._last_end: asyncio.Future[None] | None = None  # of the work that was asked for last

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function` in its turn; see `Link.run`."""
        return await self._to_its_end(self._in_turn(lambda: self._work(function)))

    def _in_turn(self, steps: Callable[[], Coroutine[Any, Any, T]]) -> Coroutine[Any, Any, T]:
        """Line up now, where the call is made, as in a thread's queue.

        Lined up when its task first runs, work would overtake other work wherever tasks that are
        ready together start in another order than they were made.
        """
        before, end = self._last_end, asyncio.get_running_loop().create_future()
        self._last_end = end

        async def after_the_others() -> T:
            try:
                if before is not None:
                    await before
                return await steps()
            finally:
                end.set_result(None)

        return after_the_others()

    async def _to_its_end(self, steps: Coroutine[Any, Any, T]) -> T:
        """Await `steps` in a task of their own: who waits can be cancelled, they cannot."""
        # In an empty context, as on a thread: product code must not lean on what is set here.
        context = contextvars.Context()
        work = asyncio.get_running_loop().create_task(steps, context=context)
        self._running.add(work)
        work.add_done_callback(self._running.discard)
        work.add_done_callback(_retrieve)
        return await asyncio.shield(work)

    async def _work(self, function: Callable[[sqlite3.Connection], T]) -> T:
        await self._pause()
        if self._connection is None:
            raise LinkClosed
        return function(self._connection)

    async def close(self) -> None:
        """Close after what is under way; see `Link.close`."""
        await self._to_its_end(self._in_turn(self._close))

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _retrieve(work: asyncio.Task[T]) -> None:
    if not work.cancelled():
        work.exception()  # its waiter may have been cancelled: then this is the only look


async def _one_turn() -> None:
    await asyncio.sleep(0)
