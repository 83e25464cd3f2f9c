"""After a crash: everything committed is there, and what ran is found."""

from __future__ import annotations

from tests.storage.checkers import check_everything, check_prefix, check_successor
from tests.storage.driving import SECOND, Place, Writer, finish, new_job

from overseen_storage.items import Finish, PutBack, RequestCancel
from overseen_storage.lifecycle import Cause, EventType, Reason, Status


async def test_a_crash_is_noticed(durable_place: Place) -> None:
    """An epoch that did not end is told to the next one, and stays open in the list."""
    writer = Writer(durable_place.make())
    await writer.open()
    await writer.crash()
    async with Writer(durable_place.make()) as again:
        assert again.opened is not None
        assert not again.opened.previous_epoch_clean
        assert [epoch.stopped_at is None for epoch in await again.store.epochs()] == [True, True]
        types = [event.type for event in await again.ledger()]
        assert types == [EventType.EPOCH_STARTED] * 2


async def test_everything_acknowledged_is_there(durable_place: Place) -> None:
    """I17: rows and ledger after the crash are those before it, and the epoch's beginning."""
    writer = Writer(durable_place.make())
    await writer.open()
    await writer.end()
    await writer.end(Status.FAILED)
    await writer.start()
    await writer.submit(new_job(), new_job(status=Status.DRAFT))
    rows, ledger = await writer.rows(), await writer.ledger()
    await writer.crash()
    async with Writer(durable_place.make()) as again:
        assert await again.rows() == rows
        check_prefix(ledger, await again.ledger())
        assert len(await again.ledger()) == len(ledger) + 1
        check_everything(await again.rows(), await again.ledger())


async def test_what_ran_is_listed_as_orphans(durable_place: Place) -> None:
    """I21: rows that a dead epoch left running or cancelling are counted and listed, by id."""
    writer = Writer(durable_place.make())
    await writer.open()
    await writer.submit(*[new_job() for _ in range(7)])
    claimed = await writer.claim(limit=6)
    await writer.commit(
        finishes=[finish(claimed[0])], cancel_requests=[RequestCancel(claimed[1].id, 1)]
    )
    await writer.crash()
    async with Writer(durable_place.make()) as again:
        assert again.opened is not None
        assert again.opened.live == 5
        store, epoch = again.store, again.epoch
        first = await store.orphans(epoch=epoch, after_id=0, limit=3)
        rest = await store.orphans(epoch=epoch, after_id=first[-1].id, limit=3)
        none = await store.orphans(epoch=epoch, after_id=rest[-1].id, limit=3)
        assert [row.id for row in first + rest] == [one.id for one in claimed[1:]]
        assert none == []
        assert {row.epoch for row in first + rest} == {epoch - 1}
        assert first[0].status is Status.CANCELLING


async def test_own_work_is_never_an_orphan(durable_place: Place) -> None:
    """What this epoch runs is not listed, also when an earlier epoch ran it before."""
    writer = Writer(durable_place.make())
    await writer.open()
    claimed = await writer.start()
    await writer.crash()
    async with Writer(durable_place.make()) as again:
        back = PutBack(claimed.id, 1, Status.PENDING, Reason.LOST, Cause.RECOVERY, losses=1)
        await again.commit(put_backs=[back])
        (second,) = await again.claim()
        assert (second.id, second.fence) == (claimed.id, 2)
        assert (await again.row(second.id)).epoch == again.epoch
        assert await again.store.orphans(epoch=again.epoch, after_id=0, limit=10) == []


async def test_recovery_ends_what_was_lost_and_keeps_the_first_start(durable_place: Place) -> None:
    """Orphans are put back or ended with the ordinary moves; `started_at` survives it all."""
    writer = Writer(durable_place.make())
    await writer.open()
    first, second, asked = [await writer.start() for _ in range(3)]
    await writer.commit(cancel_requests=[RequestCancel(asked.id, 1)])
    before = await writer.rows()
    await writer.crash()
    async with Writer(durable_place.make(), wall=writer.next + 60 * SECOND) as again:
        done = await again.commit(
            put_backs=[PutBack(first.id, 1, Status.PENDING, Reason.LOST, Cause.RECOVERY, losses=1)],
            finishes=[
                Finish(
                    second.id,
                    1,
                    Status.FAILED,
                    reason=Reason.LOST,
                    cause=Cause.RECOVERY,
                    losses=1,
                ),
                Finish(asked.id, 1, Status.CANCELLED, reason=Reason.LOST, cause=Cause.RECOVERY),
            ],
        )
        assert (done.missed_put_backs, done.missed_finishes) == ({}, {})
        (retried,) = await again.claim()
        rows = await again.rows()
        assert rows[retried.id].started_at == before[first.id].started_at
        assert await again.store.orphans(epoch=again.epoch, after_id=0, limit=10) == []
        check_successor(before, rows)
        check_everything(rows, await again.ledger())


async def test_many_crashes_in_a_row(durable_place: Place) -> None:
    """Each life finds the work of the last, and the ledger stays one story."""
    job_id = 0
    for life in range(5):
        writer = Writer(durable_place.make())
        opened = await writer.open()
        assert (opened.epoch, opened.live) == (life + 1, 1 if life else 0)
        for row in await writer.store.orphans(epoch=opened.epoch, after_id=0, limit=10):
            back = PutBack(row.id, row.fence, Status.PENDING, Reason.LOST, losses=1)
            await writer.commit(put_backs=[back])
        if not life:
            (job_id,) = await writer.submit(new_job())
        (claimed,) = await writer.claim()
        assert (claimed.id, claimed.fence) == (job_id, life + 1)
        await writer.crash()
    async with Writer(durable_place.make()) as last:
        row = await last.row(job_id)
        assert (row.fence, row.losses) == (5, 4)
        check_everything(await last.rows(), await last.ledger())
