"""A batch is opened, sealed, due when its last member ends, and finalized exactly once."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
from tests.storage import batching
from tests.storage.batching import add, batch, declined, end, open_batch, seal, sealed_batch
from tests.storage.driving import SECOND, Writer, finish, new_job

from overseen_storage.batch_lifecycle import BatchPolicy, BatchStatus
from overseen_storage.groups import BatchQuery, JobQuery
from overseen_storage.items import (
    CancelWaiting,
    ClaimFrom,
    Expire,
    NewJob,
    OnConflict,
    PutBack,
    Submission,
)
from overseen_storage.lifecycle import Cause, EventType, Reason, Status
from overseen_storage.orders import (
    Callback,
    CancelMembers,
    Declined,
    FinalizeBatch,
    Obeyed,
    OpenBatch,
    Order,
    SealBatch,
    StopBatch,
)
from overseen_storage.store import Store


async def test_a_batch_is_what_was_ordered(writer: Writer, store: Store) -> None:
    """An opened batch has the fields of its order, the status open, and an event."""
    order = OpenBatch(
        name="nightly",
        policy=BatchPolicy.THRESHOLD,
        threshold=0.5,
        on_finish='{"kind":"report"}',
        on_failure='{"kind":"alarm"}',
        aggregate='{"kind":"add"}',
        labels='{"team":"a"}',
        cause=Cause.OPERATOR,
    )
    answer = await batching.obeyed(writer, order)
    assert answer.batch_id == 1
    found = await batch(store, 1)
    assert found.status is BatchStatus.OPEN
    assert not found.ended
    kept = (found.name, found.policy, found.threshold, found.on_finish, found.on_failure)
    assert kept == ("nightly", BatchPolicy.THRESHOLD, 0.5, order.on_finish, order.on_failure)
    assert (found.aggregate, found.labels) == (order.aggregate, order.labels)
    (event,) = await batching.events_of(store, 1)
    assert (event.type, event.cause, event.at) == (
        EventType.BATCH_OPENED,
        Cause.OPERATOR,
        found.created_at,
    )
    assert json.loads(event.data or "") == {"name": "nightly"}


async def test_batches_are_numbered_in_order(writer: Writer, store: Store) -> None:
    """Ids count up from 1, and the newest comes first on a page."""
    ids = [await open_batch(writer, name=name) for name in ("a", "b", "c")]
    assert ids == [1, 2, 3]
    page = await store.batches(BatchQuery(limit=2))
    assert [one.name for one in page] == ["c", "b"]
    rest = await store.batches(BatchQuery(before_id=page[-1].id))
    assert [one.name for one in rest] == ["a"]


async def test_batches_are_found_by_what_they_are(writer: Writer, store: Store) -> None:
    """A page shows those of a name, a status, a label: all that is asked for must hold."""
    first = await open_batch(writer, name="a", labels='{"team":"x"}')
    second = await open_batch(writer, name="b", labels='{"team":"x"}')
    await seal(writer, second)
    for query, expected in (
        (BatchQuery(name="a"), [first]),
        (BatchQuery(status=frozenset({BatchStatus.PROCESSING})), [second]),
        (BatchQuery(status=frozenset()), []),
        (BatchQuery(labels={"team": "x"}), [second, first]),
        (BatchQuery(labels={"team": "x"}, name="b"), [second]),
        (BatchQuery(labels={"team": "y"}), []),
    ):
        assert [one.id for one in await store.batches(query)] == expected, query


@pytest.mark.parametrize("name", ["", "n" * 201])
async def test_a_batch_that_the_schema_refuses_is_declined(
    writer: Writer, store: Store, name: str
) -> None:
    """What cannot be stored is an answer, and the rest of the group is kept."""
    orders = [OpenBatch(name=name), OpenBatch(name="good")]
    first, second = (await writer.commit(orders=orders)).orders
    assert isinstance(first, Declined)
    assert first.why == "row"
    assert isinstance(second, Obeyed)
    assert [one.name for one in await store.batches(BatchQuery())] == ["good"]


async def test_sealing_counts_the_members(writer: Writer, store: Store) -> None:
    """A sealed batch knows how many members it has; those of the same group are counted."""
    batch_id = await open_batch(writer)
    await add(writer, batch_id, 3)
    done = await writer.commit(
        submissions=[Submission([batching.member(batch_id)])], orders=[SealBatch(batch_id)]
    )
    assert done.batches_due == []
    found = await batch(store, batch_id)
    assert (found.status, found.total, found.due) == (BatchStatus.PROCESSING, 4, False)
    event = (await batching.events_of(store, batch_id))[-1]
    assert (event.type, event.at) == (EventType.BATCH_SEALED, found.sealed_at)
    assert json.loads(event.data or "") == {"total": 4}


async def test_what_does_not_fit_is_declined(writer: Writer, store: Store) -> None:
    """Sealing twice, finalizing too early, and unknown batches are answers that say why."""
    open_id = await open_batch(writer)
    busy_id, _ = await sealed_batch(writer, 1)
    done_id, _ = await sealed_batch(writer, 0)
    await batching.finalize(writer, done_id)

    def finalizing(batch_id: int) -> FinalizeBatch:
        return FinalizeBatch(batch_id=batch_id, status=BatchStatus.COMPLETED, summary="{}")

    cases: list[tuple[Order, str, BatchStatus | None]] = [
        (SealBatch(busy_id), "sealed", BatchStatus.PROCESSING),
        (SealBatch(done_id), "finalized", BatchStatus.COMPLETED),
        (finalizing(open_id), "not_sealed", BatchStatus.OPEN),
        (finalizing(busy_id), "open_members", BatchStatus.PROCESSING),
        (finalizing(done_id), "finalized", BatchStatus.COMPLETED),
        (CancelMembers(open_id, 9), "not_stopped", BatchStatus.OPEN),
        (CancelMembers(done_id, 9), "finalized", BatchStatus.COMPLETED),
        (StopBatch(done_id), "finalized", BatchStatus.COMPLETED),
    ]
    for number in (99, 2**70):
        cases.append((SealBatch(number), "no_batch", None))
        cases.append((finalizing(number), "no_batch", None))
        cases.append((CancelMembers(number, 9), "no_batch", None))
        cases.append((StopBatch(number), "no_batch", None))
    for order, why, status in cases:
        answer = await declined(writer, order)
        assert (answer.why, answer.batch_status) == (why, status), order


async def test_an_empty_batch_is_due_when_it_is_sealed(writer: Writer, store: Store) -> None:
    """Nobody will ever end in it: sealing is what makes it due."""
    batch_id = await open_batch(writer)
    done = await seal(writer, batch_id)
    assert done.batches_due == [batch_id]
    assert (await batch(store, batch_id)).due
    assert (await store.batches_to_do(limit=10)).due == [batch_id]


Ending = Callable[[Writer, int], Awaitable[list[int]]]


async def by_its_body(writer: Writer, batch_id: int) -> list[int]:
    """A running member completes."""
    (claimed,) = await writer.claim()
    return (await end(writer, claimed)).batches_due


async def by_its_failure(writer: Writer, batch_id: int) -> list[int]:
    """A running member fails."""
    (claimed,) = await writer.claim()
    return (await end(writer, claimed, status=Status.FAILED)).batches_due


async def by_a_request(writer: Writer, batch_id: int) -> list[int]:
    """A waiting member is cancelled."""
    (row,) = await writer.store.members(batch_id, after_id=0, limit=9)
    return (await writer.commit(cancels=[CancelWaiting(row.id)])).batches_due


async def by_its_patience(writer: Writer, batch_id: int) -> list[int]:
    """A member expires: a pending one fails, a draft is cancelled."""
    return (await writer.commit(expire=Expire(writer.next + 99 * SECOND, limit=9))).batches_due


async def by_a_successor(writer: Writer, batch_id: int) -> list[int]:
    """Another job takes a member's key."""
    job = new_job(key="k", on_conflict=OnConflict.REPLACE)
    return (await writer.commit(submissions=[Submission([job])])).batches_due


