"""The feed when reads fail for a while: nobody is left waiting for what is there."""

from __future__ import annotations

import asyncio

from tests.supervisor.faults import IO_ERROR, Faults
from tests.supervisor.simulated.conftest import Make

from overseen import Event, EventType, job


@job
async def short() -> None:
    """Ends."""
    await asyncio.sleep(0.01)


async def test_reads_that_fail_for_a_while_cost_no_event(make_faulty: Make, faults: Faults) -> None:
    """While the ledger cannot be read, subscribers and hooks that wait miss nothing: they get it
    once reads work again, without another commit, and no actor has failed for it. (R54)"""
    supervisor = make_faulty(short)
    told: list[int | None] = []
    seen: list[int | None] = []

    @supervisor.on("completed")
    def note(event: Event) -> None:
        told.append(event.job_id)

    assert callable(note)

    async def reader() -> None:
        async for event in supervisor.events(after="now"):
            if event.type is EventType.COMPLETED:
                seen.append(event.job_id)
                if len(seen) == 5:
                    return

    async with supervisor:
        reading = asyncio.create_task(reader())
        await asyncio.sleep(1)
        faults.at_read = IO_ERROR
        for _ in range(5):
            await (await supervisor.submit(short)).wait()
        await asyncio.sleep(10)
        assert told == []
        faults.heal()
        async with asyncio.timeout(10):
            await reading
        await asyncio.sleep(5)
        assert supervisor.figures.restarts == 0
    assert seen == told == [1, 2, 3, 4, 5]
