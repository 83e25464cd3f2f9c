"""What came of a batch: counted from its members' rows."""

from __future__ import annotations

import random

import pytest
from tests.storage import batching
from tests.storage.batching import (
    add,
    cancel_members,
    end,
    failure,
    open_batch,
    seal,
    sealed_batch,
    stop,
    summed_up,
)
from tests.storage.driving import SECOND, Writer, finish, new_job

from overseen_storage.batch_lifecycle import BatchPolicy, BatchStatus
from overseen_storage.items import Expire, Note, PutBack, RequestCancel
from overseen_storage.lifecycle import EventType, Reason, Status
from overseen_storage.store import Store


async def test_a_summary_tells_what_came_of_the_members(writer: Writer, store: Store) -> None:
    """Outcomes add up to the total; attempts, retries, warnings and times are those of the rows."""
    batch_id = await open_batch(writer, name="mixed")
    await add(writer, batch_id, 6, new_job(queue_timeout_us=3_600 * SECOND))
    first, second, third, fourth = await writer.claim(limit=4)
    warnings = [Note(EventType.WARNING, job_id=one.id, fence=1) for one in (first, first, second)]
    await writer.commit(notes=warnings)
    back = PutBack(third.id, 1, Status.PENDING, Reason.LOST, losses=1)
    await writer.commit(put_backs=[back], finishes=[finish(first), finish(fourth, Status.FAILED)])
    await end(writer, second)
    (third, fifth) = await writer.claim(limit=2)
    await writer.commit(
        finishes=[finish(third)],
        cancel_requests=[RequestCancel(fifth.id, 1)],
        expire=Expire(writer.next + 9_999 * SECOND, limit=9),
    )
    await seal(writer, batch_id)
    await end(writer, fifth, status=Status.CANCELLED)
    rows = await store.members(batch_id, after_id=0, limit=9)
    summary = await summed_up(store, batch_id)
    assert (summary.batch_id, summary.name) == (batch_id, "mixed")
    assert (summary.status, summary.reason) == (BatchStatus.COMPLETED_WITH_ERRORS, None)
    assert (summary.total, summary.completed, summary.failed, summary.cancelled) == (6, 3, 2, 1)
    assert (summary.completed_with_warnings, summary.warnings) == (2, 3)
    assert (summary.attempts, summary.retried) == (6, 1)
    record = await batching.batch(store, batch_id)
    assert (summary.created_at, summary.sealed_at) == (record.created_at, record.sealed_at)
    assert summary.first_started_at == min(row.started_at for row in rows if row.started_at)
    assert summary.last_ended_at == max(row.completed_at for row in rows if row.completed_at)


async def test_an_empty_batch_has_an_empty_summary(writer: Writer, store: Store) -> None:
    """Nothing was started, nothing took any time, and it is completed."""
    batch_id, _ = await sealed_batch(writer, 0)
    summary = await summed_up(store, batch_id)
    assert (summary.status, summary.total, summary.attempts) == (BatchStatus.COMPLETED, 0, 0)
    assert summary.first_started_at is summary.last_ended_at is None
    assert summary.duration_p50_us is summary.duration_p95_us is summary.duration_max_us is None
    assert (summary.failures, summary.failures_beyond) == ((), 0)


async def test_members_that_never_started_took_no_time(writer: Writer, store: Store) -> None:
    """A batch whose members were all cancelled in the queue has no durations."""
    batch_id = await open_batch(writer)
    await add(writer, batch_id, 2)
    await stop(writer, batch_id)
    await cancel_members(writer, batch_id)
    summary = await summed_up(store, batch_id)
    assert (summary.cancelled, summary.attempts, summary.duration_max_us) == (2, 0, None)
    assert summary.first_started_at is None
    assert summary.last_ended_at is not None


