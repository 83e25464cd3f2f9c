"""Batches: opened, filled, sealed, finalized once; what does not fit is an error that says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.supervisor.batch_checks import audit
from tests.supervisor.ledger import of_type, whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import (
    Batch,
    BatchStatus,
    Context,
    EventType,
    InvalidOption,
    KeyConflict,
    MemberResult,
    Reason,
    Status,
    SupervisorStopped,
    job,
)

NO_SWEEP = "1h"


@job
async def double(value: int) -> int:
    await asyncio.sleep(0.01)
    return 2 * value


@job
async def fails(text: str) -> None:
    raise ValueError(text)


@job(attachments=["input"])
async def count(ctx: Context) -> int:
    """Counts the words of its file."""
    return len((await ctx.attachments["input"].read_bytes()).split())


@job
async def until(ctx: Context) -> str:
    """Runs until the test lets it go."""
    await ctx.state.wait()
    return "done"


async def results_of(batch: Batch) -> list[MemberResult]:
    return [one async for one in batch.results()]


async def test_a_batch_is_open_while_its_block_runs_and_then_sealed(make: Make) -> None:
    """A batch cannot end while its block runs, however fast its members are; after the block it
    ends at once, and its summary tells what came of them. (R34, R44)"""
    async with make(double, fails, sweep_interval=NO_SWEEP) as supervisor:
        async with supervisor.batch("nightly") as batch:
            for n in range(3):
                handle = await batch.submit(double, n)
                assert await handle.result() == 2 * n
                await asyncio.sleep(1)
                assert (await batch.record()).status is BatchStatus.OPEN
            await batch.submit(fails, "no")
            await asyncio.sleep(60)
            assert not (await batch.record()).due
        summary = await batch.summary(timeout=1)

        assert (summary.batch_id, summary.name) == (batch.id, "nightly")
        assert summary.status is BatchStatus.COMPLETED_WITH_ERRORS
        assert (summary.reason, summary.total, summary.attempts) == (None, 4, 4)
        assert (summary.completed, summary.failed, summary.cancelled) == (3, 1, 0)
        (group,) = summary.failures
        assert (group.kind, group.error_type, group.message) == ("fails", "ValueError", "no")
        record = await batch.record()
        assert (record.status, record.total) == (summary.status, 4)
        assert record.finalized_at is not None
        await audit(supervisor)


async def test_members_come_one_by_one_in_lots_and_as_drafts(make: Make) -> None:
    """However a member was added, it is waited for, counted, and among the results in order."""
    async with make(double, count) as supervisor:
        async with supervisor.batch("mixed") as batch:
            one = await batch.submit(double, 1)
            many = await batch.submit_many(double.call(n) for n in range(2, 50))
            async with batch.draft(count) as draft:
                await draft.attach("input", b"one two three")
            assert await batch.submit_many([]) == []
        summary = await batch.summary()
        results = await results_of(batch)

        ids = [one.id, *(handle.id for handle in many), draft.handle.id]
        assert [result.job_id for result in results] == ids
        assert [result.value for result in results] == [*range(2, 100, 2), 3]
        assert (summary.status, summary.total) == (BatchStatus.COMPLETED, 50)
        assert {row.id for row in await supervisor.jobs(batch=batch)} == set(ids)
        assert {row.id for row in await supervisor.jobs(batch=batch.id, job=count)} == {ids[-1]}
        await audit(supervisor)


async def test_a_draft_is_an_open_member(make: Make) -> None:
    """A sealed batch waits for a member that is still a draft; when the draft is discarded, that
    member counts as cancelled and the batch ends. (R44)"""
    async with make(double, count, sweep_interval=NO_SWEEP) as supervisor:
        batch = await supervisor.batch("slow author").open()
        released = await batch.draft(count).begin()
        discarded = await batch.draft(count).begin()
        await batch.seal()
        await asyncio.sleep(600)
        assert (await batch.record()).status is BatchStatus.PROCESSING

        await released.attach("input", b"a b")
        await released.release()
        await asyncio.sleep(600)
        assert (await batch.progress()).waiting == 1
        await discarded.discard()
        summary = await batch.summary(timeout=1)
        assert (summary.completed, summary.cancelled) == (1, 1)
        assert summary.status is BatchStatus.COMPLETED_WITH_ERRORS
        await audit(supervisor)


async def test_a_draft_nobody_releases_bounds_the_wait(make: Make) -> None:
    """An abandoned draft expires, and the batch ends without anybody asking."""
    async with make(count) as supervisor:
        batch = await supervisor.batch("abandoned").open()
        await batch.draft(count).begin()
        await batch.seal()
        await asyncio.sleep(2 * 3600)

        record = await batch.record()
        assert record.status is BatchStatus.COMPLETED_WITH_ERRORS
        (result,) = await results_of(batch)
        assert (result.status, result.reason) == (Status.CANCELLED, Reason.DRAFT_EXPIRED)
        await audit(supervisor)


async def test_an_empty_batch_ends_when_it_is_sealed(make: Make) -> None:
    """A batch without members is completed at its seal; nobody has to ask, no sweep to come."""
    async with make(double, sweep_interval=NO_SWEEP) as supervisor:
        async with supervisor.batch("nothing to do") as batch:
            await asyncio.sleep(100)
        await asyncio.sleep(0.1)
        assert (await batch.record()).status is BatchStatus.COMPLETED

        summary = await batch.summary(timeout=0.1)
        assert (summary.total, summary.attempts, summary.failures) == (0, 0, ())
        assert summary.first_started_at is summary.last_ended_at is summary.duration_p50_us is None
        assert (await batch.progress()).fraction == 1.0
        await audit(supervisor)


async def test_an_exception_that_leaves_the_block_cancels_the_batch(make: Make) -> None:
    """Half a batch is no batch: what runs is told to stop, what waits is cancelled, the author sees
    his own error, and the ledger tells why."""
    async with make(double, until, state=asyncio.Event(), concurrency=1) as supervisor:
        batch = supervisor.batch("half")

        async def author() -> None:
            async with batch:
                await batch.submit(until)
                await batch.submit(double, 1)
                await asyncio.sleep(1)
                raise LookupError("no such folder")

        with pytest.raises(LookupError, match="no such folder"):
            await author()
        summary = await batch.summary(timeout=1)

        assert (summary.status, summary.reason) == (BatchStatus.CANCELLED, Reason.REQUESTED)
        assert (summary.total, summary.cancelled) == (2, 2)
        ledger = await whole_ledger(supervisor)
        (cancelling,) = of_type(ledger, EventType.BATCH_CANCELLING)
        assert "LookupError" in (cancelling.data or "")
        await audit(supervisor)


async def test_a_block_that_is_cancelled_cancels_its_batch(make: Make) -> None:
    """A task that is cancelled inside the block leaves no open batch behind."""
    async with make(double) as supervisor:
        batch = supervisor.batch("cancelled author")

        async def author() -> None:
            async with batch:
                await batch.submit(double.options(delay="1h"), 1)
                await asyncio.sleep(3600)

        task = asyncio.create_task(author())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await batch.summary(timeout=1)).status is BatchStatus.CANCELLED
        await audit(supervisor)


async def test_a_block_left_after_the_stop_keeps_its_own_error(make: Make) -> None:
    """When the supervisor has stopped meanwhile, the author still sees his error, with a note on
    what could not be done; the batch stays open, and is cancelled by an operator later."""
    supervisor = make(double)
    await supervisor.start()
    batch = supervisor.batch("outlived")

    async def author() -> None:
        async with batch:
            await batch.submit(double, 1)
            await supervisor.stop()
            raise LookupError("late")

    with pytest.raises(LookupError) as caught:
        await author()
    (note,) = caught.value.__notes__
    assert f"find_batch({batch.id})" in note
    assert "It could not be cancelled" in note

    async with make(double) as second:
        again = second.find_batch(batch.id)
        assert (await again.record()).status is BatchStatus.OPEN
        await again.seal()
        assert (await again.summary()).completed == 1
        await audit(second)


async def test_keyed_members_are_one_member(make: Make) -> None:
    """A second member with the same key is the first one; it is counted once."""
    async with make(double, sweep_interval=NO_SWEEP) as supervisor:
        async with supervisor.batch("keys") as batch:
            first = await batch.submit(double.options(key="a"), 1)
            second = await batch.submit(double.options(key="a"), 2)
            assert (first.created, second.created, second.id) == (True, False, first.id)
            replaced = await batch.submit(double.options(key="b", delay="1h"), 3)
            newer = await batch.submit(
                double.options(key="b", on_conflict="replace", delay="1s"), 4
            )
            assert newer.id != replaced.id
            once = await batch.submit(double.options(idempotency_key="c"), 5)
            assert (await batch.submit(double.options(idempotency_key="c"), 5)).id == once.id
        summary = await batch.summary()
        assert (summary.total, summary.completed, summary.cancelled) == (4, 3, 1)
        (cancelled,) = [one for one in await results_of(batch) if one.status == "cancelled"]
        assert (cancelled.job_id, cancelled.reason) == (replaced.id, Reason.REPLACED)
        await audit(supervisor)


async def test_a_key_held_outside_the_batch_is_a_conflict(make: Make) -> None:
    """A member whose key is held by a job outside the batch is refused: the batch would not wait
    for that job."""
    async with make(double) as supervisor:
        outside = await supervisor.submit(double.options(key="a", delay="1h"), 1)
        other = await supervisor.batch("other").open()
        elsewhere = await other.submit(double.options(key="b", delay="1h"), 1)
        async with supervisor.batch("keys") as batch:
            for key, holder in (("a", outside), ("b", elsewhere)):
                with pytest.raises(KeyConflict, match="the batch would not wait") as caught:
                    await batch.submit(double.options(key=key), 2)
                assert str(holder.id) in str(caught.value)
        assert (await batch.summary()).total == 0
        await other.cancel()
        await other.summary()
        await audit(supervisor, batches=2)


async def test_a_retry_of_a_member_is_no_member(make: Make) -> None:
    """An operator's retry of a member makes a job of its own: while the batch runs it is not waited
    for, and after its end nothing about the batch changes. (R43, R44)"""
    let_go = asyncio.Event()
    async with make(fails, until, state=let_go) as supervisor:
        async with supervisor.batch("retried") as batch:
            failed = await batch.submit(fails, "no")
            await batch.submit(until)
        await failed.wait()
        early = await supervisor.retry(failed.id)
        assert (await early.record()).batch_id is None
        let_go.set()
        summary = await batch.summary()
        late = await supervisor.retry(failed.id)
        await late.wait()
        assert (await late.record()).batch_id is None

        assert (summary.total, summary.failed) == (2, 1)
        assert await batch.summary() == summary
        assert len(await supervisor.jobs(batch=batch)) == 2
        await audit(supervisor)


async def test_many_can_wait_for_one_summary(make: Make) -> None:
    """Everybody who asks gets the same frozen summary, before the end and long after it; who gives
    up waiting changes nothing."""
    let_go = asyncio.Event()
    async with make(until, state=let_go) as supervisor:
        async with supervisor.batch("popular") as batch:
            await batch.submit(until)
        asking = [asyncio.create_task(batch.summary()) for _ in range(50)]
        with pytest.raises(TimeoutError, match=r"has not ended within 10 s; it goes on"):
            await batch.summary(timeout=10)
        asking.pop().cancel()
        let_go.set()
        summaries = await asyncio.gather(*asking)
        await asyncio.sleep(3600)
        assert {await supervisor.find_batch(batch.id).summary(timeout=1), *summaries} == {
            summaries[0]
        }
        await audit(supervisor)


async def test_a_summary_asked_for_in_vain_ends_with_the_supervisor(make: Make) -> None:
    """Who waits for a batch that does not end in this life is told so at the stop, not left
    hanging; the next life goes on with it."""
    supervisor = make(double)
    await supervisor.start()
    async with supervisor.batch("tomorrow") as batch:
        await batch.submit(double.options(delay="1h"), 1)
    waiting = asyncio.create_task(batch.summary())
    await asyncio.sleep(1)
    await supervisor.stop()
    with pytest.raises(SupervisorStopped, match="was not finalized in this life"):
        await waiting

    async with make(double) as second:
        assert (await second.find_batch(batch.id).summary()).completed == 1
        await audit(second)


async def test_results_are_told_in_pages(make: Make) -> None:
    """A few thousand results come in order and complete, with their kinds' types; while members
    run, those that have ended are told."""

    @job(name="pair")
    async def pair(value: int) -> tuple[int, str]:
        return value, str(value)

    async with make(pair, fails) as supervisor:
        async with supervisor.batch("pages") as batch:
            await batch.submit_many(pair.call(n) for n in range(2_500))
            later = await batch.submit(fails.options(delay="1h"), "late")
            await asyncio.sleep(600)
            assert len(await results_of(batch)) == 2_500
        await batch.summary()
        results = await results_of(batch)

        assert [one.value for one in results[:-1]] == [(n, str(n)) for n in range(2_500)]
        last = results[-1]
        assert (last.job_id, last.status, last.value) == (later.id, Status.FAILED, None)
        assert last.error is not None
        assert (last.error.type, last.error.message) == ("ValueError", "late")


async def test_pages_of_batches(make: Make) -> None:
    """Batches are listed newest first, by status, name and labels, a page at a time."""
    async with make(double) as supervisor:
        for n in range(6):
            labels = {"customer": str(n % 2)}
            batch = await supervisor.batch(f"b{n % 3}", labels=labels).open()
            if n < 3:
                await batch.seal()
                await batch.summary()

        async def ids(pages: AsyncIterator[list[int]]) -> list[list[int]]:
            return [page async for page in pages]

        async def paged() -> AsyncIterator[list[int]]:
            before: int | None = None
            while page := await supervisor.batches(before_id=before, limit=4):
                yield [one.id for one in page]
                before = page[-1].id

        assert await ids(paged()) == [[6, 5, 4, 3], [2, 1]]
        found = {
            "open": await supervisor.batches(status="open"),
            "ended": await supervisor.batches(status={BatchStatus.COMPLETED, "cancelled"}),
            "name": await supervisor.batches(name="b1"),
            "labels": await supervisor.batches(labels={"customer": "1"}, status="completed"),
        }
        assert {name: [one.id for one in page] for name, page in found.items()} == {
            "open": [6, 5, 4],
            "ended": [3, 2, 1],
            "name": [5, 2],
            "labels": [2],
        }
        wrong: list[dict[str, Any]] = [
            {"status": "shut"},
            {"limit": 0},
            {"before_id": "x"},
            {"name": 5},
        ]
        for question in wrong:
            with pytest.raises(InvalidOption):
                await supervisor.batches(**question)
