"""How virtual time passes: costs of steps, late timers, latency, stalls, suspends, and limits."""

from __future__ import annotations

import asyncio
import math
import signal

import anyio
import anyio.to_thread
import pytest

from overseen_actors import (
    InvalidBound,
    LoopClock,
    VirtualDeadlock,
    VirtualLoop,
    VirtualStalled,
    VirtualStepLimit,
    VirtualTimeError,
    VirtualTimeLimit,
    run_virtual,
    running_virtual_loop,
)


def test_a_step_costs_time_so_that_timers_race_with_work_that_is_ready() -> None:
    """A loop that only yields would else keep every timer out for ever."""

    async def main() -> int:
        turns = 0
        with anyio.move_on_after(0.1):
            while True:
                await asyncio.sleep(0)
                turns += 1
        return turns

    turns = {run_virtual(main(), seed=seed, step_cost_seconds=0.001) for seed in range(10)}
    assert all(70 < count < 140 for count in turns)
    assert len(turns) > 1
    with pytest.raises(VirtualStepLimit):
        run_virtual(main(), step_limit=1000)


def test_timers_are_late_by_at_most_their_slack() -> None:
    """Drawn anew for each jump; never early, and their order stays."""

    async def main() -> list[float]:
        loop, late = asyncio.get_running_loop(), list[float]()
        for _ in range(100):
            due = loop.time() + 1
            await asyncio.sleep(1)
            late.append(loop.time() - due)
        return late

    late = run_virtual(main(), timer_slack_seconds=0.01)
    assert all(0 <= delay <= 0.01 for delay in late)
    assert max(late) > 0.005
    assert run_virtual(main()) == [0] * 100


def test_work_of_threads_takes_a_latency_drawn_from_the_seed() -> None:
    """Executors, asyncio's and anyio's threads and `work_pause` take virtual time, no real one."""

    async def main() -> list[float]:
        loop, took = running_virtual_loop(), list[float]()

        async def in_executor() -> None:
            await loop.run_in_executor(None, int)

        for work in (
            in_executor,
            lambda: asyncio.to_thread(int),
            lambda: anyio.to_thread.run_sync(int),
            loop.work_pause,
        ):
            start = loop.time()
            await work()
            took.append(loop.time() - start)
        return took

    took = run_virtual(main(), latency=lambda draw: draw.uniform(5, 60))
    assert all(5 <= seconds <= 60 for seconds in took)
    assert len(set(took)) == 4
    assert run_virtual(main()) == [0] * 4


async def test_work_of_an_anyio_thread_is_no_reason_for_a_timeout() -> None:
    """Time does not jump over it: anyio's threads go the way of asyncio's."""
    with anyio.fail_after(600):
        assert await anyio.to_thread.run_sync(pow, 2, 10) == 1024
        assert await anyio.to_thread.run_sync(pow, 2, 10, abandon_on_cancel=True) == 1024


def test_anyio_keeps_its_threads_on_a_stock_loop() -> None:
    """What was taught to anyio shows on virtual loops only."""
    VirtualLoop().close()

    async def main() -> int:
        answers = list[int]()
        with anyio.CancelScope():
            answers.append(await anyio.to_thread.run_sync(pow, 2, 10))
        return answers[0]

    assert anyio.run(main) == 1024


async def test_a_stalled_and_a_suspended_machine_show_in_the_clocks_as_on_linux() -> None:
    """Stalled, all clocks move and no callback ran. Suspended, elapsed time (CLOCK_BOOTTIME) and
    wall move and the loop's own time, by which timers fire, stands still. A step moves the wall."""
    loop = running_virtual_loop()
    clock = LoopClock(loop)

    def clocks() -> tuple[float, float, int]:
        return loop.time(), clock.monotonic(), clock.wall_us()

    def moved(since: tuple[float, float, int]) -> tuple[float, float, int]:
        now = clocks()
        return now[0] - since[0], now[1] - since[1], now[2] - since[2]

    ticks = list[float]()
    loop.call_later(60, lambda: ticks.append(loop.time()))
    start = clocks()
    loop.stall(30)
    assert moved(start) == (30, 30, 30_000_000)
    clock.suspend(3600)
    assert moved(start) == (30, 3630, 3_630_000_000)
    clock.step(-7200)
    assert moved(start) == (30, 3630, -3_570_000_000)
    await asyncio.sleep(0)
    assert ticks == []
    await asyncio.sleep(30)
    assert ticks == [start[0] + 60]


