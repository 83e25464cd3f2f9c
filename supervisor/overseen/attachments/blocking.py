"""Work with files runs in threads, never on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

import anyio

from overseen.threads import DaemonThreads

__all__ = ["BlockingWork"]

T = TypeVar("T")


class BlockingWork:
    """Runs functions in an executor. In simulated time the loop runs them inline instead.

    `executor` is asked each time; None stands for the loop's own default executor.
    """

    def __init__(self, executor: Callable[[], Executor | None]) -> None:
        self._executor = executor

    async def run(self, function: Callable[[], T]) -> T:
        """Run `function`; it has *ended* when this returns or raises, a cancellation included.

        So whoever cleans up afterwards has the files for himself.
        """
        future = asyncio.get_running_loop().run_in_executor(self._executor(), function)
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            await _wait_regardless(future)
            raise
        return future.result()

    async def run_or_leave(self, function: Callable[[], T]) -> T:
        """Run `function`; a cancellation does not wait for it, and its outcome is dropped.

        For reading what may never come, such as the other end of a pipe. So it has a thread of its
        own: a few pipes to which nobody writes would keep everybody else from the executor's.
        """
        thread = DaemonThreads(1, "overseen-source")
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, function)
        finally:
            thread.shutdown(wait=False)


async def _wait_regardless(future: asyncio.Future[T]) -> None:
    """Wait for the end of `future`, however often we are cancelled meanwhile.

    The scope is for callers in one of anyio's: a cancelled scope cancels again in every turn of
    the loop, which would spin here for as long as the disk takes. A task's own cancellation comes
    once for each call, and the caller raises it afterwards.
    """
    with anyio.CancelScope(shield=True):
        while not future.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([future])
    if not future.cancelled():
        future.exception()  # looked at, else asyncio reports it as never retrieved