PATIENT = new_job(queue_timeout_us=SECOND)
DRAFT = NewJob(kind="work", queue="main", arguments="{}", status=Status.DRAFT, expires_at=SECOND)


@pytest.mark.parametrize(
    ("job", "ending"),
    [
        (new_job(), by_its_body),
        (new_job(), by_its_failure),
        (new_job(), by_a_request),
        (PATIENT, by_its_patience),
        (DRAFT, by_its_patience),
        (DRAFT, by_a_request),
        (new_job(key="k"), by_a_successor),
    ],
)
async def test_the_end_of_the_last_member_makes_a_batch_due(
    writer: Writer, store: Store, job: NewJob, ending: Ending
) -> None:
    """Whatever ends it, the same transaction marks the batch and says so. (R42)"""
    batch_id = await open_batch(writer)
    await add(writer, batch_id, job=job)
    await seal(writer, batch_id)
    assert not (await batch(store, batch_id)).due
    assert await ending(writer, batch_id) == [batch_id]
    assert (await batch(store, batch_id)).due
    assert (await store.batches_to_do(limit=10)).due == [batch_id]


async def test_an_open_batch_is_never_due(writer: Writer, store: Store) -> None:
    """It is not done before all of its members are known, though all known ended. (R34)"""
    batch_id = await open_batch(writer)
    await add(writer, batch_id, 2)
    done = await end(writer, *await writer.claim())
    assert done.batches_due == []
    assert (await store.batches_to_do(limit=10)).due == []
    assert await store.sum_up_batch(batch_id) is None
    assert (await seal(writer, batch_id)).batches_due == [batch_id]


