"""Batches and crashes: whatever was committed is found, what was not did not happen."""

from __future__ import annotations

from tests.storage import batching
from tests.storage.batching import add, batch, declined, end, finalize, open_batch, sealed_batch
from tests.storage.checkers import check_everything
from tests.storage.driving import Place, Writer, finish, new_job

from overseen_storage.batch_lifecycle import BatchPolicy, BatchStatus
from overseen_storage.groups import JobQuery, PruneRequest
from overseen_storage.items import ClaimFrom, Finish, Submission
from overseen_storage.lifecycle import Cause, Reason, Status
from overseen_storage.orders import Callback


async def test_a_crash_between_the_last_end_and_the_finalization(durable_place: Place) -> None:
    """The next life finds the batch due, finalizes it once, and the callback is one job. (R41)"""
    writer = Writer(durable_place.make())
    await writer.open()
    batch_id, claimed = await sealed_batch(writer, 2)
    assert (await end(writer, *claimed)).batches_due == [batch_id]
    await writer.crash()
    callback = Callback("finish", new_job("report"))
    async with Writer(durable_place.make()) as again:
        assert (await again.store.batches_to_do(limit=9)).due == [batch_id]
        assert (await batch(again.store, batch_id)).due
        order = await batching.finalizing(again.store, batch_id, callback)
        await batching.obeyed(again, order)
        await again.crash()
    async with Writer(durable_place.make()) as last:
        assert (await declined(last, order)).why == "finalized"
        assert (await last.store.batches_to_do(limit=9)).due == []
        assert (await batch(last.store, batch_id)).status is BatchStatus.COMPLETED
        assert len(await last.store.jobs(JobQuery(callback_of=batch_id))) == 1
        check_everything(await last.rows(), await last.ledger())


async def test_a_crash_leaves_an_open_batch_open(durable_place: Place) -> None:
    """Its members are there, more can be added in the next life, and their ends are looked at."""
    writer = Writer(durable_place.make())
    await writer.open()
    batch_id = await open_batch(writer, BatchPolicy.FAIL_FAST)
    await add(writer, batch_id, 2)
    (first, second) = await writer.claim()
    await writer.crash()
    async with Writer(durable_place.make()) as again:
        assert (await batch(again.store, batch_id)).status is BatchStatus.OPEN
        await add(again, batch_id)
        lost = Finish(
            first.id, 1, Status.FAILED, reason=Reason.LOST, cause=Cause.RECOVERY, losses=1
        )
        done = await again.commit(finishes=[lost, finish(second)])
        assert done.batches_stopped == [batch_id]
        await again.crash()
    async with Writer(durable_place.make()) as last:
        assert await last.claim() == []  # it is still stopped
        assert (await last.store.batches_to_do(limit=9)).stopped == {batch_id: Reason.BATCH_POLICY}
        await batching.cancel_members(last, batch_id)
        assert (await batching.seal(last, batch_id)).batches_due == [batch_id]
        await finalize(last, batch_id)
        check_everything(await last.rows(), await last.ledger())


async def test_recovery_ends_the_last_member(durable_place: Place) -> None:
    """A member whose process died is ended by the next life: that makes its batch due."""
    writer = Writer(durable_place.make())
    await writer.open()
    batch_id, (claimed,) = await sealed_batch(writer, 1)
    await writer.crash()
    async with Writer(durable_place.make()) as again:
        lost = Finish(
            claimed.id, 1, Status.FAILED, reason=Reason.LOST, cause=Cause.RECOVERY, losses=1
        )
        assert (await again.commit(finishes=[lost])).batches_due == [batch_id]


async def test_a_refused_row_does_not_hide_a_batch(writer: Writer) -> None:
    """A group that is applied again with care, because one row of it is refused, settles batches
    as any other: the open one of the same group, and one that ends in it."""
    batch_id, claimed = await sealed_batch(writer, 1)
    done = await writer.commit(
        submissions=[Submission([new_job(priority=10_000)]), Submission([new_job()])],
        finishes=[finish(claimed[0])],
    )
    assert done.batches_due == [batch_id]
    await finalize(writer, batch_id)


async def test_batches_are_not_forgotten_between_groups(writer: Writer) -> None:
    """Pruning, and releasing held jobs, leave what is known of batches as it was: one that is
    stopped stays so, and one that ends is told."""
    batch_id, claimed = await sealed_batch(writer, 1)
    stopped = await open_batch(writer)
    await add(writer, stopped)
    await batching.stop(writer, stopped)
    await writer.submit(new_job("gone", "other"))
    await writer.commit(claims=[ClaimFrom("other", 1)], kinds=frozenset({"work"}))
    assert await writer.store.release_holds(at=writer.next, kinds=["gone"], limit=9) == 1
    writer.next += 2
    await writer.store.prune(PruneRequest(completed_before=writer.next))
    done = await writer.commit(finishes=[finish(claimed[0])], claims=[ClaimFrom("main", 9)])
    assert (done.batches_due, done.claimed) == ([batch_id], [])
