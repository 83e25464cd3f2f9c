"""What stops a batch, and what that means for its members."""

from __future__ import annotations

import json

import pytest
from tests.storage import batching
from tests.storage.batching import (
    add,
    batch,
    cancel_members,
    declined,
    end,
    member,
    open_batch,
    seal,
    sealed_batch,
    stop,
)
from tests.storage.driving import SECOND, Writer, finish, new_job
from tests.storage.filing import attach, new_draft, order

from overseen_storage.batch_lifecycle import BatchPolicy, BatchStatus
from overseen_storage.items import ClaimFrom, Expire, PutBack, RequestCancel, Submission
from overseen_storage.lifecycle import Cause, EventType, Reason, Status
from overseen_storage.orders import CancelMembers, SealBatch, StopBatch
from overseen_storage.store import Store

FAILED = Status.FAILED


async def stops_after(writer: Writer, batch_id: int) -> int | None:
    """Fail its members one by one; after how many it is stopped."""
    for count, claimed in enumerate(await writer.claim(limit=100), 1):
        done = await end(writer, claimed, status=FAILED)
        if done.batches_stopped:
            assert done.batches_stopped == [batch_id]
            return count
    return None


@pytest.mark.parametrize(
    ("policy", "threshold", "members", "after"),
    [
        (BatchPolicy.CONTINUE, None, 5, None),
        (BatchPolicy.FAIL_FAST, None, 5, 1),
        (BatchPolicy.THRESHOLD, 1, 5, 1),
        (BatchPolicy.THRESHOLD, 3, 5, 3),
        (BatchPolicy.THRESHOLD, 2.5, 5, 3),
        (BatchPolicy.THRESHOLD, 9, 5, None),
        (BatchPolicy.THRESHOLD, 0.5, 5, 3),
        (BatchPolicy.THRESHOLD, 0.5, 6, 3),
        (BatchPolicy.THRESHOLD, 0.28, 25, 7),  # 0.28 * 25 is a little more than 7
        (BatchPolicy.THRESHOLD, 0.001, 5, 1),
    ],
)
async def test_a_policy_says_how_many_failures_stop_a_batch(
    writer: Writer,
    store: Store,
    policy: BatchPolicy,
    threshold: float | None,
    members: int,
    after: int | None,
) -> None:
    """In the transaction of the failure that is one too many the batch is stopped, once, with an
    event that counts; the continuing one never is."""
    batch_id = await open_batch(writer, policy, threshold)
    await add(writer, batch_id, members)
    await seal(writer, batch_id)
    assert await stops_after(writer, batch_id) == after
    found = await batch(store, batch_id)
    assert found.stopped is (None if after is None else Reason.BATCH_POLICY)
    trips = [
        event
        for event in await batching.events_of(store, batch_id)
        if event.type is EventType.BATCH_TRIPPED
    ]
    assert [json.loads(event.data or "") for event in trips] == (
        [] if after is None else [{"failures": after}]
    )
    assert all((one.cause, one.reason) == (Cause.BATCH, Reason.BATCH_POLICY) for one in trips)


async def test_a_share_is_judged_when_the_batch_is_sealed(writer: Writer, store: Store) -> None:
    """Before, nobody knows of how many: enough failures stop it in the seal's own transaction."""
    batch_id = await open_batch(writer, BatchPolicy.THRESHOLD, 0.5)
    await add(writer, batch_id, 4)
    claimed = await writer.claim()
    done = await end(writer, *claimed[:2], status=FAILED)
    assert done.batches_stopped == []
    done = await seal(writer, batch_id)
    assert (done.batches_stopped, done.batches_due) == ([batch_id], [])
    assert (await batch(store, batch_id)).stopped is Reason.BATCH_POLICY


