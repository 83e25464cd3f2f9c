"""Jobs that wait: made due, promoted, changed, cancelled, expired."""

from __future__ import annotations

import pytest
from tests.storage.checkers import check_everything
from tests.storage.driving import SECOND, Writer, new_job

from overseen_storage.answers import Committed, Missed
from overseen_storage.items import CancelWaiting, ChangeWaiting, Expire, MakeDue, PutBack
from overseen_storage.lifecycle import Cause, EventType, Held, Reason, Status

FAR = 10**9 * SECOND  # centuries away


async def scheduled(writer: Writer, *due_at: int) -> list[int]:
    """Jobs that become due at these stamps."""
    return await writer.submit(
        *[new_job(status=Status.SCHEDULED, due_at=at) for at in due_at],
    )


async def retrying(writer: Writer, due_at: int) -> int:
    """A job that failed once and is tried again at `due_at`."""
    claimed = await writer.start()
    back = PutBack(claimed.id, 1, Status.RETRYING, Reason.ERROR, due_at=due_at, failures=1)
    await writer.commit(put_backs=[back])
    return claimed.id


async def make_due(writer: Writer, now: int, *, wall: int = 0, limit: int = 100) -> Committed:
    return await writer.commit(make_due=MakeDue(now=now, now_wall=wall, limit=limit))


async def test_a_job_becomes_due_at_its_time_and_not_before(writer: Writer) -> None:
    """Scheduled and retrying jobs become pending when `now` reaches `due_at`, not earlier."""
    at = writer.next + 100 * SECOND
    (delayed,) = await scheduled(writer, at)
    failed = await retrying(writer, at)
    early = await make_due(writer, at - 1)
    assert (early.events, early.made_due, early.due_remaining) == (0, {}, False)
    done = await make_due(writer, at)
    assert (done.events, done.made_due) == (2, {"main": 2})
    for job_id in (delayed, failed):
        row = await writer.row(job_id)
        event = (await writer.store.attempts(job_id))[-1]
        assert (row.status, row.ready_at, row.due_at) == (Status.PENDING, event.at, None)
        assert (event.type, event.cause) == (EventType.DUE, Cause.SCHEDULER)
    check_everything(await writer.rows(), await writer.ledger())


async def test_wall_time_makes_due_too_and_the_earlier_counts(writer: Writer) -> None:
    """`due_wall_at` is compared with the wall clock; of two times the first to come counts."""
    by_wall, by_either, by_stamp = await writer.submit(
        new_job(status=Status.SCHEDULED, due_wall_at=5_000),
        new_job(status=Status.SCHEDULED, due_at=writer.next + FAR, due_wall_at=5_000),
        new_job(status=Status.SCHEDULED, due_at=writer.next, due_wall_at=FAR),
    )
    assert (await make_due(writer, writer.next, wall=4_999)).made_due == {"main": 1}
    assert (await writer.row(by_stamp)).status is Status.PENDING
    assert (await make_due(writer, writer.next, wall=5_000)).made_due == {"main": 2}
    assert (await writer.row(by_wall)).status is Status.PENDING
    row = await writer.row(by_either)
    assert (row.status, row.due_at, row.due_wall_at) == (Status.PENDING, None, None)


async def test_the_earliest_due_go_first_under_a_limit(writer: Writer) -> None:
    """With more due than the limit the earliest become pending, and the caller is told to go on."""
    base = writer.next + SECOND
    ids = await scheduled(writer, *[base + offset for offset in (3, 1, 4, 2, 5)])
    first = await make_due(writer, base + 10, limit=2)
    pending = [row.id for row in (await writer.rows()).values() if row.status is Status.PENDING]
    assert pending == [ids[1], ids[3]]
    assert first.due_remaining
    last = await make_due(writer, base + 10, limit=9)
    assert (last.events, last.due_remaining) == (3, False)


async def test_jobs_become_due_by_queue(writer: Writer) -> None:
    """`made_due` counts by queue, so that only those queues are asked for jobs."""
    await writer.submit(
        *[
            new_job(queue=queue, status=Status.SCHEDULED, due_at=writer.next)
            for queue in ("a", "b", "a")
        ]
    )
    assert (await make_due(writer, writer.next)).made_due == {"a": 2, "b": 1}


async def test_the_wait_limit_counts_from_becoming_due(writer: Writer) -> None:
    """A delayed job's wait in the queue begins when it becomes pending, not when submitted."""
    due_at = writer.next + 100 * SECOND
    (job_id,) = await writer.submit(
        new_job(status=Status.SCHEDULED, due_at=due_at, queue_timeout_us=SECOND)
    )
    writer.next = due_at
    await make_due(writer, due_at)
    row = await writer.row(job_id)
    assert row.ready_at is not None
    assert row.expires_at == row.ready_at + SECOND


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.RETRYING])
async def test_an_operator_promotes_a_job_that_waits_for_its_time(
    writer: Writer, status: Status
) -> None:
    """A promoted job is pending at once, and the ledger says so."""
    at = writer.next + FAR
    (job_id,) = (
        await scheduled(writer, at) if status is Status.SCHEDULED else [await retrying(writer, at)]
    )
    done = await writer.commit(changes=[ChangeWaiting(job_id, promote=True)])
    row = await writer.row(job_id)
    event = (await writer.store.attempts(job_id))[-1]
    assert (done.missed_changes, done.made_due) == ({}, {"main": 1})
    assert (row.status, row.ready_at, row.due_at) == (Status.PENDING, event.at, None)
    assert (event.type, event.cause) == (EventType.PROMOTED, Cause.OPERATOR)
    check_everything(await writer.rows(), await writer.ledger())


