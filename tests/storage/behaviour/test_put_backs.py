"""An attempt ends and the job goes on: retry, snooze, requeue."""

from __future__ import annotations

import pytest
from tests.storage.checkers import check_everything
from tests.storage.driving import SECOND, Writer, new_job

from overseen_storage.answers import Missed
from overseen_storage.items import ClaimFrom, PutBack, RequestCancel
from overseen_storage.lifecycle import Cause, EventType, Held, Reason, Status
from overseen_storage.records import JobError

ERROR = JobError("OSError", "gone")


async def test_a_retry_waits_for_its_time_with_its_error(writer: Writer) -> None:
    """A retried job is `retrying` until `due_at`, keeps the error, and has paid a failure."""
    claimed = await writer.start()
    due_at = writer.next + 30 * SECOND
    done = await writer.commit(
        put_backs=[
            PutBack(
                claimed.id,
                1,
                Status.RETRYING,
                Reason.ERROR,
                due_at=due_at,
                error=ERROR,
                failures=1,
                data='{"delay":30}',
            )
        ]
    )
    row = await writer.row(claimed.id)
    event = (await writer.store.attempts(claimed.id))[-1]
    assert done.missed_put_backs == {}
    assert (row.status, row.reason, row.cause) == (Status.RETRYING, Reason.ERROR, Cause.BODY)
    assert (row.due_at, row.error, row.failures, row.completed_at) == (due_at, ERROR, 1, None)
    assert (event.type, event.status, event.fence) == (EventType.RETRYING, Status.RETRYING, 1)
    assert (event.reason, event.data) == (Reason.ERROR, '{"delay":30}')


async def test_a_snooze_is_scheduled_and_free(writer: Writer) -> None:
    """A snoozed job is `scheduled` for later and has paid nothing but the count of snoozes."""
    claimed = await writer.start()
    due_at = writer.next + SECOND
    await writer.commit(
        put_backs=[
            PutBack(claimed.id, 1, Status.SCHEDULED, Reason.SNOOZED, due_at=due_at, snoozes=1)
        ]
    )
    row = await writer.row(claimed.id)
    assert (row.status, row.due_at, row.reason) == (Status.SCHEDULED, due_at, Reason.SNOOZED)
    assert (row.failures, row.losses, row.interruptions, row.snoozes) == (0, 0, 0, 1)
    assert (await writer.types(claimed.id))[-1] == "snoozed"


async def test_an_interrupted_job_keeps_its_place(writer: Writer) -> None:
    """A job put back by a shutdown keeps `ready_at`; its wait is limited anew."""
    claimed = await writer.start(new_job(queue_timeout_us=60 * SECOND))
    before = await writer.row(claimed.id)
    writer.next += 10 * SECOND
    await writer.commit(
        put_backs=[
            PutBack(
                claimed.id, 1, Status.PENDING, Reason.SHUTDOWN, Cause.SUPERVISOR, interruptions=1
            )
        ]
    )
    row = await writer.row(claimed.id)
    event = (await writer.store.attempts(claimed.id))[-1]
    assert (row.status, row.ready_at, row.interruptions) == (Status.PENDING, before.ready_at, 1)
    assert row.expires_at == event.at + 60 * SECOND
    assert (event.type, event.cause) == (EventType.REQUEUED, Cause.SUPERVISOR)


async def test_a_requeued_job_may_go_to_the_back(writer: Writer) -> None:
    """Without `keep_ready_at` the job is ready as of now."""
    claimed = await writer.start()
    await writer.commit(
        put_backs=[
            PutBack(claimed.id, 1, Status.PENDING, Reason.LOST, keep_ready_at=False, losses=1)
        ]
    )
    row = await writer.row(claimed.id)
    event = (await writer.store.attempts(claimed.id))[-1]
    assert (row.ready_at, row.losses) == (event.at, 1)


