"""Batches among everything else that happens: members that snooze, are retried, time out, are held,
paused or lost; and batches that somebody left behind."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.incidents.reading import store_of
from tests.storage.driving import Writer, new_job
from tests.supervisor.batch_checks import audit
from tests.supervisor.ledger import of_type, whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import (
    Backoff,
    BatchEnded,
    BatchPolicy,
    BatchStatus,
    Cause,
    Context,
    EventType,
    Held,
    Reason,
    Snooze,
    Status,
    job,
)
from overseen_storage.orders import Obeyed, OpenBatch, SealBatch

SPOILED = BatchStatus.COMPLETED_WITH_ERRORS


@job
async def work(seconds: float = 0.01) -> None:
    await asyncio.sleep(seconds)


@job(retries=2, backoff=Backoff(initial="1h", factor=1, jitter="none"))
async def third_time(ctx: Context) -> None:
    if ctx.attempt < 3:
        raise ConnectionError(ctx.attempt)


@job
async def sleepy(ctx: Context) -> None:
    if ctx.attempt < 4:
        raise Snooze("1h")


@job(timeout="5s", heartbeat="2s")
async def hangs(ctx: Context, beats: bool) -> None:
    """Is timed out, or taken for dead."""
    while True:
        await asyncio.sleep(1)
        if beats:
            ctx.heartbeat()


def view(database: Path, name: str) -> list[tuple[object, ...]]:
    """What somebody with a shell sees."""
    with closing(sqlite3.connect(database)) as file:
        return file.execute(f"SELECT * FROM {name} ORDER BY id").fetchall()


async def test_a_member_that_is_tried_again_is_open(make: Make) -> None:
    """While a member waits for its next attempt, or snoozes, its batch has not ended, and nobody
    is called; it ends after the last attempt. (R44)"""
    async with make(third_time, sleepy, sweep_interval="1m") as supervisor:
        async with supervisor.batch("patient") as batch:
            await batch.submit(third_time)
            await batch.submit(sleepy)
        for hour in range(3):
            await asyncio.sleep(3_500 if hour == 0 else 3_600)
            assert (await batch.record()).status is BatchStatus.PROCESSING, hour
            assert (await batch.progress()).waiting >= 1
        summary = await batch.summary(timeout="1h")
        assert (summary.completed, summary.retried, summary.attempts) == (2, 2, 3 + 4)
        await audit(supervisor)


async def test_timeouts_silence_and_expiry_count_as_failures(make: Make) -> None:
    """However a member failed, the batch knows of it by itself, with the reason in its groups."""
    async with make(hangs, work, queues={"full": 1}, sweep_interval="2s") as supervisor:
        async with supervisor.batch("late") as batch:
            await batch.submit(hangs, beats=True)
            await batch.submit(hangs, beats=False)
            await batch.submit(work.options(queue="full"), 60)
            await batch.submit(work.options(queue="full", queue_timeout="5s"))
        summary = await batch.summary(timeout=70)
        assert summary.status is SPOILED
        found = {group.reason: group.count for group in summary.failures}
        assert found == {Reason.TIMEOUT: 1, Reason.SILENT: 1, Reason.EXPIRED: 1}
        await audit(supervisor)


async def test_a_held_member_is_waited_for(make: Make, database: Path) -> None:
    """A batch with a member whose kind this program does not know waits, and is shown as stuck with
    the cause; when a program comes that knows the kind, it ends."""
    first = make(work, third_time)
    async with first, first.batch("deployed") as batch:
        await batch.submit(work.options(delay="1m"))
    async with make(third_time) as second:
        await asyncio.sleep(600)
        (row,) = await second.jobs(held=True)
        assert (row.batch_id, row.held) == (batch.id, Held.UNREGISTERED)
        assert (await second.find_batch(batch.id).progress()).waiting == 1
        assert [stuck[2:4] for stuck in view(database, "stuck_batches")] == [
            ("waits for held jobs", 1)
        ]
    async with make(work) as third:
        summary = await third.find_batch(batch.id).summary(timeout=1)
        assert summary.status is BatchStatus.COMPLETED
        assert view(database, "stuck_batches") == []
        await audit(third)


async def test_a_held_member_of_a_stopped_batch_is_cancelled(make: Make) -> None:
    """Cancelling a batch also ends the members that nobody can run."""
    first = make(work)
    async with first, first.batch("gone") as batch:
        await batch.submit(work.options(delay="1m"))
    async with make(third_time) as second:
        await asyncio.sleep(600)
        again = second.find_batch(batch.id)
        await again.cancel("the kind is gone")
        assert (await again.summary(timeout=1)).cancelled == 1
        await audit(second)


async def test_a_paused_queue_keeps_its_batch_waiting(make: Make, database: Path) -> None:
    """A batch whose members wait in a paused queue is shown as such, and ends after the resume."""
    async with make(work) as supervisor:
        await supervisor.pause("default")
        async with supervisor.batch("paused") as batch:
            await batch.submit(work)
        await asyncio.sleep(600)
        assert [stuck[2] for stuck in view(database, "stuck_batches")] == [
            "waits for a paused queue"
        ]
        await supervisor.resume("default")
        assert (await batch.summary(timeout=1)).completed == 1
        await audit(supervisor)


async def test_a_batch_nobody_sealed_is_shown_and_ended_by_an_operator(
    make: Make, database: Path
) -> None:
    """A batch whose author is gone stays open, is shown as never sealed, and an operator seals it,
    or cancels it; the ledger tells that it was an operator."""
    first = make(work)
    async with first:
        batches = [await first.batch(name).open() for name in ("sealed", "cancelled")]
        for batch in batches:
            await batch.submit(work)
    async with make(work, sweep_interval="1s") as second:
        await asyncio.sleep(600)
        assert [stuck[1:3] for stuck in view(database, "stuck_batches")] == [
            ("sealed", "never sealed"),
            ("cancelled", "never sealed"),
        ]
        assert [one.status for one in await second.batches(status="open")] == ["open", "open"]
        sealed, cancelled = (second.find_batch(batch.id) for batch in batches)
        await sealed.seal()
        assert (await sealed.summary(timeout=1)).status is BatchStatus.COMPLETED
        late = await cancelled.submit(work.options(delay="1h"))
        await cancelled.cancel("nobody is left")
        assert (await cancelled.summary(timeout=1)).status is BatchStatus.CANCELLED
        assert (await late.record()).reason is Reason.REQUESTED
        with pytest.raises(BatchEnded):
            await cancelled.cancel()
        ledger = await whole_ledger(second)
        ends = of_type(ledger, EventType.BATCH_SEALED, EventType.BATCH_CANCELLING)
        assert {event.cause for event in ends} == {Cause.OPERATOR}
        assert [row[2] for row in view(database, "batch_status")] == ["completed", "cancelled"]
        await audit(second, batches=2)


async def test_lost_members_are_judged_by_their_kind(make: Make) -> None:
    """A member interrupted by a stop goes back to the queue and is still open; the batch ends in
    the next life, whoever asks."""
    supervisor = make(work, drain_timeout=0, cancel_timeout=1)
    async with supervisor, supervisor.batch("interrupted") as batch:
        handle = await batch.submit(work, 60)
        await asyncio.sleep(1)
    async with make(work, sweep_interval="1h") as second:
        assert (await second.job(handle.id)).interruptions == 1
        events = [event.type async for event in second.find_batch(batch.id).events()]
        assert events[-1] is EventType.BATCH_FINALIZED
        summary = await second.find_batch(batch.id).summary()
        assert (summary.completed, summary.attempts, summary.retried) == (1, 2, 1)
        await audit(second)


async def test_an_operator_cancels_and_promotes_members(make: Make) -> None:
    """What is done to single members by hand is seen by their batch at once."""
    async with make(work, sweep_interval="1h") as supervisor:
        async with supervisor.batch("by hand") as batch:
            one = await batch.submit(work.options(delay="1d"))
            two = await batch.submit(work.options(delay="1d"))
        await supervisor.cancel(one.id, "not this one")
        assert (await batch.progress()).cancelled == 1
        await supervisor.promote(two.id)
        summary = await batch.summary(timeout=1)
        assert (summary.status, summary.completed, summary.cancelled) == (SPOILED, 1, 1)
        assert (await one.record()).status is Status.CANCELLED
        await audit(supervisor)


@pytest.mark.parametrize("how", ["sealed", "cancelled"])
async def test_an_author_may_end_it_inside_its_block(make: Make, how: str) -> None:
    """Who seals or cancels a batch inside its block leaves the block as usual."""
    async with make(work) as supervisor:
        async with supervisor.batch("early") as batch:
            await batch.submit(work.options(delay="1m"))
            await (batch.seal() if how == "sealed" else batch.cancel())
            await asyncio.sleep(120)
        summary = await batch.summary()
        assert summary.status == ("completed" if how == "sealed" else "cancelled")
        await audit(supervisor)


@pytest.mark.parametrize("policy", ["continue", "fail_fast"])
async def test_members_that_died_with_their_process(
    make: Make, database: Path, policy: str
) -> None:
    """A member that must not run twice and was lost with its process fails at the next start; what
    that means for its batch happens by itself, without anybody asking. (R41)"""

    @job(name="work", on_lost="fail", queue="main")
    async def once(n: int) -> int:
        return n

    async with Writer(store_of(database)) as dying:
        order = OpenBatch(name="lost", policy=BatchPolicy(policy))
        (opened,) = (await dying.commit(orders=[order])).orders
        assert opened == Obeyed(batch_id=1)
        members = [msgspec.structs.replace(new_job(), batch_id=1)] * 10
        await dying.submit(*members)
        await dying.commit(orders=[SealBatch(1)])
        assert len(await dying.claim(limit=3)) == 3
        await dying.crash()
    async with make(once, sweep_interval="1h") as supervisor:
        batch = supervisor.find_batch(1)
        async with asyncio.timeout(5):
            types = [event.type async for event in batch.events()]
        assert types.count(EventType.BATCH_TRIPPED) == int(policy == "fail_fast")
        summary = await batch.summary()
        assert (summary.status, summary.failed) == (SPOILED, 3)
        assert summary.failures[0].reason is Reason.LOST
        rest = summary.cancelled if policy == "fail_fast" else summary.completed
        assert rest == 7
        await audit(supervisor)
