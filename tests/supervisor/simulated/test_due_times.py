"""Delays and moments: when a job becomes due, whatever the wall clock does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.supervisor.ledger import of_type
from tests.supervisor.simulated.conftest import Make

from overseen import EventType, Handle, InvalidOption, Status, job
from overseen_actors import LoopClock


@job
async def ring() -> float:
    """Tells when it ran, by the loop."""
    return asyncio.get_running_loop().time()


def wall(clock: LoopClock) -> datetime:
    """The wall clock's moment."""
    return datetime.fromtimestamp(clock.wall_us() / 1e6, UTC)


async def elapsed(handle: Handle[float], begun: float) -> float:
    """Seconds until it ran."""
    return await handle.result(timeout="30d") - begun


@pytest.mark.parametrize("step", [0, -7200, 7200, -86400 * 365])
async def test_a_delay_is_elapsed_time(make: Make, clock: LoopClock, step: float) -> None:
    """A delay of an hour is an hour of elapsed time, however the wall clock is stepped."""
    async with make(ring) as supervisor:
        begun = asyncio.get_running_loop().time()
        handle = await supervisor.submit(ring.options(delay="1h"))
        await asyncio.sleep(60)
        clock.step(step)
        assert await elapsed(handle, begun) == pytest.approx(3600, abs=1)


@pytest.mark.parametrize(("step", "seconds"), [(0, 3600), (-1800, 5400), (1800, 1800)])
async def test_a_moment_is_wall_time(
    make: Make, clock: LoopClock, step: float, seconds: float
) -> None:
    """A job for a moment runs when the wall shows it, at most a minute late after a step forward,
    and never before it after a step back."""
    async with make(ring) as supervisor:
        begun = asyncio.get_running_loop().time()
        handle = await supervisor.submit(ring.options(at=wall(clock) + timedelta(hours=1)))
        assert await handle.status() is Status.SCHEDULED
        await asyncio.sleep(90)
        clock.step(step)
        took = await elapsed(handle, begun)
    assert seconds <= took + 0.001
    assert took <= seconds + 61


async def test_a_step_forward_over_the_moment_is_noticed(make: Make, clock: LoopClock) -> None:
    """A wall that jumps past the moment makes the job due within a minute."""
    async with make(ring) as supervisor:
        begun = asyncio.get_running_loop().time()
        handle = await supervisor.submit(ring.options(at=wall(clock) + timedelta(days=10)))
        await asyncio.sleep(5)
        clock.step(86400 * 11)
        assert await elapsed(handle, begun) <= 70


async def test_a_moment_in_the_past_means_now(make: Make, clock: LoopClock) -> None:
    """A moment that is over, or a delay of nothing, is no delay."""
    async with make(ring) as supervisor:
        begun = asyncio.get_running_loop().time()
        past = await supervisor.submit(ring.options(at=wall(clock) - timedelta(days=1)))
        none = await supervisor.submit(ring.options(delay=0))
        assert await elapsed(past, begun) < 1
        assert await elapsed(none, begun) < 1


async def test_a_due_time_lasts_over_a_restart(make: Make, clock: LoopClock) -> None:
    """Delays and moments count on while nothing runs: what became due meanwhile starts at once,
    the rest in its time."""
    loop = asyncio.get_running_loop()
    async with make(ring) as supervisor:
        begun = loop.time()
        early = await supervisor.submit(ring.options(delay="1h"))
        late = await supervisor.submit(ring.options(delay="3h"))
        moment = await supervisor.submit(ring.options(at=wall(clock) + timedelta(hours=4)))
    await asyncio.sleep(7200)
    async with make(ring) as supervisor:
        handles = [supervisor.handle(one.id, ring) for one in (early, late, moment)]
        took = [await elapsed(handle, begun) for handle in handles]
    assert took == [
        pytest.approx(7200, abs=1),
        pytest.approx(3 * 3600, abs=1),
        pytest.approx(4 * 3600, abs=61),
    ]


async def test_no_job_starts_before_it_is_due(make: Make) -> None:
    """Hundreds of delays: each job starts when its own is over, not before, and is `due` on the
    ledger before it is `started`. (I7)"""
    async with make(ring, concurrency=1_000) as supervisor:
        begun = asyncio.get_running_loop().time()
        delays = [n * 1.7 % 97 + 0.5 for n in range(400)]
        handles = await supervisor.submit_many(ring.options(delay=d).call() for d in delays)
        for handle, delay in zip(handles, delays, strict=True):
            assert await elapsed(handle, begun) == pytest.approx(delay, abs=0.05)
        types = [event.type for event in await handles[7].history()]
        started = of_type(await handles[7].history(), EventType.STARTED)[0]
        due = of_type(await handles[7].history(), EventType.DUE)[0]
    assert types == [
        EventType.SCHEDULED,
        EventType.DUE,
        EventType.STARTED,
        EventType.COMPLETED,
    ]
    assert due.at < started.at


async def test_delay_and_moment_exclude_each_other(make: Make, clock: LoopClock) -> None:
    """Both at once is an error that says so; a naive moment is one too."""
    with pytest.raises(InvalidOption, match="delay"):
        ring.options(delay=1, at=wall(clock))
    with pytest.raises(InvalidOption, match="time zone"):
        ring.options(at=datetime(2030, 1, 1))  # noqa: DTZ001 - the wrong use
    async with make(ring) as supervisor:
        handle = await supervisor.submit(ring.options(delay=60))
        with pytest.raises(InvalidOption, match="delay"):
            await supervisor.change(handle.id, delay=1, at=wall(clock))