async def test_a_number_is_judged_while_the_batch_is_open(writer: Writer) -> None:
    """Failures that are too many in number stop an open batch, too; it is not sealed by that."""
    batch_id = await open_batch(writer, BatchPolicy.THRESHOLD, 2)
    await add(writer, batch_id, 3)
    done = await end(writer, *(await writer.claim())[:2], status=FAILED)
    assert done.batches_stopped == [batch_id]
    assert (await batch(writer.store, batch_id)).status is BatchStatus.OPEN


async def test_only_failures_count(writer: Writer) -> None:
    """A member that completed or was cancelled, and an attempt that is retried, stop nothing."""
    batch_id, claimed = await sealed_batch(writer, 4, BatchPolicy.FAIL_FAST)
    retry = PutBack(claimed[0].id, 1, Status.RETRYING, Reason.ERROR, due_at=SECOND, failures=1)
    done = await writer.commit(
        put_backs=[retry],
        finishes=[finish(claimed[1])],
        cancel_requests=[RequestCancel(claimed[2].id, 1)],
    )
    assert done.batches_stopped == []
    assert (await end(writer, claimed[2], status=Status.CANCELLED)).batches_stopped == []
    assert (await end(writer, claimed[3], status=FAILED)).batches_stopped == [batch_id]


async def test_a_member_that_expires_has_failed(writer: Writer) -> None:
    """Whatever fails a member counts, also a deadline in the queue."""
    batch_id = await open_batch(writer, BatchPolicy.FAIL_FAST)
    await add(writer, batch_id, 2, new_job(queue_timeout_us=SECOND))
    done = await writer.commit(expire=Expire(writer.next + 9 * SECOND, limit=1))
    assert done.batches_stopped == [batch_id]


async def test_the_last_failure_may_stop_and_end_a_batch(writer: Writer, store: Store) -> None:
    """The failure that trips it can be its last end: it is told as both, and ends with errors."""
    batch_id, claimed = await sealed_batch(writer, 1, BatchPolicy.FAIL_FAST)
    done = await end(writer, *claimed, status=FAILED)
    assert (done.batches_stopped, done.batches_due) == ([batch_id], [batch_id])
    summary = await batching.summed_up(store, batch_id)
    assert (summary.status, summary.reason) == (
        BatchStatus.COMPLETED_WITH_ERRORS,
        Reason.BATCH_POLICY,
    )


async def test_nothing_more_of_a_stopped_batch_is_started(writer: Writer) -> None:
    """The claims of the very group that stops it pass over its members; others are started, and
    a queue with nothing else is short."""
    batch_id = await open_batch(writer, BatchPolicy.FAIL_FAST)
    await add(writer, batch_id)
    claimed = await writer.claim()
    await add(writer, batch_id, 5)
    (plain,) = await writer.submit(new_job())
    done = await writer.commit(finishes=[finish(claimed[0], FAILED)], claims=[ClaimFrom("main", 3)])
    assert [one.id for one in done.claimed] == [plain]
    assert done.short_queues == ["main"]
    assert await writer.claim() == []


async def test_members_are_passed_over_in_every_queue(writer: Writer) -> None:
    """Claims over several queues, and with unknown kinds among the jobs, pass over them too."""
    batch_id = await open_batch(writer)
    for queue in ("main", "other"):
        await add(writer, batch_id, 3, new_job("work", queue, priority=5))
        await add(writer, batch_id, 1, new_job("gone", queue, priority=6))
    ids = await writer.submit(new_job("work", "main"), new_job("gone", "other"))
    await stop(writer, batch_id)
    done = await writer.commit(
        claims=[ClaimFrom("main", 9), ClaimFrom("other", 9)], kinds=frozenset({"work"})
    )
    assert [one.id for one in done.claimed] == ids[:1]
    assert done.held == 1
    assert sorted(done.short_queues) == ["main", "other"]


