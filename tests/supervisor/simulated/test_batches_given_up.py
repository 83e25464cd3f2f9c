"""Batches whose author goes away, or whose members are gone: nobody is left to guess."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import anyio
import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import (
    Batch,
    BatchNotFound,
    BatchStatus,
    Context,
    InvalidOption,
    MemberResult,
    MembersPruned,
    Retention,
    Supervisor,
    SupervisorStopped,
    batch_summary,
    job,
)
from overseen_storage.batch_records import BatchSummary
from overseen_storage.sqlite.store import SqliteStore

SHORT = Retention(completed="1m", failed="1m", cancelled="1m")


@job
async def work(n: int = 1) -> int:
    await asyncio.sleep(0.01)
    return n


@batch_summary
async def total(ctx: Context, results: AsyncIterator[MemberResult]) -> int:
    """The sum of what the members returned."""
    return sum([one.value async for one in results])


async def fill(batch: Batch) -> None:
    """One member, in a block."""
    async with batch:
        await batch.submit(work)


async def at_rest(supervisor: Supervisor) -> list[BatchStatus]:
    """How all batches ended; one that is open would never end."""
    await asyncio.sleep(1)
    return [record.status for record in await supervisor.batches(limit=1_000)]


@pytest.mark.parametrize("scoped", [False, True])
async def test_an_author_that_is_cancelled_leaves_no_open_batch(
    make_slow: Make, scoped: bool
) -> None:
    """Cancelled at any moment, by his task or by a scope of anyio around him (a request that was
    given up): while it opens, inside the block, while it is sealed. No batch stays open."""
    async with make_slow(work, sweep_interval="1h") as supervisor:
        for step in range(120):
            batch = supervisor.batch(f"step {step}")
            if scoped:
                with anyio.move_on_after(step * 0.0002):
                    await fill(batch)
            else:
                task = asyncio.create_task(fill(batch))
                await asyncio.sleep(step * 0.0002)
                task.cancel()
                await asyncio.wait([task])
        ended = await at_rest(supervisor)

    assert set(ended) >= {BatchStatus.CANCELLED, BatchStatus.COMPLETED}, "both sides of the moment"
    assert set(ended) <= {BatchStatus.CANCELLED, BatchStatus.COMPLETED}


async def test_a_sealed_batch_is_not_cancelled_by_its_authors_cancellation(make_slow: Make) -> None:
    """A block that has ended well has sealed its batch, also when its author is cancelled in this
    very moment: the members it stored all run."""
    async with make_slow(work, sweep_interval="1h") as supervisor:
        for step in range(1, 40):
            batch = await supervisor.batch("sealing").open()
            await batch.submit(work)
            task = asyncio.create_task(end_of_block(batch))
            await asyncio.sleep(step * 0.0002)
            task.cancel()
            await asyncio.wait([task])
            assert (await batch.summary("1s")).completed == 1


async def end_of_block(batch: Batch) -> None:
    await batch.__aexit__(None, None, None)


async def test_members_are_kept_until_their_callbacks_have_ended(make: Make) -> None:
    """An aggregator that comes late, because its queue was paused for longer than the retention,
    still sums up every member."""
    late = total.options(queue="later")
    async with make(work, total, retention=SHORT, sweep_interval="10s") as supervisor:
        await supervisor.pause("later")
        async with supervisor.batch("kept", aggregate=late) as batch:
            await batch.submit_many(work.call(n) for n in range(10))
        await batch.summary()
        await asyncio.sleep(600)
        await supervisor.resume("later")
        assert await batch.aggregate(total) == 45
        await asyncio.sleep(600)
        assert await supervisor.jobs(batch=batch) == [], "and then they go"


async def test_half_a_sum_is_refused(make: Make) -> None:
    """Results of members that were pruned are not passed over in silence, nor are those of a batch
    that does not exist."""
    async with make(work, total, retention=SHORT, sweep_interval="10s") as supervisor:
        async with supervisor.batch("gone") as batch:
            await batch.submit_many(work.call(n) for n in range(3))
        await batch.summary()
        await asyncio.sleep(600)

        with pytest.raises(MembersPruned) as refused:
            _ = [one async for one in batch.results()]
        with pytest.raises(BatchNotFound):
            _ = [one async for one in supervisor.find_batch(77).results()]
        outcome = await (await supervisor.submit(total, batch.id)).wait()

    assert (refused.value.kept, refused.value.total) == (0, 3)
    assert outcome.answer == "failed"
    assert outcome.error is not None
    assert outcome.error.type.endswith("MembersPruned")


async def test_a_bug_about_one_batch_does_not_take_the_others_down(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever polls the summary of a batch that cannot be summed up waits; the supervisor and all
    other batches go on."""
    real = SqliteStore.sum_up_batch

    async def fails_for_the_first(store: SqliteStore, batch_id: int) -> BatchSummary | None:
        if batch_id == 1:
            raise KeyError("a bug")
        return await real(store, batch_id)

    monkeypatch.setattr(SqliteStore, "sum_up_batch", fails_for_the_first)
    async with make(work, sweep_interval="10s") as supervisor:
        for name in ("bad", "good"):
            async with supervisor.batch(name) as batch:
                await batch.submit(work)
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await supervisor.find_batch(1).summary(1)
        assert (await supervisor.find_batch(2).summary(1)).completed == 1
        monkeypatch.undo()
        assert (await supervisor.find_batch(1).summary(11)).completed == 1


async def test_times_are_spent_once_and_bounded(make: Make) -> None:
    """`aggregate` gives up after its timeout, however that was spent; `watch` does not poll without
    a pause."""
    now = asyncio.get_running_loop().time
    async with make(work, total) as supervisor:
        await supervisor.pause("later")
        later = total.options(queue="later")
        async with supervisor.batch("slow", aggregate=later) as batch:
            await batch.submit(work.options(delay=0.5))
        begun = now()
        with pytest.raises(TimeoutError):
            await batch.aggregate(total, timeout=1)
        assert now() - begun == pytest.approx(1, abs=0.01)
        with pytest.raises(InvalidOption, match="every"):
            _ = [one async for one in batch.watch(every=0)]


async def test_a_summary_that_is_asked_for_after_the_stop(make: Make) -> None:
    """It is told that the supervisor has stopped, as everything else is."""
    async with make(work) as supervisor:
        batch = await supervisor.batch("left").open()
    with pytest.raises(SupervisorStopped):
        await batch.summary()
