"""Pausing and resuming queues: no start between the two commits."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from tests.supervisor.ledger import of_type, whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import Event, EventType, InvalidOption, Status, job


@job
async def step(seconds: float = 0.01) -> None:
    """Takes its time."""
    await asyncio.sleep(seconds)


def starts_while_paused(events: list[Event]) -> list[Event]:
    """Starts of a queue between its pause and its resume, which must not be."""
    paused: set[str] = set()
    wrong: list[Event] = []
    for event in events:
        if event.type is EventType.QUEUE_PAUSED:
            paused.add(event.queue or "")
        elif event.type is EventType.QUEUE_RESUMED:
            paused.discard(event.queue or "")
        elif event.type is EventType.STARTED and event.queue in paused:
            wrong.append(event)
    return wrong


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_starts_between_pause_and_resume(make_slow: Make, seed: int) -> None:
    """However pauses, resumes and submits interleave, the ledger holds no start of a queue between
    its pause and its resume."""
    draw = Random(seed)
    async with make_slow(step, concurrency=3) as supervisor:

        async def submitter() -> None:
            for _ in range(30):
                await supervisor.submit(step.options(queue=draw.choice("ab")))
                await asyncio.sleep(draw.uniform(0, 0.01))

        async def operator() -> None:
            for _ in range(20):
                act = draw.choice([supervisor.pause, supervisor.resume])
                await act(draw.choice("ab"))
                await asyncio.sleep(draw.uniform(0, 0.01))

        await asyncio.gather(submitter(), submitter(), operator())
        events = await whole_ledger(supervisor)
        assert of_type(events, EventType.QUEUE_PAUSED)
        assert starts_while_paused(events) == []


async def test_a_submit_beside_a_pause_does_not_start(make: Make) -> None:
    """A job submitted in the same breath as its queue is paused waits for the resume."""
    async with make(step) as supervisor:
        handle, _ = await asyncio.gather(supervisor.submit(step), supervisor.pause("default"))
        await asyncio.sleep(60)
        assert await handle.status() is Status.PENDING
        assert starts_while_paused(await whole_ledger(supervisor)) == []
        await supervisor.resume("default")
        await handle.wait(timeout=1)


async def test_a_pause_lasts_over_a_restart(make: Make) -> None:
    """A paused queue stays paused when the supervisor is started again, until it is resumed."""
    async with make(step) as supervisor:
        await supervisor.pause("default")
        handle = await supervisor.submit(step)
    async with make(step) as supervisor:
        await asyncio.sleep(3600)
        assert (await supervisor.job(handle.id)).status is Status.PENDING
        await supervisor.resume("default")
        await supervisor.handle(handle.id).wait(timeout=1)
        assert starts_while_paused(await whole_ledger(supervisor)) == []


async def test_what_runs_is_not_touched_by_a_pause(make: Make) -> None:
    """A pause starts nothing new; a body that runs goes on to its end, and other queues work."""
    async with make(step) as supervisor:
        running = await supervisor.submit(step, 10.0)
        await asyncio.sleep(1)
        await supervisor.pause("default")
        waiting = await supervisor.submit(step)
        elsewhere = await supervisor.submit(step.options(queue="other"))
        assert (await running.wait()).answer == "completed"
        assert (await elsewhere.wait()).answer == "completed"
        assert await waiting.status() is Status.PENDING
        await supervisor.resume("default")
        assert (await waiting.wait()).answer == "completed"


async def test_pausing_twice_is_one_pause(make: Make) -> None:
    """Pausing a paused queue, or resuming one that is not paused, changes nothing and is on the
    ledger once."""
    async with make(step) as supervisor:
        await supervisor.resume("default")
        for _ in range(3):
            await supervisor.pause("default")
        for _ in range(3):
            await supervisor.resume("default")
        await (await supervisor.submit(step)).wait(timeout=1)
        events = await whole_ledger(supervisor)
    assert len(of_type(events, EventType.QUEUE_PAUSED)) == 1
    assert len(of_type(events, EventType.QUEUE_RESUMED)) == 1


@pytest.mark.parametrize("name", ["", "a\x00b", "x" * 201])
async def test_a_name_that_no_queue_can_have_is_refused(make: Make, name: str) -> None:
    """Pausing a queue by a name that no queue can have is an error that says what fits."""
    async with make(step) as supervisor:
        with pytest.raises(InvalidOption, match="queue"):
            await supervisor.pause(name)
        assert (await (await supervisor.submit(step)).wait()).answer == "completed"
