"""Members: when they may be added, what is told of them, how long they are kept."""

from __future__ import annotations

import pytest
from tests.storage import batching
from tests.storage.batching import add, batch, end, member, open_batch, seal, sealed_batch
from tests.storage.driving import Writer, accepted, new_job, refused
from tests.storage.filing import new_draft, new_retry

from overseen_storage.batch_lifecycle import BatchPolicy, BatchStatus
from overseen_storage.groups import JobQuery, PruneRequest
from overseen_storage.items import CancelWaiting, OnConflict, RequestCancel, Submission
from overseen_storage.lifecycle import Cause, Status
from overseen_storage.store import Store

ALL = PruneRequest(completed_before=10**18, failed_before=10**18, cancelled_before=10**18)


async def test_a_member_knows_its_batch(writer: Writer, store: Store) -> None:
    """Members of every beginning have the batch's id, and are found by it, in order."""
    batch_id = await open_batch(writer)
    jobs = [new_job(), new_draft(), new_job(status=Status.SCHEDULED, due_at=10**17)]
    ids = await writer.submit(*[member(batch_id, job) for job in jobs])
    await writer.submit(new_job())
    assert [(await writer.row(one)).batch_id for one in ids] == [batch_id] * 3
    first = await store.members(batch_id, after_id=0, limit=2)
    rest = await store.members(batch_id, after_id=first[-1].id, limit=2)
    assert [row.id for row in first + rest] == ids
    assert [row.id for row in await store.jobs(JobQuery(batch_id=batch_id))] == ids[::-1]
    (claimed,) = [one for one in await writer.claim() if one.batch_id is not None]
    assert claimed.batch_id == batch_id


async def test_there_are_no_members_of_unknown_batches(store: Store) -> None:
    """Reading about a batch that is not there answers that nothing is there."""
    for unknown in (1, 0, -1, 2**70):
        assert await store.batch(unknown) is None
        assert await store.members(unknown, after_id=0, limit=9) == []
        assert await store.sum_up_batch(unknown) is None
        assert await store.batch_began_at_seq(unknown) is None
        snapshot = await store.batch_snapshot(unknown)
        assert (snapshot.batch, snapshot.counts, snapshot.seq) == (None, None, 1)


async def test_a_closed_batch_takes_no_members(writer: Writer, store: Store) -> None:
    """A submission that names a batch that is sealed, finalized or unknown is refused, with the
    first job that does so and a way out; nothing of it is stored, the others of the group are."""
    open_id = await open_batch(writer)
    sealed_id, _ = await sealed_batch(writer, 1)
    ended_id, _ = await sealed_batch(writer, 0)
    await batching.finalize(writer, ended_id)
    before = len(await writer.rows())
    submissions = [
        Submission([new_job(), member(sealed_id)]),
        Submission([member(open_id), member(open_id)]),
        Submission([member(ended_id), member(99)]),
        Submission([member(99)]),
        Submission([new_job()], cause=Cause.OPERATOR),
        Submission([member(2**70)]),
    ]
    done = await writer.commit(submissions=submissions)
    answers = [refused(done, index) for index in (0, 2, 3, 5)]
    assert [(one.index, one.why) for one in answers] == [
        (1, "batch_sealed"),
        (0, "batch_sealed"),
        (0, "no_batch"),
        (0, "no_batch"),
    ]
    for answer, batch_id in zip(answers, (sealed_id, ended_id, 99, 2**70), strict=True):
        assert str(batch_id) in answer.message
        assert "open" in answer.message
    assert len(accepted(done, 1) + accepted(done, 4)) == 3
    assert len(await writer.rows()) == before + 3
    assert (await batch(store, sealed_id)).total == 1


async def test_many_submissions_with_closed_batches_among_them(writer: Writer) -> None:
    """Answers stand where their submissions stood, however they are mixed."""
    open_id, (closed_id, _) = await open_batch(writer), await sealed_batch(writer, 0)
    chosen = [open_id, closed_id, None, closed_id, open_id, closed_id]
    done = await writer.commit(
        submissions=[Submission([new_job() if one is None else member(one)]) for one in chosen]
    )
    for index, one in enumerate(chosen):
        if one == closed_id:
            assert refused(done, index).why == "batch_sealed"
        else:
            assert (await writer.row(accepted(done, index)[0])).batch_id == one


