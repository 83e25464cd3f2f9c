"""The end of an attempt: guarded by status and fence, once, and whoever loses is told."""

from __future__ import annotations

import pytest
from tests.storage.checkers import check_everything
from tests.storage.driving import SECOND, Writer, finish, new_job

from overseen_storage.answers import Claimed, Committed, Missed
from overseen_storage.items import CancelWaiting, Finish, MarkStopping, PutBack, RequestCancel
from overseen_storage.lifecycle import LIVE, TERMINAL, Cause, EventType, Reason, Status
from overseen_storage.records import JobError

ENDS = sorted(TERMINAL)


def cancelled(claimed: Claimed) -> Finish:
    return Finish(claimed.id, claimed.fence, Status.CANCELLED, reason=Reason.REQUESTED)


def ending(claimed: Claimed, status: Status) -> Finish:
    return cancelled(claimed) if status is Status.CANCELLED else finish(claimed, status)


async def cancelling(writer: Writer) -> Claimed:
    """A job that runs and was asked to end."""
    claimed = await writer.start()
    done = await writer.commit(cancel_requests=[RequestCancel(claimed.id, claimed.fence)])
    assert not done.missed_cancel_requests
    return claimed


async def in_status(writer: Writer, status: Status) -> int:
    """A job with that status, and with fence 1 where it was started."""
    if status is Status.DRAFT:
        return (await writer.submit(new_job(status=status)))[0]
    if status is Status.PENDING:
        return (await writer.submit(new_job()))[0]
    if status is Status.RUNNING:
        return (await writer.start()).id
    if status in (Status.CANCELLING, Status.CANCELLED):
        claimed = await cancelling(writer)
        if status is Status.CANCELLED:
            await writer.commit(finishes=[cancelled(claimed)])
        return claimed.id
    if status in TERMINAL:
        return await writer.end(status)
    claimed = await writer.start()
    back = PutBack(claimed.id, 1, status, Reason.ERROR, due_at=writer.next + SECOND, failures=1)
    await writer.commit(put_backs=[back])
    return claimed.id


async def test_completing_stores_the_result_and_the_end(writer: Writer) -> None:
    """A completed job has its result, its end and one `completed` event with the same stamp."""
    claimed = await writer.start()
    data = '{"took":1}'
    done = await writer.commit(
        finishes=[Finish(claimed.id, 1, Status.COMPLETED, result='{"answer": 42}', data=data)]
    )
    row = await writer.row(claimed.id)
    event = (await writer.store.attempts(claimed.id))[-1]
    assert done.missed_finishes == {}
    assert (row.status, row.result, row.reason) == (Status.COMPLETED, '{"answer": 42}', None)
    assert row.ended
    assert row.completed_at == event.at
    assert (event.type, event.status, event.fence) == (EventType.COMPLETED, Status.COMPLETED, 1)
    assert (event.cause, event.data, event.seq) == (Cause.BODY, data, done.first_seq)
    check_everything(await writer.rows(), await writer.ledger())


async def test_failing_stores_the_error_and_its_reason(writer: Writer) -> None:
    """A failed job says why, with the error as text, and counts the failure."""
    claimed = await writer.start()
    error = JobError("ValueError", "no such file: naïve \N{SNOWMAN}", "Traceback ...")
    await writer.commit(
        finishes=[
            Finish(
                claimed.id,
                1,
                Status.FAILED,
                reason=Reason.TIMEOUT,
                cause=Cause.WATCHDOG,
                error=error,
                failures=1,
            )
        ]
    )
    row = await writer.row(claimed.id)
    assert (row.status, row.reason, row.cause) == (Status.FAILED, Reason.TIMEOUT, Cause.WATCHDOG)
    assert (row.error, row.failures, row.losses, row.result) == (error, 1, 0, None)
    event = (await writer.store.attempts(claimed.id))[-1]
    assert (event.type, event.reason, event.cause) == (
        EventType.FAILED,
        Reason.TIMEOUT,
        Cause.WATCHDOG,
    )


async def test_a_lost_attempt_counts_in_its_own_budget(writer: Writer) -> None:
    """Losses and failures are added apart."""
    claimed = await writer.start()
    lost = Finish(claimed.id, 1, Status.FAILED, reason=Reason.LOST, losses=1)
    await writer.commit(finishes=[lost])
    row = await writer.row(claimed.id)
    assert (row.failures, row.losses) == (0, 1)


@pytest.mark.parametrize("end", ENDS)
async def test_a_job_that_was_asked_to_end_may_end_in_each_way(writer: Writer, end: Status) -> None:
    """From cancelling: cancelled, completed (the body was faster) or failed (it raised)."""
    claimed = await cancelling(writer)
    done = await writer.commit(finishes=[ending(claimed, end)])
    assert done.missed_finishes == {}
    assert (await writer.row(claimed.id)).status is end
    check_everything(await writer.rows(), await writer.ledger())


