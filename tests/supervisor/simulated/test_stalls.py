"""The loop may stand still: nobody is failed for a stall alone."""

from __future__ import annotations

import asyncio

import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import Context, EventType, Reason, job
from overseen_actors import VirtualLoop


def virtual() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


@job(heartbeat=10)
async def beats(ctx: Context, count: int) -> str:
    for _ in range(count):
        await asyncio.sleep(3)
        ctx.heartbeat()
    return "alive"


@job(timeout="1m")
async def sleeps(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slept"


@job
async def blocks(seconds: float, after: float = 0.0) -> str:
    """What a body does that forgets to await."""
    await asyncio.sleep(after)
    virtual().stall(seconds)
    return "blocked"


@pytest.mark.parametrize("stalled", [0.2, 9.0, 11.0, 100.0, 86_400.0])
@pytest.mark.parametrize("after", [0.0, 2.9, 5.0])
async def test_a_stall_makes_nobody_silent(make: Make, stalled: float, after: float) -> None:
    """However long a neighbour blocks the loop, a body that beats as it promised is not judged
    silent, for it could not beat. (R25)"""
    async with make(beats, blocks) as supervisor:
        handles = [await supervisor.submit(beats, 10) for _ in range(5)]
        await supervisor.submit(blocks, stalled, after)

        assert [await handle.result() for handle in handles] == ["alive"] * 5


@pytest.mark.parametrize("after", [0.0, 30.0, 50.0, 54.9])
async def test_a_stall_across_the_deadline_is_no_timeout(make: Make, after: float) -> None:
    """A stall that ends past the run timeout is added to it: the body gets the time that it had
    left when the loop stood still."""
    async with make(sleeps, blocks) as supervisor:
        handle = await supervisor.submit(sleeps, 58)
        await supervisor.submit(blocks, 3600, after)

        assert await handle.result() == "slept"


async def test_repeated_stalls_add_up(make: Make) -> None:
    """Ten stalls, each longer than the timeout, do not add up to a verdict."""

    @job(timeout=10)
    async def counts() -> int:
        for _ in range(10):
            await asyncio.sleep(0.5)
        return 10

    async with make(counts, blocks) as supervisor:
        handle = await supervisor.submit(counts)
        for n in range(10):
            await supervisor.submit(blocks, 30, 0.3 + n)

        assert await handle.result() == 10


async def test_a_stall_does_not_save_who_is_silent_by_itself(make: Make) -> None:
    """After a stall the clocks go on: a body that never beats is found silent all the same."""

    @job(heartbeat=10)
    async def mute() -> None:
        await asyncio.sleep(1e6)

    async with make(mute, blocks) as supervisor:
        handle = await supervisor.submit(mute)
        await supervisor.submit(blocks, 60, 5)
        begun = asyncio.get_running_loop().time()

        assert (await handle.wait()).reason is Reason.SILENT
        assert asyncio.get_running_loop().time() - begun < 60 + 5 + 11


async def test_a_stall_costs_no_grace(make: Make) -> None:
    """A body that is cleaning up after a cancel is not called stuck because the loop stood still
    meanwhile."""

    @job(grace=10)
    async def cleans_up() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
                with_care.append(1)

    with_care: list[int] = []
    async with make(cleans_up, blocks) as supervisor:
        handle = await supervisor.submit(cleans_up)
        await asyncio.sleep(1)
        cancelling = asyncio.create_task(handle.cancel())
        async for event in handle.events():
            if event.type is EventType.CANCELLING:
                break
        virtual().stall(3600)
        outcome = await cancelling
        types = [event.type for event in await handle.history()]

    assert outcome.answer == "cancelled"
    assert EventType.STUCK not in types


async def test_reports_that_waited_through_a_stall_count_first(make: Make) -> None:
    """A body that ended, and one that beat, while their deadlines passed in the same stall: both
    reports are heard before anybody is judged. (R7)"""
    async with make(sleeps, beats, blocks) as supervisor:
        ends = await supervisor.submit(sleeps.options(timeout=10), 9.99)
        lives = await supervisor.submit(beats, 4)
        await supervisor.submit(blocks, 2.0, 9.0)

        assert await ends.result() == "slept"
        assert await lives.result() == "alive"