def test_the_step_limit_names_the_busiest_task() -> None:
    """Of many, the one that never waits is named first, with its share of the last callbacks."""

    async def spin() -> None:
        while True:  # noqa: ASYNC110  that is what is tested
            await asyncio.sleep(0)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(asyncio.sleep(1000))
            group.create_task(spin(), name="the spinner")

    for schedule in ("fifo", "random", "pct"):
        with pytest.raises(VirtualStepLimit, match="more than 3000 callbacks") as caught:
            run_virtual(main(), step_limit=3000, schedule=schedule)
        busiest = str(caught.value).splitlines()[1]
        assert "The busiest of the last" in busiest
        assert "callbacks: the spinner (" in busiest
        assert ".spin) " in busiest


def test_the_limit_of_virtual_time_names_the_busiest_task_and_the_next_timers() -> None:
    """What comes back for ever is an error; tasks still end in good order."""
    ended = list[str]()

    async def sweep() -> None:
        try:
            while True:  # noqa: ASYNC110  as sweeps do
                await asyncio.sleep(30)
        finally:
            await asyncio.sleep(600)
            ended.append("sweep")

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(sweep(), name="sweeper")
            group.create_task(asyncio.sleep(7000), name="sleeper")
            await asyncio.Event().wait()

    with pytest.raises(VirtualTimeLimit, match=r"more than 3600\.0 virtual seconds") as caught:
        run_virtual(main(), time_limit_seconds=3600.0)
    message = str(caught.value)
    assert "callbacks: " in message
    assert "sweeper (" in message.splitlines()[1]
    assert "  at 4630.0 s: sweeper" in message
    assert "  at 8000.0 s: sleeper" in message
    assert ended == ["sweep"]
    assert run_virtual(asyncio.sleep(3599, "in time"), time_limit_seconds=3600) == "in time"


def test_a_deadlock_names_those_who_are_gathered() -> None:
    """A task that waits for several others is told apart from one that waits for nobody."""

    async def main() -> None:
        tasks = [asyncio.create_task(asyncio.Event().wait()) for _ in range(2)]
        await asyncio.gather(*tasks, asyncio.sleep(1, True))

    with pytest.raises(VirtualDeadlock, match=r"(?m)Task-1: .*> the ends of Task-2, Task-3$"):
        run_virtual(main())


def test_tasks_are_numbered_from_one_in_every_loop() -> None:
    """Reports of two runs are alike: asyncio's own numbers go on from loop to loop."""

    async def main() -> list[str]:
        named = asyncio.create_task(asyncio.sleep(0), name="mine")
        other = asyncio.create_task(asyncio.sleep(0))
        return [task.get_name() for task in (named, other)]

    assert run_virtual(main()) == run_virtual(main()) == ["mine", "Task-3"]


async def test_a_signal_is_delivered_to_its_handler_and_to_nobody_else() -> None:
    """Handlers live in the loop, not in the process; without one the signal is an error."""
    loop = running_virtual_loop()
    outside = signal.getsignal(signal.SIGTERM)
    got = list[str]()
    loop.add_signal_handler(signal.SIGTERM, got.append, "first")
    loop.add_signal_handler(signal.SIGTERM, got.append, "term")
    assert signal.getsignal(signal.SIGTERM) is outside
    loop.deliver_signal(signal.SIGTERM)
    assert got == []
    await asyncio.sleep(0)
    assert got == ["term"]
    assert loop.remove_signal_handler(signal.SIGTERM)
    assert not loop.remove_signal_handler(signal.SIGTERM)
    with pytest.raises(VirtualTimeError, match="SIGTERM"):
        loop.deliver_signal(signal.SIGTERM)


def test_a_gated_thread_that_never_answers_is_an_error_and_not_a_hang() -> None:
    """The watchdog is real time and names what was handed over."""
    loop = VirtualLoop(watchdog_seconds=0.001)
    with pytest.raises(VirtualStalled, match="did not answer"):
        loop.gate(lambda: None)
    loop.close()


@pytest.mark.parametrize("name", ["step_cost_seconds", "timer_slack_seconds", "time_limit_seconds"])
@pytest.mark.parametrize("value", [-1, math.nan])
def test_durations_out_of_bounds_are_refused(name: str, value: float) -> None:
    """With their name, value and bound."""
    with pytest.raises(InvalidBound, match=name):
        VirtualLoop(**{name: value})  # type: ignore[arg-type]  # any of them
