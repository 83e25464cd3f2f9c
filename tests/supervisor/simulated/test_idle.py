"""An idle supervisor does nothing but its sweeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import Event, job
from overseen_actors import LoopClock
from overseen_actors.virtual import running_virtual_loop


@job
async def sleeper(seconds: float) -> None:
    """Waits."""
    await asyncio.sleep(seconds)


async def steps_of_an_hour() -> int:
    """How many callbacks the loop runs within an hour in which nothing happens."""
    loop = running_virtual_loop()
    await asyncio.sleep(1)
    before = loop.steps
    await asyncio.sleep(3600)
    return loop.steps - before


@pytest.mark.parametrize("state", ["empty", "delayed", "paused", "running", "followed"])
async def test_nothing_is_polled(make: Make, state: str, clock: LoopClock) -> None:
    """In an idle hour the loop turns for the sweep every 30 s only: whether the queue is empty, a
    million seconds away, paused, a body runs, or somebody follows. (R69)"""
    steps_per_sweep = 60
    supervisor = make(sleeper)
    if state == "followed":
        supervisor.on()(str)
    async with supervisor:
        stream = supervisor.events(after="now")
        if state == "delayed":
            await supervisor.submit(sleeper.options(delay="20d"), 1)
        if state == "paused":
            await supervisor.pause("default")
            await supervisor.submit_many(sleeper.call(1) for _ in range(100))
        if state == "running":
            await supervisor.submit_many(sleeper.call(7200) for _ in range(100))
        following: asyncio.Task[Event] | None = None
        if state == "followed":
            await anext(stream)
            following = asyncio.create_task(_next(stream))
        groups = supervisor.figures.groups
        assert await steps_of_an_hour() <= 120 * steps_per_sweep
        assert supervisor.figures.groups - groups <= 121
        if following is not None:
            following.cancel()
            await asyncio.wait([following])
        await stream.aclose()
        for record in await supervisor.jobs(limit=200):
            await supervisor.cancel(record.id)


async def _next(stream: AsyncGenerator[Event, None]) -> Event:
    return await anext(stream)


async def test_a_moment_costs_one_look_a_minute(make: Make, clock: LoopClock) -> None:
    """A job for a moment costs one look a minute, because somebody may step the wall clock."""
    async with make(sleeper) as supervisor:
        at = datetime.fromtimestamp(clock.wall_us() / 1e6, UTC) + timedelta(days=20)
        handle = await supervisor.submit(sleeper.options(at=at), 1)
        assert await steps_of_an_hour() <= 120 * 60 + 60 * 20
        await handle.cancel()