@pytest.mark.parametrize(
    "job",
    [
        DRAFT,
        new_job(status=Status.SCHEDULED, due_at=9 * SECOND),
        new_job(),
    ],
    ids=["draft", "scheduled", "pending"],
)
async def test_a_member_that_waits_is_not_over(writer: Writer, store: Store, job: NewJob) -> None:
    """With one member that waits, the ends of all others make no batch due. (R44)"""
    batch_id = await open_batch(writer)
    await add(writer, batch_id, 2)
    claimed = await writer.claim()
    await add(writer, batch_id, job=job)
    await seal(writer, batch_id)
    assert (await end(writer, *claimed)).batches_due == []
    assert (await store.batches_to_do(limit=10)).due == []
    assert await store.sum_up_batch(batch_id) is None


@pytest.mark.parametrize("status", [Status.RETRYING, Status.SCHEDULED, Status.PENDING])
async def test_an_attempt_that_is_put_back_is_not_over(
    writer: Writer, store: Store, status: Status
) -> None:
    """A member that will run again keeps its batch from being due. (R44)"""
    batch_id, (claimed,) = await sealed_batch(writer, 1)
    due_at = None if status is Status.PENDING else 9 * SECOND
    back = PutBack(claimed.id, claimed.fence, status, Reason.ERROR, due_at=due_at)
    assert (await writer.commit(put_backs=[back])).batches_due == []
    assert await store.sum_up_batch(batch_id) is None


async def test_a_batch_becomes_due_once(writer: Writer) -> None:
    """Only the group that ended the last member tells of it; ends in others say nothing."""
    batch_id, claimed = await sealed_batch(writer, 3)
    other = await open_batch(writer)
    assert (await end(writer, *claimed[:2])).batches_due == []
    assert (await end(writer, claimed[2])).batches_due == [batch_id]
    await add(writer, other)
    assert (await end(writer, *await writer.claim())).batches_due == []


async def test_many_batches_become_due_in_one_group(writer: Writer) -> None:
    """One group may end the last members of several batches."""
    batches = [await sealed_batch(writer, 1) for _ in range(3)]
    done = await end(writer, *[claimed[0] for _, claimed in batches])
    assert done.batches_due == [batch_id for batch_id, _ in batches]


async def test_members_may_end_in_the_group_that_seals(writer: Writer) -> None:
    """Ends come before orders: the last one and the seal in one group make the batch due, once."""
    batch_id = await open_batch(writer)
    await add(writer, batch_id)
    (claimed,) = await writer.claim()
    done = await writer.commit(finishes=[finish(claimed)], orders=[SealBatch(batch_id)])
    assert done.batches_due == [batch_id]