async def test_a_put_back_may_hold_the_job(writer: Writer) -> None:
    """A job whose process died may be parked for a decision: pending, but not claimable."""
    claimed = await writer.start()
    await writer.commit(
        put_backs=[PutBack(claimed.id, 1, Status.PENDING, Reason.LOST, held=Held.LOST, losses=1)]
    )
    row = await writer.row(claimed.id)
    assert (row.status, row.held) == (Status.PENDING, Held.LOST)
    assert await writer.claim() == []
    assert await writer.store.ready_queues() == []


async def test_the_error_is_replaced_only_when_given(writer: Writer) -> None:
    """The last failure stays readable while later attempts are interrupted without one."""
    claimed = await writer.start()
    first = PutBack(
        claimed.id, 1, Status.PENDING, Reason.ERROR, error=ERROR, keep_ready_at=False, failures=1
    )
    await writer.commit(put_backs=[first], claims=[ClaimFrom("main", 1)])
    assert (await writer.row(claimed.id)).error == ERROR
    await writer.commit(
        put_backs=[PutBack(claimed.id, 2, Status.PENDING, Reason.SHUTDOWN, interruptions=1)]
    )
    row = await writer.row(claimed.id)
    assert (row.error, row.failures, row.interruptions) == (ERROR, 1, 1)


async def test_counters_add_up_over_attempts(writer: Writer) -> None:
    """Each attempt adds its own cost to the row, and the fence counts them all."""
    (job_id,) = await writer.submit(new_job())
    costs = [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (1, 0, 0, 0)]
    for fence, (failures, losses, interruptions, snoozes) in enumerate(costs, 1):
        (claimed,) = await writer.claim()
        assert claimed.fence == fence
        await writer.commit(
            put_backs=[
                PutBack(
                    job_id,
                    fence,
                    Status.PENDING,
                    Reason.ERROR,
                    failures=failures,
                    losses=losses,
                    interruptions=interruptions,
                    snoozes=snoozes,
                )
            ]
        )
    row = await writer.row(job_id)
    assert (row.failures, row.losses, row.interruptions, row.snoozes) == (2, 1, 1, 1)
    assert row.fence == row.attempts == 5
    check_everything(await writer.rows(), await writer.ledger())


@pytest.mark.parametrize("target", [Status.RETRYING, Status.SCHEDULED, Status.PENDING])
async def test_a_stale_or_cancelling_attempt_is_not_put_back(
    writer: Writer, target: Status
) -> None:
    """Put-backs fit a running job with this fence: what was asked to end never runs again."""
    due_at = None if target is Status.PENDING else writer.next + SECOND
    running, asked = await writer.start(), await writer.start()
    ended = await writer.end()
    await writer.commit(cancel_requests=[RequestCancel(asked.id, 1)])
    before = await writer.rows()
    done = await writer.commit(
        put_backs=[
            PutBack(running.id, 2, target, Reason.ERROR, due_at=due_at, failures=1),
            PutBack(asked.id, 1, target, Reason.ERROR, due_at=due_at, failures=1),
            PutBack(ended, 1, target, Reason.ERROR, due_at=due_at, failures=1),
        ]
    )
    assert done.missed_put_backs == {
        0: Missed(running.id, Status.RUNNING, 1),
        1: Missed(asked.id, Status.CANCELLING, 1),
        2: Missed(ended, Status.COMPLETED, 1),
    }
    assert done.events == 0
    assert await writer.rows() == before


async def test_one_attempt_is_put_back_once(writer: Writer) -> None:
    """A second put-back of an attempt, also in the same group, changes nothing."""
    claimed = await writer.start()
    back = PutBack(claimed.id, 1, Status.PENDING, Reason.LOST, losses=1)
    done = await writer.commit(put_backs=[back, back])
    assert len(done.missed_put_backs) == 1
    assert done.events == 1
    done = await writer.commit(put_backs=[back])
    assert done.missed_put_backs == {0: Missed(claimed.id, Status.PENDING, 1)}
    assert (await writer.row(claimed.id)).losses == 1
    check_everything(await writer.rows(), await writer.ledger())