async def test_a_pending_job_is_not_promoted_again(writer: Writer) -> None:
    """There is no step from pending to pending."""
    (job_id,) = await writer.submit(new_job())
    await writer.commit(changes=[ChangeWaiting(job_id, promote=True)])
    assert "promoted" not in await writer.types(job_id)
    check_everything(await writer.rows(), await writer.ledger())


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.PENDING, Status.DRAFT])
async def test_priority_of_a_waiting_job_can_change(writer: Writer, status: Status) -> None:
    """A new priority is on the row, on the ledger, and counts at the next claim."""
    due_at = writer.next if status is Status.SCHEDULED else None
    (job_id,) = await writer.submit(new_job(status=status, due_at=due_at))
    done = await writer.commit(changes=[ChangeWaiting(job_id, priority=9)])
    row = await writer.row(job_id)
    event = (await writer.store.attempts(job_id))[-1]
    assert (done.missed_changes, done.made_due) == ({}, {})
    assert (row.priority, row.status) == (9, status)
    assert (event.type, event.status, event.cause) == (EventType.CHANGED, None, Cause.OPERATOR)
    other, *_ = await writer.submit(new_job(priority=5))
    if status is not Status.DRAFT:
        await make_due(writer, writer.next)
        assert [claimed.id for claimed in await writer.claim()] == [job_id, other]


async def test_due_time_of_a_waiting_job_can_change(writer: Writer) -> None:
    """A new due time replaces the old one."""
    (job_id,) = await scheduled(writer, writer.next + FAR)
    soon = writer.next + SECOND
    await writer.commit(changes=[ChangeWaiting(job_id, due_at=soon)])
    assert (await writer.row(job_id)).due_at == soon
    assert (await writer.store.deadlines()).due_at == soon
    assert (await make_due(writer, soon)).made_due == {"main": 1}


async def test_a_pending_job_gets_no_due_time(writer: Writer) -> None:
    """It is due already: the caller is told, nothing changes."""
    (job_id,) = await writer.submit(new_job())
    before = await writer.row(job_id)
    done = await writer.commit(changes=[ChangeWaiting(job_id, due_at=writer.next + SECOND)])
    assert done.missed_changes == {0: Missed(job_id, Status.PENDING, 0)}
    assert done.events == 0
    assert await writer.row(job_id) == before


async def test_only_waiting_jobs_are_changed(writer: Writer) -> None:
    """Running and ended jobs keep their priority; whoever asked is told what they are."""
    running, ended = await writer.start(), await writer.end()
    before = await writer.rows()
    done = await writer.commit(
        changes=[ChangeWaiting(running.id, priority=1), ChangeWaiting(ended, promote=True)]
    )
    assert done.missed_changes == {
        0: Missed(running.id, Status.RUNNING, 1),
        1: Missed(ended, Status.COMPLETED, 1),
    }
    assert await writer.rows() == before


async def test_a_hold_is_released_by_an_operator(writer: Writer) -> None:
    """A parked job can be claimed again after its hold is released, with an `unheld` event."""
    claimed = await writer.start()
    back = PutBack(claimed.id, 1, Status.PENDING, Reason.LOST, held=Held.LOST, losses=1)
    await writer.commit(put_backs=[back])
    done = await writer.commit(changes=[ChangeWaiting(claimed.id, release_hold=True)])
    assert done.made_due == {"main": 1}
    event = (await writer.store.attempts(claimed.id))[-1]
    assert (event.type, event.cause) == (EventType.UNHELD, Cause.OPERATOR)
    assert (await writer.row(claimed.id)).held is None
    assert [one.id for one in await writer.claim()] == [claimed.id]


@pytest.mark.parametrize("status", [Status.DRAFT, Status.SCHEDULED, Status.PENDING])
async def test_a_waiting_job_is_cancelled_at_once(writer: Writer, status: Status) -> None:
    """No body runs, so cancelling is the end: row and event say why and who."""
    due_at = writer.next + FAR if status is Status.SCHEDULED else None
    (job_id,) = await writer.submit(new_job(status=status, due_at=due_at))
    cancel = CancelWaiting(job_id, Reason.DRAFT_EXPIRED, Cause.WATCHDOG, '{"by":"x"}')
    done = await writer.commit(cancels=[cancel])
    row = await writer.row(job_id)
    event = (await writer.store.attempts(job_id))[-1]
    assert done.missed_cancels == {}
    assert (row.status, row.reason, row.cause) == (
        Status.CANCELLED,
        Reason.DRAFT_EXPIRED,
        Cause.WATCHDOG,
    )
    assert row.completed_at == event.at
    assert (event.type, event.data) == (EventType.CANCELLED, '{"by":"x"}')
    check_everything(await writer.rows(), await writer.ledger())


