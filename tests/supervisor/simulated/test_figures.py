"""Figures: counts for every kind of event, equal to the ledger's."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest
from tests.supervisor.ledger import whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import Abandon, Backoff, Context, EventType, OverseenError, Snooze, job
from overseen_storage.lifecycle import FRAMES


@job(retries=2, backoff=Backoff(initial=0.1, maximum=0.2), timeout=0.5, grace=0.1)
async def moody(ctx: Context, mood: str) -> None:
    """Does many things."""
    ctx.progress(1)
    if mood == "warns":
        ctx.warn("a warning")
        await ctx.checkpoint(1)
    await asyncio.sleep(0.05)
    if ctx.attempt == 1:
        if mood == "snoozes":
            raise Snooze(0.1)
        if mood == "fails":
            raise RuntimeError
        if mood == "hangs":
            await asyncio.sleep(60)
        if mood == "deaf":
            while True:
                try:
                    await asyncio.sleep(2)
                    return
                except asyncio.CancelledError:
                    continue
    if mood == "gives up":
        raise Abandon


@job
async def other() -> None:
    """Another kind."""


MOODS = ("warns", "snoozes", "fails", "hangs", "deaf", "gives up", "fine")


@pytest.mark.parametrize("seed", range(5))
async def test_every_count_equals_the_ledger(make_slow: Make, seed: int) -> None:
    """After a day of everything that can happen, the count of each type of event is the number of
    its rows on the ledger since the start."""
    draw = Random(seed)
    async with make_slow(moody, concurrency=6) as supervisor:

        async def client() -> None:
            await asyncio.sleep(draw.uniform(0, 3))
            call = moody.options(
                delay=draw.choice([0, 0, 1, 60]),
                priority=draw.randint(0, 3),
                key=draw.choice(["k", "a", "b", "c"]) + str(draw.random())[:3],
                on_conflict=draw.choice(["attach", "replace"]),
                queue_timeout=draw.choice([0.2, 100]),
            )
            try:
                handle = await supervisor.submit(call, draw.choice(MOODS))
                act = draw.randrange(7)
                await asyncio.sleep(draw.uniform(0, 0.2))
                if act == 0:
                    await handle.cancel(wait=False)
                elif act == 1:
                    await supervisor.promote(handle.id)
                elif act == 2:
                    await supervisor.change(handle.id, priority=5)
                elif act == 3:
                    await supervisor.release(handle.id)
                elif act == 4:
                    act_on = supervisor.pause if draw.random() < 0.5 else supervisor.resume
                    await act_on("default")
                await supervisor.resume("default")
                await handle.wait()
                if act == 5:
                    await (await supervisor.retry(handle.id)).wait()
            except OverseenError:
                pass

        await asyncio.gather(*(client() for _ in range(80)))
        ledger = Counter(event.type for event in await whole_ledger(supervisor))
        counts = supervisor.figures.events
    assert {name: count for name, count in counts.items() if count} == ledger
    assert set(counts) == {type.value for type in EventType if type not in FRAMES}
    assert len(ledger) >= 15


async def test_a_start_counts_what_it_found(make: Make) -> None:
    """What a start recovers and releases is counted, too: alerts see it."""
    async with make(moody) as supervisor:
        await supervisor.pause("default")
        held = await supervisor.submit(moody, "fine")
    async with make(other) as supervisor:
        await supervisor.resume("default")
        await asyncio.sleep(1)
        assert supervisor.figures.events["held"] == 1
    async with make(moody, other) as supervisor:
        await supervisor.handle(held.id).wait()
        figures = supervisor.figures.events
        assert (figures["unheld"], figures["epoch_started"], figures["completed"]) == (1, 1, 1)


async def test_gauges_tell_the_state(make: Make) -> None:
    """Running attempts, waiting messages and groups are shown as they are."""
    async with make(moody, concurrency=3) as supervisor:
        handles = await supervisor.submit_many(moody.call("hangs") for _ in range(5))
        await asyncio.sleep(0.2)
        figures = supervisor.figures
        assert (figures.running, figures.stuck, figures.mailbox) == (3, 0, 0)
        assert figures.groups >= 1
        assert not figures.degraded
        for handle in handles:
            await handle.cancel()
        assert supervisor.figures.running == 0
