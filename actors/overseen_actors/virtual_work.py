"""The threads' side of a virtual loop: executors, answers from threads, and who holds the clock."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import threading
from collections.abc import Callable, Generator
from random import Random
from typing import TypeVar, TypeVarTuple

from overseen_actors.virtual_threads import Threads, ThreadsAtWork

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Latency = Callable[[Random], float]
"""Draws how many virtual seconds a piece of a thread's work takes."""


class WithThreads(asyncio.SelectorEventLoop):
    """What a virtual loop does where a stock one would use threads."""

    _thread_id: int | None  # CPython's own, which its type stubs do not show

    def _prepare_threads(
        self, mode: Threads, latency: Latency | None, draws: Random, watchdog_seconds: float
    ) -> None:
        """Called while the loop is made."""
        self._mode = mode
        self._latency = latency
        self._latency_draws = draws
        self._threads = ThreadsAtWork(watchdog_seconds)
        self._home_thread = threading.get_ident()

    def hold(self) -> None:
        """Keep time from jumping: a real thread is at work for this loop. From any thread."""
        self._threads.hold()

    def release(self) -> None:
        """End one `hold`, after the thread's answer went to `call_soon_threadsafe`."""
        self._threads.release()

    def gate(self, hand_over: Callable[[], object]) -> None:
        """Hand something over to a real thread, and stand still until one has answered.

        The answer is a call of `call_soon_threadsafe`. VirtualStalled after `watchdog_seconds`.
        """
        self._threads.gate(hand_over)

    def draw_latency(self) -> float:
        """How many virtual seconds the next piece of a thread's work takes."""
        return 0.0 if self._latency is None else max(0.0, self._latency(self._latency_draws))

    async def work_pause(self) -> None:
        """Wait as long as a piece of a thread's work takes: where other tasks get their turn."""
        await asyncio.sleep(self.draw_latency())

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """As everywhere; from another thread it takes effect when the loop next turns."""
        if threading.get_ident() == (self._thread_id or self._home_thread):
            return self.call_soon(callback, *args, context=context)
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        handle = asyncio.Handle(callback, args, self, context)
        self._threads.say(handle)
        return handle

    # The executor

    def run_in_executor(
        self, executor: object, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run the function after what is ready already and its latency, see `Threads`."""
        future: asyncio.Future[T] = self.create_future()
        work = functools.partial(func, *args)
        # A fresh context: threads do not inherit one, so neither may what stands for them.
        context = contextvars.Context()
        if latency := self.draw_latency():
            self.call_later(latency, self._run_work, future, work, context=context)
        else:
            self.call_soon(self._run_work, future, work, context=context)
        return future

    def _run_work(self, future: asyncio.Future[T], work: Callable[[], T]) -> None:
        if future.done():
            return
        try:
            if self._mode is Threads.GATED:
                result = self._threads.run(work)
            else:
                with _as_in_a_thread(self):
                    result = work()
        except StopIteration as error:
            # A future cannot carry it.
            future.set_exception(RuntimeError(f"the function raised {error!r}"))
        except BaseException as error:
            # A thread pool hands over every error, and so does this.
            future.set_exception(error)
        else:
            future.set_result(result)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """There is none; and the stock one's time limit would be virtual, so over at once."""


@contextlib.contextmanager
def _as_in_a_thread(loop: asyncio.AbstractEventLoop) -> Generator[None]:
    """In a thread no loop runs."""
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)