async def test_a_member_that_is_put_back_is_not_started_again(writer: Writer) -> None:
    """An attempt of a stopped batch that a shutdown interrupts waits, and is cancelled."""
    batch_id, (claimed,) = await sealed_batch(writer, 1)
    await stop(writer, batch_id)
    back = PutBack(claimed.id, claimed.fence, Status.PENDING, Reason.SHUTDOWN, interruptions=1)
    done = await writer.commit(put_backs=[back], claims=[ClaimFrom("main", 9)])
    assert done.claimed == []
    assert (await cancel_members(writer, batch_id)).cancelled == (claimed.id,)


async def test_claims_are_plain_again_when_the_stopped_batch_is_finalized(writer: Writer) -> None:
    """Other batches and jobs are started before and after, also in the finalizing group."""
    batch_id, _ = await sealed_batch(writer, 0, BatchPolicy.FAIL_FAST)
    other = await open_batch(writer)
    await stop(writer, batch_id)
    (first,) = await add(writer, other)
    assert [one.id for one in await writer.claim()] == [first]
    finalizing = await batching.finalizing(writer.store, batch_id)
    done = await writer.commit(
        submissions=[Submission([member(other)])],
        orders=[finalizing],
        claims=[ClaimFrom("main", 9)],
    )
    assert len(done.claimed) == 1


async def test_a_stop_is_requested(writer: Writer, store: Store) -> None:
    """A batch that somebody stops is sealed if it was open, says so, and starts nothing more."""
    batch_id = await open_batch(writer)
    await add(writer, batch_id, 2)
    answer = await batching.obeyed(
        writer, StopBatch(batch_id, Cause.CALLER, data='{"message":"enough"}')
    )
    assert answer.sealed
    found = await batch(store, batch_id)
    assert (found.status, found.stopped, found.total) == (
        BatchStatus.PROCESSING,
        Reason.REQUESTED,
        2,
    )
    event = (await batching.events_of(store, batch_id))[-1]
    assert (event.type, event.cause, event.reason, event.data) == (
        EventType.BATCH_CANCELLING,
        Cause.CALLER,
        Reason.REQUESTED,
        '{"message":"enough"}',
    )
    assert await batching.told(store, batch_id) == [
        "batch_opened",
        "batch_sealed",
        "batch_cancelling",
    ]
    assert await writer.claim() == []
    answered = await declined(writer, StopBatch(batch_id))
    assert (answered.why, answered.reason) == ("stopped", Reason.REQUESTED)


async def test_a_request_overrides_a_policy(writer: Writer, store: Store) -> None:
    """A batch that tripped can still be asked to end; it then ends as cancelled."""
    batch_id, claimed = await sealed_batch(writer, 2, BatchPolicy.FAIL_FAST)
    await end(writer, claimed[0], status=FAILED)
    assert not (await stop(writer, batch_id)).sealed
    assert (await batch(store, batch_id)).stopped is Reason.REQUESTED
    await writer.commit(cancel_requests=[RequestCancel(claimed[1].id, 1)])
    await end(writer, claimed[1], status=Status.CANCELLED)
    await batching.finalize(writer, batch_id)
    ended = await batch(store, batch_id)
    assert (ended.status, ended.stopped) == (BatchStatus.CANCELLED, Reason.REQUESTED)
    event = (await batching.events_of(store, batch_id))[-1]
    assert (event.type, event.reason) == (EventType.BATCH_FINALIZED, Reason.REQUESTED)


async def test_an_open_batch_without_members_ends_by_a_request(writer: Writer) -> None:
    """Stopping an empty open batch seals it, and that makes it due."""
    batch_id = await open_batch(writer)
    done = await writer.commit(orders=[StopBatch(batch_id)])
    assert done.batches_due == [batch_id]


