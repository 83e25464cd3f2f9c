"""How drafts end that are never released: they expire, or somebody gives them up."""

from __future__ import annotations

import pytest
from tests.storage.checkers import check_everything
from tests.storage.driving import SECOND, Writer, new_job
from tests.storage.filing import HOUR, attach, draft, new_draft, order, release, released

from overseen_storage.answers import Missed
from overseen_storage.items import CancelWaiting, Expire
from overseen_storage.lifecycle import Cause, EventType, Reason, Status
from overseen_storage.orders import Declined, KeepDraft, Obeyed


async def test_a_draft_that_is_kept_expires_later(writer: Writer) -> None:
    """Only `expires_at` moves, without an event; earlier is possible, too."""
    job_id = await draft(writer, "a")
    before, height = await writer.row(job_id), await writer.store.last_seq()
    for expires_at in (writer.next + 9 * HOUR, writer.next + SECOND):
        assert await order(writer, KeepDraft(job_id, expires_at)) == [Obeyed()]
        row = await writer.row(job_id)
        assert row.expires_at == expires_at
        assert before.expires_at is not None
        assert {
            name for name in row.__struct_fields__ if getattr(row, name) != getattr(before, name)
        } == {"expires_at"}
    assert await writer.store.last_seq() == height


async def test_an_abandoned_draft_expires(writer: Writer) -> None:
    """Past its time it is cancelled by the watchdog as `draft_expired`, a pending job past its
    own fails as before, and both are told apart."""
    waits = new_job(queue_timeout_us=HOUR)
    (job_id,) = await writer.submit(new_draft(expires_at=writer.next + HOUR))
    (pending,) = await writer.submit(waits)
    kept = await draft(writer)
    await order(writer, KeepDraft(kept, writer.next + 9 * HOUR))
    early = await writer.commit(expire=Expire(writer.next + HOUR - 10, 9))
    assert (early.events, early.expired, early.expired_drafts) == (0, [], [])
    done = await writer.commit(expire=Expire(writer.next + HOUR, 9))
    assert (done.events, done.due_remaining) == (2, False)
    assert (done.expired, done.expired_drafts) == ([pending], [job_id])
    row, event = await writer.row(job_id), (await writer.store.attempts(job_id))[-1]
    assert (row.status, row.reason, row.cause) == (
        Status.CANCELLED,
        Reason.DRAFT_EXPIRED,
        Cause.WATCHDOG,
    )
    assert (event.type, event.at, event.reason) == (
        EventType.CANCELLED,
        row.completed_at,
        row.reason,
    )
    failed = await writer.row(pending)
    assert (failed.status, failed.reason) == (Status.FAILED, Reason.EXPIRED)
    assert (await writer.store.attempts(pending))[-1].type is EventType.FAILED
    check_everything(await writer.rows(), await writer.ledger())


async def test_drafts_with_a_time_expire_too(writer: Writer) -> None:
    """A draft for later is given up like any other."""
    due = writer.next + 9 * HOUR
    (job_id,) = await writer.submit(
        new_draft(new_job(due_at=due, due_wall_at=1), expires_at=SECOND)
    )
    assert (await writer.commit(expire=Expire(writer.next, 9))).expired_drafts == [job_id]
    row = await writer.row(job_id)
    assert (row.status, row.due_at, row.due_wall_at) == (Status.CANCELLED, None, None)


async def test_expiring_goes_in_pieces_earliest_first(writer: Writer) -> None:
    """Drafts and pending jobs share one limit, whoever's time was over first goes first."""
    at = writer.next + HOUR
    ids = await writer.submit(*[new_draft(expires_at=at - n) for n in range(4)])
    await writer.submit(new_job(queue_timeout_us=HOUR))
    seen: list[tuple[list[int], int, bool]] = []
    for _ in range(3):
        done = await writer.commit(expire=Expire(at + SECOND, 2))
        seen.append((done.expired_drafts, len(done.expired), done.due_remaining))
    assert seen == [([ids[3], ids[2]], 0, True), ([ids[1], ids[0]], 0, True), ([], 1, False)]


async def test_a_released_draft_does_not_expire_as_one(writer: Writer) -> None:
    """Its time as a draft is over with the release."""
    job_id = await released(writer, "a")
    assert (await writer.commit(expire=Expire(10**17, 9))).events == 0
    assert (await writer.row(job_id)).status is Status.PENDING


async def test_the_deadlines_know_drafts(writer: Writer) -> None:
    """What expires next may be a draft; released, or without a time, it is none."""
    job_id, _ = await writer.submit(new_draft(expires_at=writer.next + HOUR), new_draft())
    assert (await writer.store.deadlines()).expires_at == (await writer.row(job_id)).expires_at
    await order(writer, attach(job_id, "a", expires_at=writer.next + 2 * HOUR))
    assert (await writer.store.deadlines()).expires_at == (await writer.row(job_id)).expires_at
    await order(writer, release(job_id))
    assert (await writer.store.deadlines()).expires_at is None


async def test_expiry_and_release_in_one_group(writer: Writer) -> None:
    """A group expires before it obeys: who comes too late is told what became of the draft."""
    (job_id,) = await writer.submit(new_draft(expires_at=writer.next + SECOND))
    done = await writer.commit(
        expire=Expire(writer.next + HOUR, 9), orders=[KeepDraft(job_id, 10**17), release(job_id)]
    )
    gone = Declined(why="not_draft", status=Status.CANCELLED, reason=Reason.DRAFT_EXPIRED)
    assert done.orders == [gone, gone]
    assert done.expired_drafts == [job_id]


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        (Reason.REQUESTED, Reason.DRAFT_DISCARDED),
        (Reason.BATCH_POLICY, Reason.BATCH_POLICY),
        (Reason.DRAFT_DISCARDED, Reason.DRAFT_DISCARDED),
    ],
)
async def test_a_cancelled_draft_is_discarded(
    writer: Writer, asked: Reason, written: Reason
) -> None:
    """A mere request says why a draft ended, another reason stays; a waiting job beside it keeps
    its own."""
    job_id = await draft(writer, "a")
    (waiting,) = await writer.submit(new_job())
    cancels = [CancelWaiting(one, asked, Cause.OPERATOR) for one in (job_id, waiting)]
    assert (await writer.commit(cancels=cancels)).missed_cancels == {}
    for one, reason in ((job_id, written), (waiting, asked)):
        row, event = await writer.row(one), (await writer.store.attempts(one))[-1]
        assert (row.status, row.reason, row.cause) == (Status.CANCELLED, reason, Cause.OPERATOR)
        assert (event.type, event.reason, event.cause) == (
            EventType.CANCELLED,
            reason,
            Cause.OPERATOR,
        )
    assert (await writer.row(job_id)).expires_at is None
    check_everything(await writer.rows(), await writer.ledger())


async def test_a_draft_is_discarded_once(writer: Writer) -> None:
    """A second cancel misses and is told what the row is."""
    job_id = await draft(writer, "a")
    await writer.commit(cancels=[CancelWaiting(job_id)])
    done = await writer.commit(cancels=[CancelWaiting(job_id)])
    assert done.missed_cancels == {0: Missed(job_id, Status.CANCELLED, 0)}
    assert (done.events, done.freed_files) == (0, [])