async def test_finalizing_freezes_the_summary(writer: Writer, store: Store) -> None:
    """A finalized batch has a status, a time, a summary, an event with the data that was given."""
    batch_id, claimed = await sealed_batch(writer, 2)
    await end(writer, *claimed)
    order = await batching.finalizing(store, batch_id)
    order = FinalizeBatch(
        batch_id=batch_id, status=order.status, summary=order.summary, data='{"total":2}'
    )
    await batching.obeyed(writer, order)
    found = await batch(store, batch_id)
    assert (found.status, found.due, found.ended) == (BatchStatus.COMPLETED, False, True)
    assert found.summary == order.summary
    event = (await batching.events_of(store, batch_id))[-1]
    assert (event.type, event.at, event.data) == (
        EventType.BATCH_FINALIZED,
        found.finalized_at,
        order.data,
    )
    todo = await store.batches_to_do(limit=10)
    assert (todo.due, todo.stopped) == ([], {})
    assert await store.sum_up_batch(batch_id) is None


async def test_a_batch_is_finalized_once(writer: Writer, store: Store) -> None:
    """Whoever comes second is declined and inserts nothing, in the same group too. (R43)"""
    batch_id, claimed = await sealed_batch(writer, 1)
    await end(writer, *claimed)
    callback = Callback("finish", new_job("report"))
    order = await batching.finalizing(store, batch_id, callback)
    first, second = (await writer.commit(orders=[order, order])).orders
    assert isinstance(first, Obeyed)
    assert isinstance(second, Declined)
    assert second.why == "finalized"
    assert (await declined(writer, order)).why == "finalized"
    assert [row.kind for row in await store.jobs(JobQuery(kind="report"))] == ["report"]
    assert (await batching.told(store, batch_id)).count("batch_finalized") == 1


async def test_callbacks_are_submitted_with_the_end(writer: Writer, store: Store) -> None:
    """They are jobs that say whose callbacks they are, no members, and can be claimed in the
    same group. (R43)"""
    batch_id, claimed = await sealed_batch(writer, 1)
    await end(writer, *claimed)
    callbacks = (
        Callback("finish", new_job("report", "calls", arguments='{"a":1}')),
        Callback("failure", batching.member(batch_id, new_job("alarm", "calls", key="k"))),
    )
    order = await batching.finalizing(store, batch_id, *callbacks)
    done = await writer.commit(orders=[order], claims=[ClaimFrom("calls", 9)])
    (answer,) = done.orders
    assert isinstance(answer, Obeyed)
    assert answer.callbacks == tuple(one.id for one in done.claimed)
    rows = [await writer.row(job_id) for job_id in answer.callbacks]
    assert [(row.kind, row.callback_event) for row in rows] == [
        ("report", "finish"),
        ("alarm", "failure"),
    ]
    assert {(row.callback_of, row.batch_id, row.key) for row in rows} == {(batch_id, None, None)}
    submitted = (await store.attempts(rows[0].id))[0]
    assert (submitted.type, submitted.cause) == (EventType.SUBMITTED, Cause.BATCH)


async def test_a_callback_that_cannot_be_stored_undoes_the_order(
    writer: Writer, store: Store
) -> None:
    """The summary and its callbacks are one transaction: with one refused, nothing is there."""
    batch_id, claimed = await sealed_batch(writer, 1)
    await end(writer, *claimed)
    good, bad = Callback("finish", new_job()), Callback("failure", new_job(priority=10_000))
    order = await batching.finalizing(store, batch_id, good, bad)
    height = len(await writer.rows())
    assert (await declined(writer, order)).why == "row"
    assert len(await writer.rows()) == height
    assert (await store.batches_to_do(limit=10)).due == [batch_id]
    await batching.finalize(writer, batch_id, good)


async def test_the_watchdog_finds_what_is_to_do(writer: Writer, store: Store) -> None:
    """Due and stopped batches are found in the rows, in order, up to a limit. (R41)"""
    due = [(await sealed_batch(writer, 0))[0] for _ in range(3)]
    busy = [await open_batch(writer) for _ in range(3)]
    for batch_id in busy:
        await add(writer, batch_id)
    await batching.stop(writer, busy[1])
    await batching.stop(writer, busy[2])
    todo = await store.batches_to_do(limit=10)
    assert todo.due == due
    assert todo.stopped == dict.fromkeys(busy[1:], Reason.REQUESTED)
    few = await store.batches_to_do(limit=1)
    assert (few.due, list(few.stopped)) == (due[:1], busy[1:2])
