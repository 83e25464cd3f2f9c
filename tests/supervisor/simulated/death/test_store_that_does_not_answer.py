"""A store that never answers: everything that waits for it has a bound."""

from __future__ import annotations

import asyncio

import pytest
from tests.supervisor.faults import Faults
from tests.supervisor.simulated.conftest import Make

from overseen import OutcomeUnknown, job


@job
async def sleep_for(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@pytest.mark.parametrize("running", [0, 1, 20])
async def test_a_stop_is_bounded(make_faulty: Make, faults: Faults, running: int) -> None:
    """A stop ends within its deadlines and half a minute although the store answers nothing any
    more, and names what it could not write. (R63)"""
    supervisor = make_faulty(sleep_for, drain_timeout="10s", cancel_timeout="5s")
    await supervisor.start()
    handles = await supervisor.submit_many(sleep_for.call(1) for _ in range(running))
    await asyncio.sleep(0.5)
    faults.hang()
    submit = asyncio.create_task(supervisor.submit(sleep_for, 1))
    await asyncio.sleep(1)
    report = await supervisor.stop()

    assert report.seconds <= 10 + 5 + 15
    assert report.unwritten == tuple(handle.id for handle in handles)
    with pytest.raises(OutcomeUnknown, match="does not answer"):
        await submit
    faults.answer()
    await asyncio.sleep(1)


async def test_leaving_the_block_is_bounded(make_faulty: Make, faults: Faults) -> None:
    """Leaving `async with` over a store that does not answer takes a minute at most. (R63)"""
    async with asyncio.timeout(60):
        async with make_faulty(sleep_for):
            faults.hang()
    faults.answer()
    await asyncio.sleep(1)


async def test_a_start_can_be_cancelled(make_faulty: Make, faults: Faults) -> None:
    """A start on a store that does not answer ends when it is cancelled. (R63)"""
    supervisor = make_faulty(sleep_for)
    faults.hang()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await supervisor.start()
    faults.answer()
    await asyncio.sleep(1)
    async with supervisor:
        assert await (await supervisor.submit(sleep_for, 1)).result() == 1