async def test_a_retrying_and_a_held_job_can_be_cancelled(writer: Writer) -> None:
    """Waiting for another attempt, or parked, is waiting too."""
    failed = await retrying(writer, writer.next + FAR)
    held = await writer.start()
    back = PutBack(held.id, 1, Status.PENDING, Reason.LOST, held=Held.LOST, losses=1)
    await writer.commit(put_backs=[back])
    done = await writer.commit(cancels=[CancelWaiting(failed), CancelWaiting(held.id)])
    assert done.missed_cancels == {}
    rows = await writer.rows()
    assert {rows[failed].status, rows[held.id].status} == {Status.CANCELLED}
    check_everything(rows, await writer.ledger())


async def test_a_live_job_is_not_cancelled_behind_its_body(writer: Writer) -> None:
    """Cancelling a running job needs its body's end: the waiting way misses."""
    running = await writer.start()
    done = await writer.commit(cancels=[CancelWaiting(running.id)])
    assert done.missed_cancels == {0: Missed(running.id, Status.RUNNING, 1)}
    assert (await writer.row(running.id)).status is Status.RUNNING


async def test_a_cancellation_goes_before_becoming_due(writer: Writer) -> None:
    """In one group a waiting job is cancelled before its time makes it pending."""
    (job_id,) = await scheduled(writer, writer.next)
    done = await writer.commit(
        cancels=[CancelWaiting(job_id)],
        make_due=MakeDue(now=writer.next, now_wall=0, limit=10),
    )
    assert done.made_due == {}
    assert (await writer.row(job_id)).status is Status.CANCELLED


async def test_a_job_that_waited_too_long_expires(writer: Writer) -> None:
    """Past `expires_at` a pending job fails as `expired`, without ever having started."""
    short, long, unlimited = await writer.submit(
        new_job(queue_timeout_us=SECOND),
        new_job(queue_timeout_us=100 * SECOND),
        new_job(),
    )
    assert (await writer.commit(expire=Expire(writer.next, limit=10))).expired == []
    writer.next += 10 * SECOND
    done = await writer.commit(expire=Expire(writer.next, limit=10))
    row = await writer.row(short)
    event = (await writer.store.attempts(short))[-1]
    assert (done.expired, done.due_remaining) == ([short], False)
    assert (row.status, row.reason, row.fence) == (Status.FAILED, Reason.EXPIRED, 0)
    assert row.started_at is None
    assert (event.type, event.reason, event.cause) == (
        EventType.FAILED,
        Reason.EXPIRED,
        Cause.WATCHDOG,
    )
    assert [one.id for one in await writer.claim()] == [long, unlimited]
    check_everything(await writer.rows(), await writer.ledger())


async def test_a_started_job_does_not_expire(writer: Writer) -> None:
    """The limit is for waiting; what runs, or ended, is not touched by it."""
    await writer.submit(new_job(queue_timeout_us=SECOND))
    (claimed,) = await writer.claim()
    writer.next += 10 * SECOND
    assert (await writer.commit(expire=Expire(writer.next, limit=10))).expired == []
    assert (await writer.row(claimed.id)).status is Status.RUNNING
    assert (await writer.store.deadlines()).expires_at is None


async def test_the_earliest_expire_first_under_a_limit(writer: Writer) -> None:
    """With more expired than the limit the earliest go first, and the caller is told to go on."""
    ids = await writer.submit(*[new_job(queue_timeout_us=limit) for limit in (300, 100, 200)])
    writer.next += SECOND
    first = await writer.commit(expire=Expire(writer.next, limit=2))
    assert (sorted(first.expired), first.due_remaining) == ([ids[1], ids[2]], True)
    last = await writer.commit(expire=Expire(writer.next, limit=2))
    assert (last.expired, last.due_remaining) == ([ids[0]], False)


async def test_deadlines_are_the_next_of_each_kind(writer: Writer) -> None:
    """The scheduler is told the next due time by each clock, and the next expiry, or nothing."""
    empty = await writer.store.deadlines()
    assert (empty.due_at, empty.due_wall_at, empty.expires_at) == (None, None, None)
    base = writer.next + SECOND
    await scheduled(writer, base + 5, base + 2, base + 9)
    _, waiting = await writer.submit(
        new_job(status=Status.SCHEDULED, due_wall_at=7_000),
        new_job(queue_timeout_us=SECOND),
    )
    deadlines = await writer.store.deadlines()
    assert (deadlines.due_at, deadlines.due_wall_at) == (base + 2, 7_000)
    assert deadlines.expires_at == (await writer.row(waiting)).expires_at
