"""What clocks and stamps promise when the wall is stepped, the machine sleeps or a life ends."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overseen_actors import InvalidBound, LoopClock, Stamper, SystemClock, run_virtual

HOUR = 3600
HOUR_US = 3_600_000_000


def test_the_system_clock_shows_the_hosts_time_and_goes_on_in_suspend() -> None:
    """Both readings are the host's; elapsed time counts what the machine slept, where it can."""
    clock = SystemClock()
    before = time.time_ns() // 1000
    assert before <= clock.wall_us() <= time.time_ns() // 1000
    first = clock.monotonic()
    assert clock.monotonic() >= first
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert clock.monotonic() <= time.clock_gettime(time.CLOCK_BOOTTIME)
        assert first == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=10)


async def test_a_loop_clock_follows_the_loop_and_a_step_moves_only_the_wall() -> None:
    """Ten minutes of loop time are ten minutes on both; a step is seen on the wall alone."""
    clock = LoopClock(asyncio.get_running_loop(), wall_start_us=5_000_000)
    start = clock.monotonic()
    assert clock.wall_us() == 5_000_000
    await asyncio.sleep(600)
    assert clock.monotonic() - start == 600
    assert clock.wall_us() == 605_000_000
    clock.step(-HOUR)
    assert clock.monotonic() - start == 600
    assert clock.wall_us() == 605_000_000 - HOUR_US


async def test_suspend_moves_elapsed_time_and_wall_but_not_the_loop() -> None:
    """The machine sleeps: what the loop's clock does not see, the Clock does."""
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop)
    elapsed, wall, loop_time = clock.monotonic(), clock.wall_us(), loop.time()
    clock.suspend(HOUR)
    assert clock.monotonic() - elapsed == HOUR
    assert clock.wall_us() - wall == HOUR_US
    assert loop.time() == loop_time
    with pytest.raises(InvalidBound, match="seconds"):
        clock.suspend(-1)


async def test_a_step_of_the_wall_neither_stops_nor_jumps_the_stamps() -> None:
    """An hour back or forward on the wall is nothing to the stamps, and shows as drift."""
    clock = LoopClock(asyncio.get_running_loop())
    stamper = Stamper(clock)
    for step in (-HOUR, 2 * HOUR):
        before = stamper.take()
        clock.step(step)
        await asyncio.sleep(10)
        assert stamper.take() - before == 10_000_000
        await asyncio.sleep(1)
    assert stamper.drift_us() == HOUR_US
    assert stamper.elapsed_us() == 22_000_000


async def test_stamps_are_after_those_of_an_earlier_life_and_time_goes_on_from_there() -> None:
    """The wall was set back between two lives: stamps continue after the last one on disk."""
    clock = LoopClock(asyncio.get_running_loop())
    on_disk = clock.wall_us() + HOUR_US
    stamper = Stamper(clock, after_us=on_disk)
    assert stamper.last == on_disk
    assert stamper.take() == on_disk + 1
    await asyncio.sleep(60)
    assert stamper.take() == on_disk + 60_000_000


async def test_a_block_of_stamps_is_consecutive_and_nobody_elses() -> None:
    """`take(n)` gives the first of n; the next stamp comes after the last of them."""
    stamper = Stamper(LoopClock(asyncio.get_running_loop()))
    first = stamper.take(1000)
    assert stamper.last == first + 999
    assert stamper.now() == stamper.now() == first + 1000
    assert stamper.take() == first + 1000
    with pytest.raises(InvalidBound, match="count is 0 but must be 1 or more"):
        stamper.take(0)


EVENTS = st.one_of(
    st.tuples(st.just("sleep"), st.floats(0, 1e6)),
    st.tuples(st.just("step"), st.floats(-1e9, 1e9)),
    st.tuples(st.just("suspend"), st.floats(0, 1e6)),
    st.tuples(st.just("take"), st.integers(1, 1000)),
)


@given(st.lists(EVENTS, max_size=40), st.integers(0, 3_000_000_000_000_000))
def test_stamps_strictly_increase_and_follow_elapsed_time_whatever_happens(
    events: list[tuple[str, float]], after_us: int
) -> None:
    """Sleep, suspend and steps of decades in any order: each stamp is later than all before."""

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop())
        stamper = Stamper(clock, after_us=after_us)
        anchor, start, last, taken = stamper.now(), clock.monotonic(), after_us, 0
        for event, amount in events:
            match event:
                case "sleep":
                    await asyncio.sleep(amount)
                case "step":
                    clock.step(amount)
                case "suspend":
                    clock.suspend(amount)
                case _:
                    first = stamper.take(int(amount))
                    assert first > last
                    last, taken = stamper.last, taken + int(amount)
        elapsed_us = (clock.monotonic() - start) * 1_000_000
        assert anchor + elapsed_us - 2 <= stamper.now() <= anchor + elapsed_us + taken + 2

    run_virtual(main())
