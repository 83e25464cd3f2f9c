"""The loop of simulated tests: virtual time, one seed for everything, no real world, and worlds
that can end as a killed process does."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, Literal, TypedDict, TypeVar, TypeVarTuple, Unpack
from weakref import WeakSet

from overseen.testing.errors import NotSimulated
from overseen.testing.reality import Reality
from overseen.testing.worlds import World, context_of, world_here, world_in
from overseen_actors import VirtualLoop
from overseen_actors.virtual_crash import drop_tasks_quietly
from overseen_actors.virtual_trace import TraceHook

__all__ = ["ScheduleName", "SimulatedLoop", "simulated_loop"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Documented for those who make tasks of their own, but not in the stubs.
_REGISTER = "_register_task"
_UNREGISTER = "_unregister_task"
_CONTEXT = "_context"  # of a handle: not in the stubs

ScheduleName = Literal["random", "pct", "fifo"]
"""Which ready task goes first: any, drawn from the seed (`random`, the default); by priorities that
are drawn from it (`pct`); the one that was ready first, as on a stock loop (`fifo`)."""


class _MoreOptions(TypedDict, total=False):
    """Those of `VirtualLoop` that a test may want to turn."""

    step_cost_seconds: float
    timer_slack_seconds: float
    step_limit: int
    time_limit_seconds: float
    trace: TraceHook | None


class SimulatedLoop(VirtualLoop):
    """The event loop on which a test is simulated. Where you choose a test's loop yourself:

    ::

        asyncio.Runner(loop_factory=SimulatedLoop)

    `run_simulated` and the pytest plugin do that. `seed` decides everything that is left to chance.
    `schedule`: see `ScheduleName`. Other options are those of `overseen_actors.VirtualLoop`.
    """

    _asyncgens: WeakSet[AsyncGenerator[Any, Any]]  # CPython's own, which its stubs do not show

    def __init__(
        self,
        *,
        seed: int = 0,
        schedule: ScheduleName = "random",
        **options: Unpack[_MoreOptions],
    ) -> None:
        self.seed = seed
        """What everything that is left to chance was drawn from."""
        self._settling: list[asyncio.Future[None]] = []
        self._reality = Reality()
        # Kept: a task that is freed runs its `finally` blocks.
        self._buried: list[asyncio.Task[Any]] = []
        self._deaf = False
        super().__init__(seed=seed, schedule=schedule, **options)

    # Time.

    async def settle(self) -> None:
        """Return when nothing more happens at this instant: everybody waits for a later one."""
        settled: asyncio.Future[None] = self.create_future()
        self._settling.append(settled)
        await settled

    @property
    def next_timer_at(self) -> float | None:
        """When the next timer fires, in loop seconds; None: there is none."""
        return self._scheduled[0].when() if self._scheduled else None

    def _wait(self, timeout: float | None) -> None:
        if timeout != 0 and self._settling:
            settled, self._settling = self._settling, []
            for future in settled:
                if not future.done():
                    future.set_result(None)
            timeout = 0
        super()._wait(timeout)

    # Worlds.

    def end_world(self, world: World) -> None:
        """Run nothing of `world` any more: no step, no callback, no `finally`."""
        world.ended = True
        for handle in [*self._ready, *self._scheduled]:
            context: contextvars.Context = getattr(handle, _CONTEXT)
            if not handle.cancelled() and world_in(context) is world:
                handle.cancel()
        unregister: Callable[[asyncio.Task[Any]], None] = getattr(asyncio.tasks, _UNREGISTER)
        for task in sorted(world.tasks, key=hash):
            if not task.done():
                self._buried.append(task)
                unregister(task)
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # as asyncio does
        for generator in list(world.generators):
            self._asyncgens.discard(generator)

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """As everywhere; what is of a world that ended does not run."""
        handle = super().call_soon(callback, *args, context=context)
        world = world_in(context)
        if world is not None and world.ended:
            handle.cancel()
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """As everywhere; what is of a world that ended does not run."""
        handle = super().call_at(when, callback, *args, context=context)
        world = world_in(context)
        if world is not None and world.ended:
            handle.cancel()
        return handle

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: contextvars.Context | None = None,
        **options: Any,
    ) -> asyncio.Task[T]:
        """As everywhere; the task belongs to the world of whoever makes it."""
        task = super().create_task(coro, name=name, context=context, **options)
        world = world_in(context)
        if world is not None:
            world.tasks.add(task)
        return task

    def run_in_executor(
        self, executor: object, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """As on a virtual loop; what a world that ended has asked for is not done."""
        world = world_here()
        if world is None:
            return super().run_in_executor(executor, func, *args)

        def unless_it_ended() -> T:
            if world.ended:
                raise RuntimeError("nobody is there any more who asked for this")
            return func(*args)

        return super().run_in_executor(executor, unless_it_ended)

    def _asyncgen_firstiter_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        super()._asyncgen_firstiter_hook(agen)  # type: ignore[misc]  # not in its stubs
        world = world_here()
        if world is not None:
            world.generators.add(agen)

    # Running and closing.

    def run_forever(self) -> None:
        """As everywhere, without the real world: a real sleep or connection is an error."""
        with self._reality.kept_out():
            super().run_forever()

    def close(self) -> None:
        """Close the loop, and drop what was left of worlds that ended."""
        if self._buried:
            self._deaf = True
            with _nobody_hears():
                self._drop_buried()
                gc.collect(0)  # what was freed by cycles of errors and frames
        super().close()

    def _drop_buried(self) -> None:
        buried, self._buried = self._buried, []
        register: Callable[[asyncio.Task[Any]], None] = getattr(asyncio.tasks, _REGISTER)
        for task in buried:
            register(task)
        ended = World()
        ended.ended = True
        context_of(ended).run(drop_tasks_quietly, self)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """As everywhere; after what was killed was dropped, nobody is left to hear of it."""
        if not self._deaf:
            super().call_exception_handler(context)


@contextlib.contextmanager
def _nobody_hears() -> Generator[None]:
    """A coroutine that is dropped and awaits again is an error that Python can only print."""

    def unheard(_: object) -> None: ...

    hook, sys.unraisablehook = sys.unraisablehook, unheard
    try:
        yield
    finally:
        sys.unraisablehook = hook


def simulated_loop(what: str) -> SimulatedLoop:
    """The running loop; `NotSimulated`, about `what`, if it is another one."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise NotSimulated(what) from None
    if not isinstance(loop, SimulatedLoop):
        raise NotSimulated(what)
    return loop