async def test_a_running_job_that_nobody_asked_is_not_cancelled(writer: Writer) -> None:
    """`cancelled` follows a request only."""
    claimed = await writer.start()
    done = await writer.commit(finishes=[cancelled(claimed)])
    assert done.missed_finishes == {0: Missed(claimed.id, Status.RUNNING, 1)}
    assert (await writer.row(claimed.id)).status is Status.RUNNING


@pytest.mark.parametrize(
    "status", [status for status in Status if status not in LIVE | {Status.BLOCKED}]
)
@pytest.mark.parametrize("end", ENDS)
async def test_no_end_from_a_status_that_has_none(
    writer: Writer, status: Status, end: Status
) -> None:
    """A finish of a job that is not live changes nothing; the loser is told what the row is."""
    job_id = await in_status(writer, status)
    before, height = await writer.row(job_id), await writer.store.last_seq()
    late = Finish(job_id, before.fence, end, result="2" if end is Status.COMPLETED else None)
    done = await writer.commit(finishes=[late])
    assert done.missed_finishes == {0: Missed(job_id, status, before.fence)}
    assert await writer.row(job_id) == before
    assert await writer.store.last_seq() == height


@pytest.mark.parametrize("fence", [0, 1, 3])
@pytest.mark.parametrize("end", ENDS)
async def test_a_stale_fence_moves_nothing(writer: Writer, fence: int, end: Status) -> None:
    """I11: only the current attempt's end counts, not an earlier one's, nor an invented one's."""
    claimed = await writer.start()
    back = PutBack(claimed.id, 1, Status.PENDING, Reason.LOST, losses=1)
    await writer.commit(put_backs=[back])
    (second,) = await writer.claim()
    assert second.fence == 2
    await writer.commit(cancel_requests=[RequestCancel(claimed.id, 2)])
    before = await writer.row(claimed.id)
    done = await writer.commit(finishes=[Finish(claimed.id, fence, end)])
    assert done.missed_finishes == {0: Missed(claimed.id, Status.CANCELLING, 2)}
    assert done.events == 0
    assert await writer.row(claimed.id) == before


async def test_a_job_that_does_not_exist_is_missed(writer: Writer) -> None:
    """Moves of unknown jobs are answered with no status, whatever the move."""
    done = await writer.commit(
        finishes=[Finish(99, 1, Status.COMPLETED, result="1")],
        put_backs=[PutBack(99, 1, Status.PENDING, Reason.LOST, losses=1)],
        cancel_requests=[RequestCancel(99, 1)],
        stoppings=[MarkStopping(99, 1, Reason.TIMEOUT)],
        cancels=[CancelWaiting(99)],
    )
    for missed in (
        done.missed_finishes,
        done.missed_put_backs,
        done.missed_cancel_requests,
        done.missed_stoppings,
        done.missed_cancels,
    ):
        assert missed == {0: Missed(99, None)}
    assert done.events == 0


async def test_losers_do_not_hurt_the_winners_of_their_group(writer: Writer) -> None:
    """Among many finishes each is judged alone; misses are told by index, winners get events."""
    await writer.submit(*[new_job() for _ in range(20)])
    claimed = await writer.claim()
    await writer.commit(finishes=[finish(one) for one in claimed[::2]])
    done = await writer.commit(finishes=[finish(one, Status.FAILED) for one in claimed])
    assert done.missed_finishes == {
        index: Missed(one.id, Status.COMPLETED, 1)
        for index, one in enumerate(claimed)
        if index % 2 == 0
    }
    assert done.events == 10
    rows = await writer.rows()
    assert [rows[one.id].status for one in claimed] == [Status.COMPLETED, Status.FAILED] * 10
    check_everything(rows, await writer.ledger())


def winners(done: Committed, finishes: int) -> int:
    return finishes - len(done.missed_finishes)


async def test_two_ends_of_one_attempt_in_one_group_are_one_end(writer: Writer) -> None:
    """I3: even a group that ends the same attempt twice writes one end, and tells the other."""
    claimed, other = await writer.start(), await writer.start()
    done = await writer.commit(
        finishes=[finish(claimed), finish(other), finish(claimed, Status.FAILED)]
    )
    assert winners(done, 3) == 2
    assert done.events == 2
    check_everything(await writer.rows(), await writer.ledger())


async def test_complete_then_cancel_has_one_winner(writer: Writer) -> None:
    """I13: a cancellation that comes after the end is told the end."""
    claimed = await writer.start()
    await writer.commit(finishes=[finish(claimed)])
    done = await writer.commit(
        cancel_requests=[RequestCancel(claimed.id, 1)], cancels=[CancelWaiting(claimed.id)]
    )
    told = Missed(claimed.id, Status.COMPLETED, 1)
    assert done.missed_cancel_requests == {0: told}
    assert done.missed_cancels == {0: told}
    assert await writer.types(claimed.id) == ["submitted", "started", "completed"]