async def test_a_stopped_batch_that_is_open_still_takes_members(writer: Writer) -> None:
    """Only the seal ends it: what is added meanwhile waits, and is cancelled like the others."""
    batch_id = await open_batch(writer, BatchPolicy.FAIL_FAST)
    await add(writer, batch_id)
    await end(writer, *await writer.claim(), status=Status.FAILED)
    (late,) = await add(writer, batch_id)
    assert await writer.claim() == []
    assert (await batching.cancel_members(writer, batch_id)).cancelled == (late,)


@pytest.mark.parametrize("own", ["key", "idempotency_key"])
async def test_a_key_attaches_to_a_member_only(writer: Writer, own: str) -> None:
    """A job that is to be a member may attach to a member of the same batch, not to another job:
    the batch would not wait for it. A job without a batch may attach to any."""
    first, second = await open_batch(writer), await open_batch(writer)
    keyed = new_job(key="k") if own == "key" else new_job(idempotency_key="k")
    (holder,) = await add(writer, first, job=keyed)
    done = await writer.commit(
        submissions=[
            Submission([member(first, keyed)]),
            Submission([new_job(), member(second, keyed)]),
            Submission([keyed]),
        ]
    )
    assert accepted(done, 0) == accepted(done, 2) == [holder]
    answer = refused(done, 1)
    assert (answer.index, answer.why, answer.existing_id) == (1, "key_batch", holder)
    assert answer.existing_status is Status.PENDING
    assert str(first) in answer.message
    assert str(second) in answer.message


@pytest.mark.parametrize("own", ["key", "idempotency_key"])
async def test_a_member_that_is_submitted_again_after_the_seal_is_found(
    writer: Writer, own: str
) -> None:
    """Whoever got no answer asks again: its members are found by their keys, also when the batch
    is sealed; what is not there is refused, and nothing of such a submission is stored."""
    batch_id = await open_batch(writer)
    keyed = new_job(key="k") if own == "key" else new_job(idempotency_key="k")
    (holder,) = await add(writer, batch_id, job=keyed)
    await seal(writer, batch_id)
    done = await writer.commit(
        submissions=[
            Submission([member(batch_id, keyed)]),
            Submission([member(batch_id, keyed), member(batch_id, new_job(key="other"))]),
        ]
    )
    assert accepted(done, 0) == [holder]
    assert (refused(done, 1).index, refused(done, 1).why) == (1, "batch_sealed")


async def test_keys_go_by_the_order_of_submission(writer: Writer) -> None:
    """Who comes too late for a batch is not told of a key that somebody took after him, in the same
    group."""
    batch_id, _ = await sealed_batch(writer, 0)
    done = await writer.commit(
        submissions=[
            Submission([member(batch_id, new_job(key="k"))]),
            Submission([new_job(key="k")]),
        ]
    )
    assert refused(done, 0).why == "batch_sealed"
    assert len(accepted(done, 1)) == 1


async def test_a_key_of_no_member_is_told(writer: Writer) -> None:
    """A holder without a batch is refused to a member, too; a key that rejects says so as ever."""
    batch_id = await open_batch(writer)
    (holder,) = await writer.submit(new_job(key="k"))
    attach, reject = (
        member(batch_id, new_job(key="k", on_conflict=policy))
        for policy in (OnConflict.ATTACH, OnConflict.REJECT)
    )
    done = await writer.commit(submissions=[Submission([attach]), Submission([reject])])
    assert [refused(done, index).why for index in (0, 1)] == ["key_batch", "key"]
    assert refused(done, 0).existing_id == holder