async def test_waiting_members_are_cancelled_a_few_at_a_time(writer: Writer, store: Store) -> None:
    """In order, at most as many as asked for; what runs is left; the last makes the batch due."""
    batch_id, claimed = await sealed_batch(writer, 1)
    other = await open_batch(writer)
    jobs = [new_job(), new_job(status=Status.SCHEDULED, due_at=10**17), new_job("gone")]
    (again,) = await add(writer, other)
    (attempt,) = await writer.claim()
    retry = PutBack(again, attempt.fence, Status.RETRYING, Reason.ERROR, due_at=10**17)
    await writer.commit(put_backs=[retry])
    ids = [again, *await writer.submit(*[member(other, job) for job in jobs])]
    await writer.commit(claims=[ClaimFrom("main", 1)], kinds=frozenset({"none"}))  # holds them
    ids += await add(writer, other)
    await stop(writer, other)
    first = await cancel_members(writer, other, 2)
    assert (first.cancelled, first.remaining) == (tuple(ids[:2]), True)
    done = await writer.commit(orders=[CancelMembers(other, 3)])
    assert done.batches_due == [other]
    rows = [await writer.row(one) for one in ids]
    assert {(row.status, row.reason, row.cause, row.held) for row in rows} == {
        (Status.CANCELLED, Reason.REQUESTED, Cause.BATCH, None)
    }
    for row in rows:
        event = (await store.attempts(row.id))[-1]
        assert (event.type, event.at, event.reason, event.cause) == (
            EventType.CANCELLED,
            row.completed_at,
            Reason.REQUESTED,
            Cause.BATCH,
        )
    nothing = await cancel_members(writer, other)
    assert (nothing.cancelled, nothing.remaining) == ((), False)
    assert (await writer.row(claimed[0].id)).status is Status.RUNNING
    assert (await declined(writer, CancelMembers(batch_id, 9))).why == "not_stopped"


async def test_what_runs_keeps_a_stopped_batch_to_do(writer: Writer, store: Store) -> None:
    """The watchdog is told of a stopped batch until its last member has ended."""
    batch_id, claimed = await sealed_batch(writer, 1)
    await stop(writer, batch_id)
    assert (await cancel_members(writer, batch_id)).cancelled == ()
    assert (await store.batches_to_do(limit=9)).stopped == {batch_id: Reason.REQUESTED}
    await end(writer, *claimed)
    todo = await store.batches_to_do(limit=9)
    assert (todo.due, todo.stopped) == ([batch_id], {})


async def test_drafts_of_a_stopped_batch_are_discarded(writer: Writer, store: Store) -> None:
    """Their reason is their own, and their files are free to go."""
    batch_id = await open_batch(writer)
    (draft, plain) = await writer.submit(member(batch_id, new_draft()), member(batch_id))
    await order(writer, attach(draft, "a", "stored-a"))
    await stop(writer, batch_id)
    done = await writer.commit(orders=[CancelMembers(batch_id, 9)])
    assert done.freed_files == ["stored-a"]
    rows = [await writer.row(one) for one in (draft, plain)]
    assert [row.reason for row in rows] == [Reason.DRAFT_DISCARDED, Reason.REQUESTED]
    assert await store.attachments(draft) == []
    summary = await batching.summed_up(store, batch_id)
    assert (summary.status, summary.cancelled) == (BatchStatus.CANCELLED, 2)


async def test_a_tripped_batch_cancels_by_its_policy(writer: Writer) -> None:
    """Members cancelled because others failed say so."""
    batch_id = await open_batch(writer, BatchPolicy.FAIL_FAST)
    await add(writer, batch_id)
    claimed = await writer.claim()
    (waiting,) = await add(writer, batch_id)
    await end(writer, *claimed, status=FAILED)
    await cancel_members(writer, batch_id)
    row = await writer.row(waiting)
    assert (row.reason, row.cause) == (Reason.BATCH_POLICY, Cause.BATCH)
    await writer.commit(orders=[SealBatch(batch_id)])
    await batching.finalize(writer, batch_id)
    ended = await batch(writer.store, batch_id)
    assert ended.status is BatchStatus.COMPLETED_WITH_ERRORS
