"""A connection in simulated time, as a thread serves it: calls stand in a queue, each is run at the
instant that was drawn for it, whoever waits for it or not, and the answer is one callback."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sqlite3
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar

from overseen_storage.sqlite.hop import LinkClosed

T = TypeVar("T")


class Killed(BaseException):
    """The process is gone."""


class Moody(Protocol):
    """The disk behind a link."""

    @property
    def is_silent(self) -> bool:
        """Whether it answers nothing now."""
        ...

    def duration(self) -> float:
        """How long the next transaction takes."""
        ...

    def when_it_answers(self, resume: Callable[[], None]) -> None:
        """Call this when it is silent no more."""
        ...

    def check_alive(self) -> None:
        """Raise `Killed` once its process is gone."""
        ...


class SimulatedLink:
    """See `overseen_storage.sqlite.hop.Link`."""

    def __init__(self, connection: sqlite3.Connection, disk: Moody) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._disk = disk
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Callable[[], None]] = deque()
        # Empty, as on a thread: product code must not lean on what is set where it was called.
        self._context = contextvars.Context()

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function` in its turn; cancelling the waiter does not stop it."""
        self._disk.check_alive()
        answered: asyncio.Future[T] = self._loop.create_future()

        def work() -> None:
            try:
                if self._connection is None:
                    raise LinkClosed
                result = self._context.run(function, self._connection)
            except BaseException as error:
                if not answered.done():
                    answered.set_exception(error)
            else:
                if not answered.done():
                    answered.set_result(result)

        self._queue.append(work)
        if len(self._queue) == 1:
            self._begin()
        return await answered

    async def close(self) -> None:
        """Close after what is under way."""
        with contextlib.suppress(Killed, LinkClosed):  # then there is nothing to wait for
            await asyncio.shield(self._loop.create_task(self.run(self._close)))

    def _close(self, connection: sqlite3.Connection) -> None:
        self._connection = None
        connection.close()

    def _begin(self) -> None:
        seconds = self._disk.duration()
        if seconds:
            self._loop.call_later(seconds, self._work)
        else:
            self._loop.call_soon(self._work)

    def _work(self) -> None:
        if self._disk.is_silent:
            self._disk.when_it_answers(self._begin)
            return
        work = self._queue[0]
        try:
            work()
        finally:
            self._queue.popleft()
            if self._queue:
                self._begin()
