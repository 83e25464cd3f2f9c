"""An event loop whose time is virtual: it jumps to the next timer when nothing else can happen.

A ten-minute timeout takes microseconds, and what ran in which order is a pure function of the
program and of a seed. For tests and simulation, not for production.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import itertools
import math
from collections import deque
from collections.abc import Coroutine, Generator
from random import Random
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from overseen_actors.errors import (
    InvalidBound,
    UnsupportedPython,
    VirtualDeadlock,
    VirtualTimeError,
)
from overseen_actors.virtual_anyio import teach_anyio
from overseen_actors.virtual_asyncio import teach_asyncio
from overseen_actors.virtual_crash import drop_tasks_quietly
from overseen_actors.virtual_io import SelectorOfTime, WithoutOutsideWorld
from overseen_actors.virtual_limits import Limits, described_tasks
from overseen_actors.virtual_order import NumberedFuture, stepped_task, task_numbering
from overseen_actors.virtual_ready import (
    PCT_CHANGES,
    PCT_SPAN_STEPS,
    FifoReady,
    NothingRuns,
    Schedule,
    ready_queue,
)
from overseen_actors.virtual_selftest import check_attributes, check_run_once, check_steps
from overseen_actors.virtual_signals import SimulatedSignals
from overseen_actors.virtual_threads import Threads
from overseen_actors.virtual_trace import StepHook, TraceHook, step_name
from overseen_actors.virtual_work import Latency, WithThreads

T = TypeVar("T")

START_SECONDS = 1000.0
"""Where a virtual loop's time starts. Not zero, which real loops never show; not the epoch, where
floating point is too coarse for microseconds."""

STEP_LIMIT = 10_000_000
"""Callbacks of one run unless told otherwise: some ten real seconds of nothing but callbacks."""

WATCHDOG_SECONDS = 10.0
"""Real seconds that threads may hold the clock without an answer, unless told otherwise."""

_RESOLUTION_SECONDS = 1e-9


class VirtualOptions(TypedDict, total=False):
    """The options of a `VirtualLoop`, which tells their meaning."""

    seed: int | str
    schedule: Schedule | Literal["fifo", "random", "pct"]
    threads: Threads | Literal["inline", "gated"]
    latency: Latency | None
    step_cost_seconds: float
    timer_slack_seconds: float
    pct_changes: int
    pct_span_steps: int
    trace: TraceHook | None
    before_step: StepHook | None
    start: float
    step_limit: int
    time_limit_seconds: float
    watchdog_seconds: float


class VirtualLoop(WithoutOutsideWorld, SimulatedSignals, WithThreads):
    """A stock asyncio loop (CPython 3.11 to 3.13) with a clock of its own.

    When no callback is ready, time jumps to the next timer; when there is no timer either, every
    task waits for ever and VirtualDeadlock names them all. Timers of the very same instant fire in
    an order that repeats but means nothing, as on a stock loop. Sets of tasks repeat their order.

    There is no outside world: files, sockets and processes are refused (VirtualIOError). Signals
    are simulated (`deliver_signal`).

    `run_in_executor`, and with it `asyncio.to_thread` and `anyio.to_thread`, runs its function on
    the loop's own thread as a callback, without context variables and without a running loop, as in
    a thread. `threads="gated"` runs it in a real one while the loop stands still: nothing else
    differs. Where real threads do work for the loop freely, `hold` keeps time from jumping
    meanwhile; without a hold the loop knows nothing of them.

    `seed`: everything drawn at random comes from it.
    `schedule`: which ready task goes first, see `Schedule`; `pct_changes` and `pct_span_steps` are
    how often priorities change within how many steps.
    `latency`: draws how long a piece of work of a thread takes, in virtual seconds; by default it
    takes no time. `work_pause` waits so long.
    `step_cost_seconds`: the mean of what each callback takes, so that timers race with work that
    is ready. `timer_slack_seconds`: timers are late by up to so much.
    `trace`, `before_step`: called before each callback.
    `step_limit` bounds the callbacks of the loop's whole life, so that one which never waits is an
    error and not a hang; `time_limit_seconds` bounds its virtual time. `watchdog_seconds` is real
    time, for threads. A callback that never returns is seen by none of these.
    """

    # CPython's own attributes, which its type stubs do not show.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _clock_resolution: float
    _closed: bool = True  # until __init__ has run: a loop that was refused needs no closing

    def __init__(
        self,
        *,
        seed: int | str = 0,
        schedule: Schedule | Literal["fifo", "random", "pct"] = Schedule.FIFO,
        threads: Threads | Literal["inline", "gated"] = Threads.INLINE,
        latency: Latency | None = None,
        step_cost_seconds: float = 0.0,
        timer_slack_seconds: float = 0.0,
        pct_changes: int = PCT_CHANGES,
        pct_span_steps: int = PCT_SPAN_STEPS,
        trace: TraceHook | None = None,
        before_step: StepHook | None = None,
        start: float = START_SECONDS,
        step_limit: int = STEP_LIMIT,
        time_limit_seconds: float = math.inf,
        watchdog_seconds: float = WATCHDOG_SECONDS,
    ) -> None:
        if not math.isfinite(start):
            raise InvalidBound("start", start, "finite")
        self._step_cost_seconds = _duration("step_cost_seconds", step_cost_seconds)
        self._timer_slack_seconds = _duration("timer_slack_seconds", timer_slack_seconds)
        self._trace, self._hook = trace, before_step
        self._limits = Limits(step_limit, start, time_limit_seconds)
        self._crashed: BaseException | None = None
        self._left_over: deque[asyncio.Handle] = deque()
        self._handlers = {}
        self._future_numbers = itertools.count(1)
        # A stream each: what one consumer draws does not move what the others get.
        self._draw_time = Random(f"{seed}/time").random
        latency_draws = Random(f"{seed}/latency")
        self._prepare_threads(Threads(threads), latency, latency_draws, watchdog_seconds)
        self.steps = 0
        self.jumps = 0
        self._now = start
        listens = step_cost_seconds or trace is not None or before_step is not None
        ready = ready_queue(
            Schedule(schedule),
            self._before if listens else None,
            Random(f"{seed}/schedule"),
            pct_changes,
            pct_span_steps,
        )
        check_run_once(type(self))
        super().__init__(SelectorOfTime(self._wait))
        try:
            check_attributes(self)
            check_steps(self)
            teach_anyio()
            teach_asyncio()
        except UnsupportedPython:
            self._closed = True
            raise
        self.set_task_factory(task_numbering())
        self._set_time(start)
        if ready is not None:
            self._ready = ready

    def create_future(self) -> asyncio.Future[Any]:
        """A future that sets keep in an order that repeats."""
        future = NumberedFuture(loop=self)
        future.numbers = self._future_numbers
        return future

    # Time

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def stall(self, seconds: float) -> None:
        """Let time pass while no callback runs: what a function that blocks the loop does."""
        self._set_time(self._now + _duration("seconds", seconds))

    def _set_time(self, now: float) -> None:
        self._now = now
        # _run_once fires what is due before now + resolution. Where that sum rounds to now, it
        # would fire nothing and spin for ever; no step limit could see it. Four times: the costs
        # of steps are added without coming here.
        self._clock_resolution = max(_RESOLUTION_SECONDS, 4 * math.ulp(now))

    def _wait(self, timeout: float | None) -> None:
        """Stands for waiting on files: CPython's `_run_once` comes here once in every turn.

        The next timer is looked up rather than computed from `timeout`, which is a rounded
        difference and at most a day.
        """
        if self._crashed is not None:
            raise self._crashed
        self.steps += len(self._ready) or 1
        if self.steps > self._limits.near_steps:
            self._limits.check_steps(self, self.steps)
            self._let_limits_count()
        threads = self._threads
        if timeout != 0 and not threads.has_spoken:
            threads.wait()
        if threads.has_spoken:
            self._ready.extend(threads.take())
        elif timeout != 0:
            self._jump()

    def _jump(self) -> None:
        next_timer = self._scheduled[0].when() if self._scheduled else math.inf
        if next_timer == math.inf:
            raise VirtualDeadlock(
                f"at {self._now} s nothing is ready and no timer is set, so these wait for ever "
                f"(or for a thread that works without hold()):\n{described_tasks(self)}"
            )
        if self._timer_slack_seconds:
            next_timer += self._timer_slack_seconds * self._draw_time()
        if next_timer > self._limits.near_time:
            self._limits.check_time(self, self.steps, next_timer)
            self._let_limits_count()
        self.jumps += 1
        if next_timer > self._now:  # it is not, where a callback or a stall took that long
            self._set_time(next_timer)

    # Before each callback: only where somebody wants to know of it

    def _before(self, handle: asyncio.Handle) -> None:
        """Called by the queue of ready callbacks."""
        if self._step_cost_seconds:
            self._now += self._step_cost_seconds * 2 * self._draw_time()
        if handle.cancelled():
            return
        if self._limits.counts:
            self._limits.count(handle)
        if self._trace is not None or self._hook is not None:
            task = stepped_task(handle)
            if self._trace is not None:
                number = 0 if task is None else task.number
                self._trace(round(self._now * 1e9), number, step_name(handle, task))
            if self._hook is not None:
                self._hook(task)
            if self._crashed is not None:
                raise self._crashed

    def _let_limits_count(self) -> None:
        if isinstance(self._ready, FifoReady):
            self._ready.before = self._before
        else:
            waiting, self._ready = self._ready, FifoReady(self._before)
            self._ready.extend(waiting)

    # The end of the world

    def crash(self, error: BaseException) -> None:
        """End everything: `error` comes out of `run_forever` before the next callback runs.

        No task is cancelled and no `finally` runs, as when the process is killed. The callback
        that calls this is not undone and goes on to its end: whoever simulates a disk copies it
        here and now. The loop never runs again; closing it drops the tasks, see `abandon`.
        """
        if self._crashed is None:
            self._crashed = error
            # Kept: a task that only its next step refers to would be freed, and so run on.
            self._left_over, self._ready = self._ready, NothingRuns(error)

    def abandon(self) -> None:
        """Close the loop and drop its tasks where they stand, without a word.

        Each runs its `finally` blocks as far as the next `await`, since Python cannot do without;
        their errors are dropped. What they could still spoil without awaiting, a file above all,
        has to be copied before.
        """
        if self.is_running():
            raise VirtualTimeError("abandon() from within: call crash() here, abandon() outside")
        if self.is_closed():
            return
        if self._crashed is None:
            self.crash(VirtualTimeError("the loop was abandoned"))
        drop_tasks_quietly(self)
        self._left_over.clear()
        super().close()

    def run_forever(self) -> None:
        """Run until somebody stops the loop, or it crashes; a crashed one raises its error."""
        if self._crashed is not None:
            raise self._crashed
        super().run_forever()

    def close(self) -> None:
        """Close the loop; a crashed one is abandoned."""
        if self._crashed is None:
            super().close()
        else:
            self.abandon()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """As everywhere; after a crash nobody is left to hear what was not retrieved or awaited."""
        if self._crashed is None:
            super().call_exception_handler(context)


def _duration(name: str, seconds: float) -> float:
    if not 0 <= seconds < math.inf:
        raise InvalidBound(name, seconds, "finite and 0 or more")
    return seconds


def running_virtual_loop() -> VirtualLoop:
    """The running loop, for `stall` and `hold`; an error if it is a stock one."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise VirtualTimeError(f"{loop!r} is not virtual: run this by run_virtual()")
    return loop


def run_virtual(main: Coroutine[Any, Any, T], **options: Unpack[VirtualOptions]) -> T:
    """Run `main` to its end on a virtual loop of its own, as asyncio.run does on a stock one.

    The options are those of `VirtualLoop`. Cyclic garbage is not collected meanwhile: finalizers
    would run at moments that do not repeat.

    assert run_virtual(asyncio.sleep(600, "ten minutes later")) == "ten minutes later"
    """
    new_loop = functools.partial(VirtualLoop, **options)
    # Closing does nothing to a coroutine that ran; it is for one whose loop could not be made.
    with (
        without_collecting_garbage(),
        contextlib.closing(main),
        asyncio.Runner(loop_factory=new_loop) as runner,
    ):
        return runner.run(main)


@contextlib.contextmanager
def without_collecting_garbage() -> Generator[None]:
    """Cyclic garbage stays until the end of the block, for runs that have to repeat exactly."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
