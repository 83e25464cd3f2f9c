"""Many subscribers beside much work: each event once, whatever their speed; the work goes on."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from tests.supervisor.ledger import whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import Event, EventType, Handle, Supervisor, job
from overseen.pacing import SHARE
from overseen_actors.virtual import running_virtual_loop

DELIVERY_SECONDS = 0.00001
"""What one event costs a subscriber of the crowd."""


@job
async def quick(seconds: float = 0.0) -> None:
    """Ends."""
    await asyncio.sleep(seconds)


@job
async def other() -> None:
    """Ends, too."""


def make_pages_small(monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    """A ledger of hundreds of events is then one of hundreds of pages, and far beyond the ring."""
    for name in ("overseen.ring.PAGE_EVENTS", "overseen.feed.PAGE_EVENTS"):
        monkeypatch.setattr(name, page)
    monkeypatch.setattr("overseen.ring.RING_EVENTS", 5 * page)


@pytest.mark.parametrize("page", [1, 7])
@pytest.mark.parametrize("seed", range(5))
async def test_readers_of_any_speed_get_every_event_once(
    make_slow: Make, monkeypatch: pytest.MonkeyPatch, seed: int, page: int
) -> None:
    """Subscribers of everything, of a kind, of single jobs, quick ones, ones that sleep, ones that
    block the loop, ones that leave early, who join at any moment while commits go on: each gets
    what it wants exactly once, in order, marked by its snapshot."""
    make_pages_small(monkeypatch, page)
    draw = Random(seed)
    loop = running_virtual_loop()
    found: list[tuple[str, bool, list[Event]]] = []
    async with make_slow(quick, other) as supervisor:

        async def subscriber(sort: str) -> None:
            await asyncio.sleep(draw.uniform(0, 0.5))
            frames: list[Event] = []
            leaves_after = draw.choice([None, None, 3, 20])
            speed = draw.choice(["quick", "quick", "sleeps", "blocks"])
            kind = other if sort == "other" else None
            if sort == "job":
                stream = supervisor.events(job=draw.randint(1, 5), after="start")
            else:
                stream = supervisor.events(kind=kind, after=draw.choice(["start", "now"]))
            async for event in stream:
                frames.append(event)
                if event.job_id == last and event.type is EventType.COMPLETED:
                    break
                if speed == "sleeps":
                    await asyncio.sleep(0.001)
                elif speed == "blocks":
                    loop.stall(0.0001)
                if len(frames) == leaves_after:
                    break
            await stream.aclose()
            found.append((sort, len(frames) == leaves_after, frames))

        last = 0
        for _ in range(5):
            last = (await supervisor.submit(quick, draw.uniform(0, 0.5))).id
        last = 0
        tasks = [
            asyncio.create_task(subscriber(draw.choice(["all", "other", "job"])))
            for _ in range(120)
        ]
        for _ in range(60):
            await supervisor.submit_many(quick.call() for _ in range(draw.randint(1, 4)))
            await supervisor.submit(other)
            await asyncio.sleep(draw.choice([0, 0, 0.01]))
        await asyncio.sleep(1)
        last = (await supervisor.submit(other)).id
        async with asyncio.timeout(600):
            await asyncio.gather(*tasks)
        ledger = await whole_ledger(supervisor)

    for sort, left, (first, *rest) in found:
        wanted = [event for event in ledger if sort != "other" or event.kind == "other"]
        if sort == "job":
            wanted = [event for event in ledger if event.job_id == first.job_id]
        if rest:
            start = min(rest[0].seq, first.seq + 1)
            wanted = [one for one in wanted if start <= one.seq <= rest[-1].seq]
            assert [event.seq for event in rest] == [event.seq for event in wanted]
        assert [event.replayed for event in rest] == [event.seq <= first.seq for event in rest]
        assert left or rest[-1].type is EventType.COMPLETED


async def work(supervisor: Supervisor, jobs: int) -> float:
    """Submit jobs in groups, and return the virtual seconds until the last one has ended."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    handles: list[Handle[None]] = []
    for _ in range(jobs // 20):
        handles = await supervisor.submit_many(quick.call() for _ in range(20))
    for handle in handles:
        await handle.wait()
    return loop.time() - begun


async def test_a_crowd_of_subscribers_leaves_the_loop_to_the_work(
    make_slow: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred subscribers, whose deliveries take many times as long as the work itself, slow
    it down by little more than their share; then each catches up, with every event once."""
    make_pages_small(monkeypatch, 50)
    loop = running_virtual_loop()
    async with make_slow(quick) as supervisor:
        alone = await work(supervisor, 2_000)
        seen: list[list[int]] = [[] for _ in range(200)]

        async def subscriber(seqs: list[int]) -> None:
            async for event in supervisor.events(after="now"):
                loop.stall(DELIVERY_SECONDS)
                seqs.append(event.seq)

        crowd = [asyncio.create_task(subscriber(seqs)) for seqs in seen]
        await asyncio.sleep(1)
        watched = await work(supervisor, 2_000)
        lagging = sum(len(seqs) < 6_000 for seqs in seen)
        await asyncio.sleep(2_000 * 3 * 200 * DELIVERY_SECONDS)
    await asyncio.gather(*crowd)
    assert lagging > 150, "the crowd was no burden, so this shows nothing"
    assert watched <= alone / (1 - SHARE) * 1.3
    for seqs in seen:
        assert len(seqs) >= 6_000
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


async def test_a_crowd_that_lags_at_the_stop_gets_everything(
    make_slow: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop waits for subscribers that are far behind, as long as they get on: none ends short
    of the last event. (R38)"""
    make_pages_small(monkeypatch, 50)
    loop = running_virtual_loop()

    async def subscriber(supervisor: Supervisor, seqs: list[int]) -> None:
        async for event in supervisor.events(after="now"):
            loop.stall(DELIVERY_SECONDS)
            seqs.append(event.seq)

    async with make_slow(quick) as supervisor:
        seen: list[list[int]] = [[] for _ in range(200)]
        crowd = [asyncio.create_task(subscriber(supervisor, seqs)) for seqs in seen]
        await asyncio.sleep(1)
        await work(supervisor, 2_000)
    await asyncio.gather(*crowd)

    assert min(map(len, seen)) >= 3 * 2_000
    for seqs in seen:
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
