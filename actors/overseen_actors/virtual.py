"""An event loop whose time is virtual: it jumps to the next timer when nothing else can happen.

A ten-minute timeout takes microseconds, and what ran in which order is a pure function of the
program. For tests and simulation, not for production.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import math
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from types import CodeType
from typing import Any, TypeVar, TypeVarTuple

from overseen_actors.deadlock import waiting_tasks
from overseen_actors.errors import (
    InvalidBound,
    UnsupportedPython,
    VirtualDeadlock,
    VirtualIOError,
    VirtualStalled,
    VirtualStepLimit,
    VirtualTimeError,
)
from overseen_actors.virtual_io import SelectorOfTime, WithoutOutsideWorld

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START_SECONDS = 1000.0
"""Where a virtual loop's time starts. Not zero, which real loops never show; not the epoch, where
floating point is too coarse for microseconds."""

STEP_LIMIT = 10_000_000
"""Callbacks of one run unless told otherwise: some ten real seconds of nothing but callbacks."""

TIDYING_STEPS = 100_000
"""Callbacks allowed after the step limit was reached, for tasks to be cancelled in order."""

WATCHDOG_SECONDS = 10.0
"""Real seconds that threads may hold the clock without an answer, unless told otherwise."""

_RESOLUTION_SECONDS = 1e-9
_NAMES_RUN_ONCE_USES = frozenset(
    {"_ready", "_scheduled", "_clock_resolution", "_selector", "select", "time", "popleft"}
)


class VirtualLoop(WithoutOutsideWorld, asyncio.SelectorEventLoop):
    """A stock asyncio loop (CPython 3.11 to 3.13) with a clock of its own.

    Callbacks run in asyncio's own order, first in, first out. When none is ready, time jumps to
    the next timer; when there is no timer either, every task waits for ever and VirtualDeadlock
    names them all. Timers of the very same instant fire in an order that repeats but means
    nothing, as on a stock loop.

    There is no outside world: files, sockets, processes and signals are refused (VirtualIOError).
    `run_in_executor`, and with it `asyncio.to_thread`, runs its function on the loop's own thread
    as a callback, without context variables and without a running loop, as in a thread. Where real
    threads do work for the loop, `hold` keeps time from jumping meanwhile; without a hold the
    loop knows nothing of them (this is so for `anyio.to_thread`).

    `step_limit` bounds the callbacks of the loop's whole life, so that one which never waits is an
    error and not a hang. `watchdog_seconds` is real time, for threads that hold the clock.
    """

    # CPython's own attributes, which its type stubs do not show.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _clock_resolution: float
    _thread_id: int | None
    _closed: bool = True  # until __init__ has run: a loop that was refused needs no closing

    def __init__(
        self,
        *,
        start: float = START_SECONDS,
        step_limit: int = STEP_LIMIT,
        watchdog_seconds: float = WATCHDOG_SECONDS,
    ) -> None:
        if not math.isfinite(start):
            raise InvalidBound("start", start, "finite")
        self.steps = 0
        self.jumps = 0
        self._step_limit = step_limit
        self._watchdog_seconds = watchdog_seconds
        self._inbox: deque[asyncio.Handle] = deque()
        self._holds = 0
        self._threads = threading.Condition()
        self._home_thread = threading.get_ident()
        self._now = start
        check_run_once(type(self))
        super().__init__(SelectorOfTime(self._wait))
        try:
            check_attributes(self)
        except UnsupportedPython:
            self._closed = True
            raise
        self._set_time(start)

    def add_signal_handler(self, sig: int, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """Refuse."""
        raise VirtualIOError(f"handler of signal {sig}")

    # Time

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def stall(self, seconds: float) -> None:
        """Let time pass while no callback runs: what a function that blocks the loop does."""
        if not 0 <= seconds < math.inf:
            raise InvalidBound("seconds", seconds, "finite and 0 or more")
        self._set_time(self._now + seconds)

    def _set_time(self, now: float) -> None:
        self._now = now
        # _run_once fires what is due before now + resolution. Where that sum rounds to now, it
        # would fire nothing and spin for ever; no step limit could see it.
        self._clock_resolution = max(_RESOLUTION_SECONDS, 2 * math.ulp(now))

    def _wait(self, timeout: float | None) -> None:
        """Stands for waiting on files: CPython's `_run_once` comes here once in every turn.

        The next timer is looked up rather than computed from `timeout`, which is a rounded
        difference and at most a day.
        """
        self._count_steps()
        if timeout == 0 and not self._inbox:
            return
        with self._threads:
            if timeout != 0:
                self._wait_for_threads()
            if self._inbox:
                self._ready.extend(self._inbox)
                self._inbox.clear()
                return
        if timeout == 0:
            return
        next_timer = self._scheduled[0].when() if self._scheduled else math.inf
        if next_timer == math.inf:
            raise VirtualDeadlock(self._deadlock_report())
        self.jumps += 1
        self._set_time(next_timer)

    def _count_steps(self) -> None:
        self.steps += len(self._ready) or 1
        if self.steps > self._step_limit:
            limit, self._step_limit = self._step_limit, self.steps + TIDYING_STEPS
            raise VirtualStepLimit(
                f"more than {limit} callbacks, at {self._now} s after {self.jumps} jumps. "
                "Something runs without ever waiting (see: its next turn), or the run is long: "
                f"then pass a higher step_limit. The tasks:\n{self._tasks()}"
            )

    def _deadlock_report(self) -> str:
        return (
            f"at {self._now} s nothing is ready and no timer is set, so these wait for ever "
            f"(or for a thread that works without hold()):\n{self._tasks()}"
        )

    def _tasks(self) -> str:
        return "\n".join(f"  {line}" for line in waiting_tasks(self)) or "  (there is none)"

    # Threads

    def hold(self) -> None:
        """Keep time from jumping: a real thread is at work for this loop. From any thread."""
        with self._threads:
            self._holds += 1

    def release(self) -> None:
        """End one `hold`, after the thread's answer went to `call_soon_threadsafe`."""
        with self._threads:
            if self._holds == 0:
                raise VirtualTimeError("release() without hold()")
            self._holds -= 1
            self._threads.notify()

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
        with self._threads:
            self._inbox.append(handle)
            self._threads.notify()
        return handle

    def _wait_for_threads(self) -> None:
        """With the condition held: until a thread has spoken or none is at work."""
        if not self._threads.wait_for(
            lambda: self._inbox or not self._holds, self._watchdog_seconds
        ):
            raise VirtualStalled(
                f"{self._holds} hold(s) and no answer within {self._watchdog_seconds} real "
                "seconds: a thread is stuck, has died, or nobody called release()"
            )

    # The executor

    def run_in_executor(
        self, executor: object, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run the function here, at this virtual instant, after what is ready already."""
        future: asyncio.Future[T] = self.create_future()
        work = functools.partial(func, *args)
        # A fresh context: threads do not inherit one, so neither may what stands for them.
        self.call_soon(self._run_inline, future, work, context=contextvars.Context())
        return future

    def _run_inline(self, future: asyncio.Future[T], work: Callable[[], T]) -> None:
        if future.done():
            return
        asyncio._set_running_loop(None)
        try:
            result = work()
        except StopIteration as error:
            # A future cannot carry it.
            future.set_exception(RuntimeError(f"the function raised {error!r}"))
        except BaseException as error:
            # A thread pool hands over every error, and so does this.
            future.set_exception(error)
        else:
            future.set_result(result)
        finally:
            asyncio._set_running_loop(self)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """There is none; and the stock one's time limit would be virtual, so over at once."""


def check_run_once(loop_class: type[asyncio.AbstractEventLoop]) -> None:
    """Raise UnsupportedPython unless a turn of such a loop uses what this module replaces."""
    code: object = getattr(getattr(loop_class, "_run_once", None), "__code__", None)
    used = frozenset(code.co_names) if isinstance(code, CodeType) else frozenset[str]()
    missing = _NAMES_RUN_ONCE_USES - used
    if missing:
        raise UnsupportedPython(_unsupported(f"_run_once does not use {sorted(missing)}"))


def check_attributes(loop: asyncio.AbstractEventLoop) -> None:
    """Raise UnsupportedPython unless the loop holds its callbacks and timers as expected."""
    expected = {"_ready": deque, "_scheduled": list, "_clock_resolution": float}
    for name, kind in expected.items():
        found: object = getattr(loop, name, None)
        if not isinstance(found, kind):
            raise UnsupportedPython(_unsupported(f"{name} is {found!r}, not a {kind.__name__}"))


def _unsupported(difference: str) -> str:
    return (
        f"asyncio's event loop has changed: {difference}. Virtual time is known to work on "
        "CPython 3.11 to 3.13; use one of these for simulated tests (nothing else needs it)"
    )


def running_virtual_loop() -> VirtualLoop:
    """The running loop, for `stall` and `hold`; an error if it is a stock one."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise VirtualTimeError(f"{loop!r} is not virtual: run this by run_virtual()")
    return loop


def run_virtual(
    main: Coroutine[Any, Any, T],
    *,
    start: float = START_SECONDS,
    step_limit: int = STEP_LIMIT,
    watchdog_seconds: float = WATCHDOG_SECONDS,
) -> T:
    """Run `main` to its end on a virtual loop of its own, as asyncio.run does on a stock one.

    assert run_virtual(asyncio.sleep(600, "ten minutes later")) == "ten minutes later"
    """
    new_loop = functools.partial(
        VirtualLoop, start=start, step_limit=step_limit, watchdog_seconds=watchdog_seconds
    )
    # Closing does nothing to a coroutine that ran; it is for one whose loop could not be made.
    with contextlib.closing(main), asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)