async def test_cancel_then_complete_completes(writer: Writer) -> None:
    """I13: a body that returned a value before it felt the cancellation has completed."""
    claimed = await cancelling(writer)
    done = await writer.commit(finishes=[finish(claimed)])
    assert done.missed_finishes == {}
    assert (await writer.row(claimed.id)).result == "1"
    late = await writer.commit(finishes=[cancelled(claimed)])
    assert late.missed_finishes == {0: Missed(claimed.id, Status.COMPLETED, 1)}


async def test_in_one_group_the_end_goes_before_the_request(writer: Writer) -> None:
    """I13: a finish and a cancellation drained together: the finish wins, one end is written."""
    claimed = await writer.start()
    done = await writer.commit(
        finishes=[finish(claimed)], cancel_requests=[RequestCancel(claimed.id, 1)]
    )
    assert done.missed_finishes == {}
    assert done.missed_cancel_requests == {0: Missed(claimed.id, Status.COMPLETED, 1)}
    check_everything(await writer.rows(), await writer.ledger())


async def test_a_cancel_request_is_visible_until_the_body_stops(writer: Writer) -> None:
    """Asking writes `cancelling` with its reason and who asked; it is no end."""
    claimed = await writer.start()
    request = RequestCancel(claimed.id, 1, Reason.BATCH_POLICY, Cause.BATCH, '{"batch":1}')
    await writer.commit(cancel_requests=[request])
    row = await writer.row(claimed.id)
    event = (await writer.store.attempts(claimed.id))[-1]
    assert (row.status, row.reason, row.cause) == (
        Status.CANCELLING,
        Reason.BATCH_POLICY,
        Cause.BATCH,
    )
    assert row.completed_at is None
    assert (event.type, event.fence, event.data) == (EventType.CANCELLING, 1, '{"batch":1}')


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.BLOCKED])
async def test_only_a_running_job_is_asked_to_end(writer: Writer, status: Status) -> None:
    """A cancel request fits running jobs with this fence; a second one is told `cancelling`."""
    job_id = await in_status(writer, status)
    fence = (await writer.row(job_id)).fence
    done = await writer.commit(cancel_requests=[RequestCancel(job_id, fence)])
    expected = {} if status is Status.RUNNING else {0: Missed(job_id, status, fence)}
    assert done.missed_cancel_requests == expected
    assert done.events == (status is Status.RUNNING)


async def test_stopping_is_marked_once_and_changes_no_status(writer: Writer) -> None:
    """A timeout or silence is written before the body is told; the first reason stays."""
    claimed = await writer.start()
    first = await writer.commit(stoppings=[MarkStopping(claimed.id, 1, Reason.TIMEOUT, '{"s":1}')])
    second = await writer.commit(stoppings=[MarkStopping(claimed.id, 1, Reason.SILENT)])
    assert first.missed_stoppings == {}
    assert second.missed_stoppings == {0: Missed(claimed.id, Status.RUNNING, 1)}
    row = await writer.row(claimed.id)
    event = (await writer.store.attempts(claimed.id))[-1]
    assert (row.status, row.stop_reason) == (Status.RUNNING, Reason.TIMEOUT)
    assert (event.type, event.status, event.reason) == (EventType.STOPPING, None, Reason.TIMEOUT)
    assert (event.fence, event.data) == (1, '{"s":1}')


async def test_stopping_is_for_the_attempt_under_way(writer: Writer) -> None:
    """A stale fence, a cancelling or an ended job is not marked; a new attempt begins unmarked."""
    claimed = await writer.start()
    await writer.commit(stoppings=[MarkStopping(claimed.id, 1, Reason.TIMEOUT)])
    await writer.commit(
        put_backs=[
            PutBack(claimed.id, 1, Status.PENDING, Reason.TIMEOUT, keep_ready_at=False, failures=1)
        ]
    )
    (again,) = await writer.claim()
    assert (await writer.row(claimed.id)).stop_reason is None
    asked = await cancelling(writer)
    done = await writer.commit(
        stoppings=[
            MarkStopping(claimed.id, 1, Reason.SILENT),
            MarkStopping(asked.id, 1, Reason.SILENT),
            MarkStopping(claimed.id, again.fence, Reason.SILENT),
        ]
    )
    assert done.missed_stoppings == {
        0: Missed(claimed.id, Status.RUNNING, 2),
        1: Missed(asked.id, Status.CANCELLING, 1),
    }
    check_everything(await writer.rows(), await writer.ledger())


@pytest.mark.parametrize("size", [100, 20_000, 1 << 20])
async def test_results_of_any_allowed_size_are_kept(writer: Writer, size: int) -> None:
    """Small and large results in one group come back unchanged."""
    large = '"' + "ü" * (size // 2) + '"'
    first, second, third = await writer.start(), await writer.start(), await writer.start()
    await writer.commit(
        finishes=[
            finish(first),
            Finish(second.id, 1, Status.COMPLETED, result=large),
            Finish(third.id, 1, Status.FAILED, reason=Reason.ERROR, failures=1),
        ]
    )
    rows = await writer.rows()
    assert [rows[one.id].result for one in (first, second, third)] == ["1", large, None]
    check_everything(rows, await writer.ledger())