async def test_counts_always_add_up(writer: Writer, store: Store) -> None:
    """Members are counted where they are, and the numbers add up to the total at every moment.
    (R8)"""
    batch_id = await open_batch(writer)
    seen: list[tuple[int, ...]] = []

    async def look() -> None:
        snapshot = await store.batch_snapshot(batch_id)
        counts = snapshot.counts
        assert counts is not None
        assert counts.open + counts.ended == counts.total
        assert snapshot.seq == await store.last_seq()
        ended = (counts.completed, counts.failed, counts.cancelled)
        seen.append((counts.total, counts.waiting, counts.running, *ended))

    await look()
    ids = await add(writer, batch_id, 4)
    await look()
    first, second = await writer.claim(limit=2)
    await look()
    await writer.commit(cancel_requests=[RequestCancel(first.id, first.fence)])
    await end(writer, second)
    await look()
    await seal(writer, batch_id)
    await end(writer, first, status=Status.CANCELLED)
    await end(writer, *await writer.claim(limit=1), status=Status.FAILED)
    await look()
    await writer.commit(cancels=[CancelWaiting(ids[-1])])
    await look()
    await batching.finalize(writer, batch_id)
    await look()
    assert seen == [
        (0, 0, 0, 0, 0, 0),
        (4, 4, 0, 0, 0, 0),
        (4, 2, 2, 0, 0, 0),
        (4, 2, 1, 1, 0, 0),
        (4, 1, 0, 1, 1, 1),
        (4, 0, 0, 1, 1, 2),
        (4, 0, 0, 1, 1, 2),
    ]


async def test_members_are_kept_until_their_batch_is_finalized(
    writer: Writer, store: Store
) -> None:
    """Pruning leaves members of unfinalized batches alone. Afterwards they go; the batch, its
    summary, its events and its counts stay."""
    batch_id, claimed = await sealed_batch(writer, 3)
    other = await open_batch(writer)
    await add(writer, other)
    claimed += await writer.claim()
    await end(writer, *claimed[:2])
    await end(writer, *claimed[2:], status=Status.FAILED)
    assert (await store.prune(ALL)).jobs == 0
    await batching.finalize(writer, batch_id)
    before = await store.batch_snapshot(batch_id)
    assert (await store.prune(ALL)).jobs == 3
    after = await store.batch_snapshot(batch_id)
    assert (after.batch, after.counts) == (before.batch, before.counts)
    assert await store.members(batch_id, after_id=0, limit=9) == []
    assert await batching.told(store, batch_id) == [
        "batch_opened",
        "batch_sealed",
        "batch_finalized",
    ]
    assert len(await store.members(other, after_id=0, limit=9)) == 1


async def test_the_events_of_a_batch(writer: Writer, store: Store) -> None:
    """Its own and its members', in order, and nothing else; the first tells where it began."""
    await writer.end()
    batch_id = await open_batch(writer)
    other = await open_batch(writer)
    members = await add(writer, batch_id, 2)
    others = await add(writer, other) + await writer.submit(new_job())
    await seal(writer, batch_id)
    await end(writer, *await writer.claim())
    await batching.finalize(writer, batch_id)
    events = await batching.events_of(store, batch_id)
    told = [(event.type.value, event.job_id) for event in events]
    assert told == [
        ("batch_opened", None),
        *(("submitted", one) for one in members),
        ("batch_sealed", None),
        *(("started", one) for one in members),
        *(("completed", one) for one in members),
        ("batch_finalized", None),
    ]
    assert {event.batch_id for event in events} == {batch_id}
    assert [event.seq for event in events] == sorted(event.seq for event in events)
    assert await store.batch_began_at_seq(batch_id) == events[0].seq
    assert {event.job_id for event in await batching.events_of(store, other)} == {None, others[0]}


async def test_a_retry_of_a_member_is_no_member(writer: Writer, store: Store) -> None:
    """A job that an operator makes from a member that ended belongs to no batch."""
    batch_id, claimed = await sealed_batch(writer, 1)
    await end(writer, *claimed, status=Status.FAILED)
    (retry,) = await writer.submit(new_retry(claimed[0].id))
    assert (await writer.row(retry)).batch_id is None
    assert (await batching.summed_up(store, batch_id)).total == 1
    assert (await batch(store, batch_id)).status is BatchStatus.PROCESSING
