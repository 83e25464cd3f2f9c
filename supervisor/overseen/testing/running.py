"""Runs a coroutine function in simulated time, without pytest."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from overseen.durations import Duration, seconds
from overseen.testing.loop import ScheduleName, SimulatedLoop
from overseen_actors import without_collecting_garbage
from overseen_actors.virtual_trace import TraceHook

__all__ = ["TIME_LIMIT", "run_simulated"]

T = TypeVar("T")

TIME_LIMIT: Duration = "31d"
"""Simulated time that one test may take unless it says otherwise."""


def run_simulated(
    main: Callable[[], Coroutine[Any, Any, T]],
    *,
    seed: int = 0,
    schedule: ScheduleName = "random",
    time_limit: Duration = TIME_LIMIT,
    trace: TraceHook | None = None,
) -> T:
    """Run ``main()`` to its end in simulated time, as asyncio.run does in real time.

    ::

        async def main() -> None:
            async with simulate(supervisor) as sim: ...

        for seed in range(100):
            run_simulated(main, seed=seed)

    A run is a function of its seed: the same seed, the same run. An error that comes out says in a
    note which seed it was. `schedule`: see `ScheduleName`. `time_limit` ends a run that would go
    on for ever, by `VirtualTimeLimit`. `trace` is called before each step: see
    `overseen_actors.Trace`.
    """
    _check(main)
    new_loop = functools.partial(
        SimulatedLoop,
        seed=seed,
        schedule=schedule,
        time_limit_seconds=seconds(time_limit, name="time_limit"),
        trace=trace,
    )
    with without_collecting_garbage(), asyncio.Runner(loop_factory=new_loop) as runner:
        try:
            return runner.run(main())
        except BaseException as error:
            name = getattr(main, "__name__", "main")
            error.add_note(f"to see the same again: run_simulated({name}, seed={seed})")
            raise


def _check(main: object) -> None:
    if inspect.iscoroutine(main):
        main.close()
        raise TypeError("run_simulated takes the function itself: run_simulated(main), not main()")
    if not callable(main):
        raise TypeError(f"run_simulated takes a coroutine function, not {main!r}")
