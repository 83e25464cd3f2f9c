"""Progress: throttled on the ledger, never silent about its last value."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from random import Random

import msgspec
import pytest
from tests.supervisor.ledger import of_type, whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import Context, Event, EventType, InvalidPayload, JobFailed, Progress, job

SECOND = 1_000_000


def values(events: list[Event]) -> list[float | None]:
    """What the progress rows say."""
    rows = of_type(events, EventType.PROGRESS)
    return [msgspec.json.decode(row.data or "", type=Progress).done for row in rows]


def too_close(events: list[Event], interval_us: int) -> list[int]:
    """Distances of progress rows that are below the interval; the last row of all may be."""
    stamps = [row.at for row in of_type(events, EventType.PROGRESS)]
    return [b - a for a, b in pairwise(stamps[:-1]) if b - a < interval_us]


@pytest.mark.parametrize("seed", range(4))
async def test_progress_is_written_once_per_interval(make_slow: Make, seed: int) -> None:
    """However often a body reports, and whatever else it reports beside it, its progress rows are
    at least an interval apart; the last value before the end is on the ledger. (R56)"""
    draw = Random(seed)

    @job
    async def chatty(ctx: Context) -> None:
        for n in range(400):
            ctx.progress(n, 400)
            if draw.random() < 0.2:
                ctx.warn("look at this")
            if draw.random() < 0.1:
                await ctx.checkpoint(n)
            await asyncio.sleep(draw.uniform(0, 0.03))
        ctx.progress(400, 400)

    async with make_slow(chatty, progress_interval=0.5) as supervisor:
        handle = await supervisor.submit(chatty)
        await handle.result()
        events = await handle.history()
        record = await handle.record()

    assert too_close(events, SECOND // 2) == []
    assert values(events)[0] == 0
    assert values(events)[-1] == 400
    assert len(values(events)) >= (events[-1].at - events[0].at) // SECOND
    assert record.progress == Progress(400, 400)


async def test_a_value_that_waits_is_written_when_its_time_comes(make: Make) -> None:
    """A body that reports twice and then is quiet has its second value on the ledger one interval
    later, also when a checkpoint was written in between."""

    @job
    async def quiet(ctx: Context) -> None:
        ctx.progress(1)
        await asyncio.sleep(0.1)
        ctx.progress(2)
        await ctx.checkpoint("here")
        await asyncio.sleep(3600)

    async with make(quiet, progress_interval=0.5) as supervisor:
        handle = await supervisor.submit(quiet)
        await asyncio.sleep(0.3)
        assert values(await handle.history()) == [1]
        await asyncio.sleep(0.3)
        assert values(await handle.history()) == [1, 2]
        await handle.cancel()
        assert values(await handle.history()) == [1, 2]


async def test_checkpoints_do_not_hold_progress_back(make: Make) -> None:
    """A body that stores a checkpoint more often than the interval still shows its progress once
    per interval."""

    @job
    async def careful(ctx: Context) -> None:
        for n in range(50):
            ctx.progress(n)
            await ctx.checkpoint(n)
            await asyncio.sleep(0.1)

    async with make(careful, progress_interval=0.5) as supervisor:
        handle = await supervisor.submit(careful)
        await handle.result()
        assert len(values(await handle.history())) in (10, 11, 12)


@pytest.mark.parametrize("how", ["return", "raise", "cancel"])
async def test_the_last_value_precedes_the_end(make: Make, how: str) -> None:
    """The last progress is on the ledger before the end, whatever the end is."""

    @job
    async def work(ctx: Context) -> None:
        for n in range(1, 8):
            ctx.progress(n, 7, message=f"step {n}", stage="only")
        if how == "raise":
            raise RuntimeError("no")
        if how == "cancel":
            await asyncio.sleep(3600)

    async with make(work) as supervisor:
        handle = await supervisor.submit(work)
        if how == "cancel":
            await asyncio.sleep(0.1)
            await handle.cancel()
        await handle.wait()
        events = await handle.history()
        record = await handle.record()
    assert values(events)[-1] == 7
    assert events[-1].status is not None
    assert record.progress == Progress(7, 7, "step 7", "only")


async def test_many_reporting_bodies_never_fill_the_mailbox(make: Make) -> None:
    """A hundred bodies that report in a tight loop leave at most two messages each in the
    mailbox: a submit beside them is answered as ever. (R51)"""

    @job
    async def shouting(ctx: Context) -> None:
        for n in range(200):
            ctx.progress(n)
            ctx.heartbeat()
            await asyncio.sleep(0)

    async with make(shouting, concurrency=100, progress_interval=0, mailbox_limit=50) as supervisor:
        handles = await supervisor.submit_many(shouting.call() for _ in range(100))
        await (await supervisor.submit(shouting)).result()
        for handle in handles:
            await handle.result()
        assert supervisor.figures.mailbox_high_water <= 2 * 100 + 50
        assert len(of_type(await whole_ledger(supervisor), EventType.COMPLETED)) == 101


async def test_progress_that_is_no_number_is_the_bodys_error(make: Make) -> None:
    """NaN and infinity are refused where they are said, and nothing of them reaches the ledger."""

    @job
    async def wrong(ctx: Context) -> None:
        with pytest.raises(InvalidPayload, match="total"):
            ctx.progress(1, float("inf"))
        ctx.progress(float("nan"))

    async with make(wrong) as supervisor:
        handle = await supervisor.submit(wrong)
        with pytest.raises(JobFailed, match="finite number"):
            await handle.result()
        assert values(await handle.history()) == []
