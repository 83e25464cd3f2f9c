"""What virtual time promises: it jumps, it never lies, and it says why when it cannot go on."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import math
import random
import re
import time

import anyio
import pytest

from overseen_actors import (
    InvalidBound,
    VirtualDeadlock,
    VirtualStepLimit,
    VirtualTimeError,
    run_virtual,
    running_virtual_loop,
)

COLOUR = contextvars.ContextVar("COLOUR", default="none")


async def test_a_ten_minute_timeout_takes_no_real_time() -> None:
    """A thousand timeouts of ten minutes are a week, and over in well under a second."""
    loop = asyncio.get_running_loop()
    start, real_start = loop.time(), time.perf_counter()
    for _ in range(1000):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await asyncio.Event().wait()
    assert loop.time() - start == 600_000
    assert time.perf_counter() - real_start < 5


async def test_anyio_deadlines_follow_virtual_time_too() -> None:
    """anyio's sleeps, scopes and groups run here unchanged."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    with anyio.move_on_after(600) as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 100)
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert loop.time() - start == 600


async def test_ten_thousand_timers_fire_in_the_order_of_their_time() -> None:
    """Each at exactly its time, whatever order they were set in, cancelled ones not at all."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    delays = random.Random(2).sample(range(1, 1_000_000), 10_000)
    fired: list[tuple[float, float]] = []

    def fire(delay: float) -> None:
        fired.append((delay, loop.time()))

    for index, delay in enumerate(delays):
        timer = loop.call_at(start + delay, fire, delay)
        if index % 3 == 0:
            timer.cancel()
    await asyncio.sleep(1_000_001)
    expected = sorted(delay for index, delay in enumerate(delays) if index % 3)
    assert fired == [(delay, start + delay) for delay in expected]


async def test_no_time_passes_while_something_is_ready() -> None:
    """Callbacks run first in, first out, all at one instant."""
    loop = asyncio.get_running_loop()
    ran: list[tuple[int, float]] = []

    def run(number: int) -> None:
        ran.append((number, loop.time()))

    for number in range(100):
        loop.call_soon(run, number)
    start = loop.time()
    await asyncio.sleep(0)
    assert ran == [(number, start) for number in range(100)]


@pytest.mark.parametrize("delay", [1e-9, 1e-7, 0.1 + 0.2, 1 / 3, 86_400.0, 86_400 * 3650.0, 1e12])
def test_time_never_spins_whatever_its_magnitude(delay: float) -> None:
    """A sleep of a nanosecond or of ages ends after a few callbacks, not after none for ever."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for _ in range(100):
            await asyncio.sleep(delay)
        return loop.time() - start

    assert run_virtual(main(), step_limit=1000) == pytest.approx(100 * delay, rel=1e-3)


async def test_a_stall_makes_timers_late_as_a_blocking_function_does() -> None:
    """Timers that came due meanwhile fire at the end of the stall, in their order."""
    loop = running_virtual_loop()
    start = loop.time()
    fired: list[tuple[str, float]] = []
    loop.call_later(2, lambda: fired.append(("two", loop.time() - start)))
    loop.call_later(1, lambda: fired.append(("one", loop.time() - start)))
    loop.stall(30)
    await asyncio.sleep(0.5)
    assert fired == [("one", 30), ("two", 30)]
    for wrong in (-1, math.inf, math.nan):
        with pytest.raises(InvalidBound, match="seconds"):
            loop.stall(wrong)


def test_a_deadlock_names_every_task_and_where_it_waits() -> None:
    """Nothing ready and no timer is an error with each task's await chain, not a hang."""

    async def wait_for_a_letter(letter: asyncio.Event) -> None:
        await letter.wait()

    async def main() -> None:
        postman = asyncio.create_task(wait_for_a_letter(asyncio.Event()), name="postman")
        await postman

    with pytest.raises(VirtualDeadlock) as caught:
        run_virtual(main())
    lines = str(caught.value).splitlines()
    assert "wait for ever" in lines[0]
    [postman] = [line for line in lines if line.startswith("  postman: ")]
    assert "wait_for_a_letter (test_virtual.py:" in postman
    assert "> Event.wait (locks.py:" in postman
    assert postman.endswith("> a future")
    [waiting] = [line for line in lines if line.endswith("the end of postman")]
    assert "main (test_virtual.py:" in waiting


def test_a_deadlock_report_lists_the_oldest_task_first() -> None:
    """Names end in numbers: Task-9 comes before Task-10, whatever their addresses."""

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(30):
                group.create_task(asyncio.Event().wait())

    with pytest.raises(VirtualDeadlock) as caught:
        run_virtual(main())
    numbers = [int(number) for number in re.findall(r"^  Task-(\d+):", str(caught.value), re.M)]
    assert len(numbers) == 31
    assert numbers == sorted(numbers)


def test_a_timer_at_infinity_is_no_timer() -> None:
    """Sleeping for ever is a deadlock, not a jump to the end of time."""
    with pytest.raises(VirtualDeadlock, match="sleep"):
        run_virtual(anyio.sleep(math.inf))


def test_a_loop_that_never_waits_reaches_the_step_limit() -> None:
    """A livelock is an error that shows what keeps running; tasks still end in good order."""
    ended: list[str] = []

    async def spin_for_ever() -> None:
        try:
            while True:  # noqa: ASYNC110  that is what is tested
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(10)
            ended.append("in good order")

    with pytest.raises(VirtualStepLimit, match="more than 5000 callbacks") as caught:
        run_virtual(spin_for_ever(), step_limit=5000)
    assert "spin_for_ever (test_virtual.py:" in str(caught.value)
    assert "its next turn" in str(caught.value)
    assert ended == ["in good order"]


def test_a_run_gives_back_the_result_the_error_and_the_loop() -> None:
    """`run_virtual` is asyncio.run in virtual time: result, error, nested tasks cancelled."""
    ended: list[str] = []

    async def left_over() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("left over")

    async def main() -> str:
        task = asyncio.create_task(left_over())
        await asyncio.sleep(600)
        assert not task.done()
        return "ten minutes later"

    async def fail() -> None:
        raise LookupError("inside")

    assert run_virtual(main()) == "ten minutes later"
    assert ended == ["left over"]
    with pytest.raises(LookupError, match="inside"):
        run_virtual(fail())


def test_two_runs_are_the_same_to_the_last_callback() -> None:
    """The same program gives the same instants and the same number of callbacks."""

    async def main() -> tuple[list[tuple[float, int]], int, int]:
        loop = running_virtual_loop()
        seen: list[tuple[float, int]] = []
        draw = random.Random(7)

        async def worker(number: int) -> None:
            for _ in range(20):
                await asyncio.sleep(draw.random())
                seen.append((loop.time(), number))

        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(worker(number))
        return seen, loop.steps, loop.jumps

    assert run_virtual(main()) == run_virtual(main())


def test_a_stock_loop_is_not_taken_for_a_virtual_one() -> None:
    """Asking for the virtual loop outside of virtual time says how to get one."""

    async def main() -> None:
        with pytest.raises(VirtualTimeError, match="run_virtual"):
            running_virtual_loop()

    asyncio.run(main())


def test_a_run_that_cannot_begin_leaves_no_coroutine_behind() -> None:
    """The coroutine given to `run_virtual` is closed when its loop cannot be made."""
    with pytest.raises(InvalidBound, match="start is nan but must be finite"):
        run_virtual(asyncio.sleep(1), start=math.nan)
    gc.collect()  # a coroutine that was never awaited would complain