@pytest.mark.parametrize("count", [1, 2, 3, 19, 20, 21, 40])
async def test_durations_are_nearest_ranks(writer: Writer, store: Store, count: int) -> None:
    """Half of the members took no longer than the median, 19 of 20 no longer than the 95th
    percentile; each is the duration of a member, from first start to end."""
    batch_id, claimed = await sealed_batch(writer, count)
    claimed = random.Random(count).sample(claimed, count)
    for one in claimed:
        writer.next += 1_000 * one.id
        await end(writer, one)
    rows = await store.members(batch_id, after_id=0, limit=99)
    took = sorted(
        row.completed_at - row.started_at for row in rows if row.completed_at and row.started_at
    )
    summary = await summed_up(store, batch_id)
    assert summary.duration_p50_us == took[(count + 1) // 2 - 1]
    assert summary.duration_p95_us == took[-(-count * 19 // 20) - 1]
    assert summary.duration_max_us == took[-1]


async def test_failures_are_grouped(writer: Writer, store: Store) -> None:
    """By kind, reason and class of the error, most frequent first, then by the first job; each
    with its first job and what its exception said."""
    batch_id = await open_batch(writer)
    kinds = ["work"] * 6 + ["other"]
    await writer.submit(*[batching.member(batch_id, new_job(kind)) for kind in kinds])
    claimed = await writer.claim()
    await seal(writer, batch_id)
    silent = finish(claimed[4], Status.FAILED)
    await writer.commit(
        finishes=[
            failure(claimed[0], "builtins.KeyError", "first"),
            failure(claimed[1], "builtins.ValueError", "second"),
            failure(claimed[2], "builtins.ValueError", "third"),
            failure(claimed[3], "builtins.ValueError", "late", Reason.TIMEOUT),
            silent,
            finish(claimed[5]),
            failure(claimed[6], "builtins.ValueError", "fifth"),
        ]
    )
    groups = (await summed_up(store, batch_id)).failures
    value, key = "builtins.ValueError", "builtins.KeyError"
    assert [
        (one.kind, one.reason, one.error_type, one.count, one.first_job_id, one.message)
        for one in groups
    ] == [
        ("work", Reason.ERROR, value, 2, claimed[1].id, "second"),
        ("work", Reason.ERROR, key, 1, claimed[0].id, "first"),
        ("work", Reason.TIMEOUT, value, 1, claimed[3].id, "late"),
        ("work", Reason.ERROR, None, 1, claimed[4].id, None),
        ("other", Reason.ERROR, value, 1, claimed[6].id, "fifth"),
    ]


@pytest.mark.parametrize(
    "name",
    ["m.Error", 'a"b', 'a","b', "back\\slash", "new\nline", "\u00fcml\u00e4ut", "", "x" * 200],
)
async def test_any_class_name_is_told(writer: Writer, store: Store, name: str) -> None:
    """Classes of errors are named as they are, whatever characters are in the name."""
    batch_id, claimed = await sealed_batch(writer, 1)
    await writer.commit(finishes=[failure(claimed[0], name, 'said "this", "that"')])
    (group,) = (await summed_up(store, batch_id)).failures
    assert (group.error_type, group.message) == (name, 'said "this", "that"')


async def test_a_summary_names_the_most_frequent_failures(writer: Writer, store: Store) -> None:
    """At most 100 groups; how many failed members are in the others is told."""
    batch_id, claimed = await sealed_batch(writer, 120)
    finishes = [failure(one, f"m.E{max(n, 5)}") for n, one in enumerate(claimed)]
    await writer.commit(finishes=finishes)
    summary = await summed_up(store, batch_id)
    assert len(summary.failures) == 100
    assert (summary.failures[0].error_type, summary.failures[0].count) == ("m.E5", 6)
    assert summary.failures_beyond == 15
    named = sum(group.count for group in summary.failures)
    assert named + summary.failures_beyond == summary.failed == 120


@pytest.mark.parametrize(
    ("statuses", "stopped", "expected"),
    [
        ((), None, BatchStatus.COMPLETED),
        ((), Reason.REQUESTED, BatchStatus.CANCELLED),
        ((Status.COMPLETED,), None, BatchStatus.COMPLETED),
        ((Status.COMPLETED,), Reason.REQUESTED, BatchStatus.COMPLETED),
        ((Status.COMPLETED, Status.FAILED), None, BatchStatus.COMPLETED_WITH_ERRORS),
        ((Status.COMPLETED, Status.CANCELLED), None, BatchStatus.COMPLETED_WITH_ERRORS),
        ((Status.COMPLETED, Status.CANCELLED), Reason.REQUESTED, BatchStatus.CANCELLED),
        ((Status.FAILED,), Reason.REQUESTED, BatchStatus.COMPLETED_WITH_ERRORS),
        ((Status.FAILED, Status.CANCELLED), Reason.BATCH_POLICY, BatchStatus.COMPLETED_WITH_ERRORS),
    ],
)
async def test_how_a_batch_ends(
    writer: Writer,
    store: Store,
    statuses: tuple[Status, ...],
    stopped: Reason | None,
    expected: BatchStatus,
) -> None:
    """Completed if every member is; cancelled if that was requested and members were cancelled for
    it; else with errors."""
    policy = BatchPolicy.FAIL_FAST if stopped is Reason.BATCH_POLICY else BatchPolicy.CONTINUE
    batch_id, claimed = await sealed_batch(writer, len(statuses), policy)
    if stopped is Reason.REQUESTED:
        await stop(writer, batch_id)
    for one, status in zip(claimed, statuses, strict=True):
        if status is Status.CANCELLED:
            await writer.commit(cancel_requests=[RequestCancel(one.id, one.fence)])
        await end(writer, one, status=status)
    summary = await summed_up(store, batch_id)
    assert (summary.status, summary.reason) == (expected, stopped)
    await batching.finalize(writer, batch_id)
    assert (await batching.batch(store, batch_id)).status is expected


async def test_there_is_no_summary_before_the_end_nor_after(writer: Writer, store: Store) -> None:
    """An open batch, one with an open member, and a finalized one are not summed up."""
    batch_id = await open_batch(writer)
    assert await store.sum_up_batch(batch_id) is None
    await add(writer, batch_id)
    await seal(writer, batch_id)
    assert await store.sum_up_batch(batch_id) is None
    await end(writer, *await writer.claim())
    await batching.finalize(writer, batch_id)
    assert await store.sum_up_batch(batch_id) is None
