"""Creating jobs: ids in order, units that are accepted or refused as a whole."""

from __future__ import annotations

import pytest
from tests.storage.checkers import check_everything
from tests.storage.driving import SECOND, Writer, accepted, new_job, refused

from overseen_storage.items import NewJob, Submission
from overseen_storage.lifecycle import Cause, EventType, Status

BEGINNINGS = {
    Status.PENDING: EventType.SUBMITTED,
    Status.SCHEDULED: EventType.SCHEDULED,
    Status.DRAFT: EventType.DRAFTED,
}


async def test_ids_count_up_in_order_of_submission(writer: Writer) -> None:
    """Ids are small integers from 1, in the order of the group's submissions and their jobs."""
    done = await writer.commit(
        submissions=[
            Submission([new_job("a"), new_job("b")]),
            Submission([new_job("c")]),
            Submission([new_job("d"), new_job("e")]),
        ]
    )
    assert [accepted(done, index) for index in range(3)] == [[1, 2], [3], [4, 5]]
    assert [row.kind for row in (await writer.rows()).values()] == ["a", "b", "c", "d", "e"]
    assert await writer.submit(new_job()) == [6]


async def test_every_field_is_kept_as_given(writer: Writer) -> None:
    """A row holds exactly what was submitted, text unchanged."""
    (parent,) = await writer.submit(new_job())
    new = NewJob(
        kind="mail.send",
        queue="mail",
        priority=7,
        status=Status.SCHEDULED,
        arguments='{"to": "zoë@example.org",  "n": 1.0, "t": true, "emoji": "\N{GRINNING FACE}"}',
        retries=4,
        losses_allowed=2,
        due_at=writer.next + SECOND,
        due_wall_at=writer.next + 2 * SECOND,
        timeout_us=11,
        heartbeat_us=12,
        grace_us=13,
        queue_timeout_us=14,
        key="k",
        idempotency_key="i",
        labels='{"user":"7"}',
        headers='{"traceparent":"00-1"}',
        parent_id=parent,
        retried_from=parent,
        checkpoint='{"at":3}',
    )
    (job_id,) = await writer.submit(new)
    row = await writer.row(job_id)
    for name in NewJob.__struct_fields__:
        if name not in {"on_conflict", "batch_id"}:
            assert getattr(row, name) == getattr(new, name), name
    assert (row.fence, row.failures, row.losses, row.snoozes, row.warnings) == (0, 0, 0, 0, 0)
    assert row.started_at is None
    assert row.completed_at is None
    assert row.epoch is None


@pytest.mark.parametrize("status", list(BEGINNINGS))
async def test_each_beginning_has_its_event(writer: Writer, status: Status) -> None:
    """A job begins as pending, scheduled or draft, and its first event says which, when and who."""
    due_at = writer.next + SECOND if status is Status.SCHEDULED else None
    at = writer.next
    done = await writer.commit(
        submissions=[Submission([new_job(status=status, due_at=due_at)], Cause.OPERATOR)]
    )
    (job_id,) = accepted(done)
    (event,) = await writer.store.attempts(job_id)
    row = await writer.row(job_id)
    assert (event.type, event.status, event.cause) == (
        BEGINNINGS[status],
        status,
        Cause.OPERATOR,
    )
    assert (event.kind, event.queue, event.seq) == ("work", "main", done.first_seq)
    assert row.created_at == event.at >= at
    assert row.ready_at == (event.at if status is Status.PENDING else None)
    assert (row.status, row.cause, row.reason) == (status, Cause.OPERATOR, None)


async def test_the_wait_of_a_pending_job_is_limited_from_its_entry(writer: Writer) -> None:
    """`expires_at` is the entry to pending plus the limit; others have none yet."""
    pending, scheduled = await writer.submit(
        new_job(queue_timeout_us=SECOND),
        new_job(queue_timeout_us=SECOND, status=Status.SCHEDULED, due_at=writer.next + SECOND),
    )
    row = await writer.row(pending)
    assert row.ready_at is not None
    assert row.expires_at == row.ready_at + SECOND
    assert (await writer.row(scheduled)).expires_at is None


async def test_stamps_of_a_group_come_from_its_block(writer: Writer) -> None:
    """A group's events are stamped within the stamps reserved for it, one each."""
    at = writer.next
    done = await writer.commit(
        submissions=[Submission([new_job(), new_job()]), Submission([new_job()])]
    )
    stamps = [event.at for event in (await writer.ledger())[-done.events :]]
    assert done.events == 3
    assert stamps == sorted(set(stamps))
    assert at <= stamps[0]
    assert stamps[-1] == done.last_stamp < at + 3 * 2 + 1


async def test_a_refused_job_takes_its_submission_with_it(writer: Writer) -> None:
    """Jobs that are submitted together are created together or not at all; others are not hurt."""
    done = await writer.commit(
        submissions=[
            Submission([new_job("before")]),
            Submission([new_job("one"), new_job("bad", status=Status.COMPLETED), new_job("two")]),
            Submission([new_job("after")]),
        ]
    )
    refusal = refused(done, 1)
    assert (refusal.index, refusal.why) == (1, "row")
    assert refusal.message
    (before,), (after,) = accepted(done, 0), accepted(done, 2)
    rows = await writer.rows()
    assert {row.id: row.kind for row in rows.values()} == {before: "before", after: "after"}
    check_everything(rows, await writer.ledger())


async def test_an_empty_submission_is_accepted(writer: Writer) -> None:
    """No jobs is a valid number of jobs."""
    done = await writer.commit(submissions=[Submission([]), Submission([new_job()])])
    assert accepted(done, 0) == []
    assert len(accepted(done, 1)) == 1


async def test_ten_thousand_jobs_are_one_submission(writer: Writer) -> None:
    """The largest submission the face allows is created as one, ids and order kept."""
    jobs = [new_job("bulk", arguments=f'{{"n":{n}}}') for n in range(10_000)]
    done = await writer.commit(submissions=[Submission(jobs)])
    ids = accepted(done)
    assert ids == list(range(1, 10_001))
    assert done.events == 10_000
    for n in (0, 4_999, 9_999):
        assert (await writer.row(ids[n])).arguments == f'{{"n":{n}}}'
    assert await writer.store.last_seq() == done.first_seq + 9_999


@pytest.mark.parametrize("kibibytes", [15, 16, 17, 1024])
async def test_arguments_of_any_allowed_size_are_kept(writer: Writer, kibibytes: int) -> None:
    """Large and small arguments in one group come back unchanged, from the row and from a claim."""
    large = '{"text":"' + "é" * (kibibytes * 512) + '"}'
    first, middle, last = await writer.submit(
        new_job(arguments='{"n":1}'), new_job(arguments=large), new_job(arguments='{"n":3}')
    )
    assert (await writer.row(middle)).arguments == large
    claimed = {one.id: one.arguments for one in await writer.claim()}
    assert claimed == {first: '{"n":1}', middle: large, last: '{"n":3}'}


async def test_the_group_says_where_its_events_begin_and_how_many(writer: Writer) -> None:
    """`first_seq` and `events` are exact: what follows `first_seq - 1` is the group's work."""
    for count in (1, 3, 2):
        height = await writer.store.last_seq()
        done = await writer.commit(submissions=[Submission([new_job() for _ in range(count)])])
        assert (done.first_seq, done.events) == (height + 1, count)
        page = await writer.store.events(after=done.first_seq - 1, limit=100)
        assert [event.seq for event in page.events] == list(range(height + 1, height + 1 + count))
