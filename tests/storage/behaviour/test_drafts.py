"""Drafts: what nobody can start before it is released, and how it is released or given up."""

from __future__ import annotations

import json

import pytest
from tests.storage.checkers import check_everything
from tests.storage.driving import SECOND, Place, Writer, new_job, refused
from tests.storage.filing import HOUR, attach, draft, give, new_draft, order, release, released

from overseen_storage.answers import Deadlines, Missed
from overseen_storage.items import (
    CancelWaiting,
    ChangeWaiting,
    ClaimFrom,
    Expire,
    MakeDue,
    NewJob,
    OnConflict,
    RequestCancel,
    Submission,
)
from overseen_storage.lifecycle import Cause, EventType, Reason, Status
from overseen_storage.orders import Declined, KeepDraft, Obeyed, Order

WALL = 2_000_000_000_000_000


async def test_a_draft_is_never_claimed_before_it_is_released(writer: Writer) -> None:
    """Upload jobs: whatever else is claimed, a draft is not; once released it is, with its
    files counted."""
    job_id = await draft(writer, "input")
    assert await writer.claim() == []
    assert not (await writer.store.ready_queues())
    await order(writer, release(job_id, "input"))
    (claimed,) = await writer.claim()
    assert (claimed.id, claimed.fence, claimed.attachments) == (job_id, 1, 1)
    check_everything(await writer.rows(), await writer.ledger())


async def test_a_draft_without_files_is_claimed_with_none(writer: Writer) -> None:
    """A job that was given no file starts with none."""
    await released(writer)
    await writer.submit(new_job())
    assert [one.attachments for one in await writer.claim()] == [0, 0]


async def test_release_is_one_move(writer: Writer) -> None:
    """The job is pending from the stamp of its event on, waits as long as it may, and its answer
    names the queue; no second release follows."""
    job = new_job(queue="media", queue_timeout_us=7 * SECOND)
    job_id = await draft(writer, job=job)
    answers = await order(writer, release(job_id), release(job_id))
    assert answers == [
        Obeyed(status=Status.PENDING, queue="media"),
        Declined(why="not_draft", status=Status.PENDING),
    ]
    row, event = await writer.row(job_id), (await writer.store.attempts(job_id))[-1]
    assert (event.type, event.status, event.cause) == (
        EventType.READY,
        Status.PENDING,
        Cause.CALLER,
    )
    assert (row.status, row.ready_at) == (Status.PENDING, event.at)
    assert row.expires_at == event.at + 7 * SECOND
    assert (row.reason, row.cause) == (None, Cause.CALLER)


async def test_a_draft_is_attached_released_and_claimed_in_one_group(writer: Writer) -> None:
    """Orders are carried out in their order, and claims see what they did."""
    (job_id,) = await writer.submit(new_draft())
    done = await writer.commit(
        orders=[attach(job_id, "a"), release(job_id, "a")], claims=[ClaimFrom("main", 1)]
    )
    assert [(one.id, one.attachments) for one in done.claimed] == [(job_id, 1)]
    types = [event.type for event in (await writer.ledger())[-3:]]
    assert types == [EventType.ATTACHED, EventType.READY, EventType.STARTED]
    check_everything(await writer.rows(), await writer.ledger())


async def test_ready_lists_the_files(writer: Writer) -> None:
    """The event of the release has name, size and digest of every file, and a list when there is
    none, too."""
    some, none = await draft(writer, "b", "a"), await draft(writer)
    await order(writer, release(some), release(none))
    told = [(await writer.store.attempts(job_id))[-1].data for job_id in (some, none)]
    kept = [
        {"name": one.name, "size_bytes": one.size_bytes, "digest": one.digest}
        for one in await writer.store.attachments(some)
    ]
    assert [json.loads(data or "") for data in told] == [
        {"attachments": kept},
        {"attachments": []},
    ]
    assert [one["name"] for one in kept] == ["a", "b"]


@pytest.mark.parametrize(
    ("due_seconds", "due_wall_seconds", "status"),
    [
        (None, None, Status.PENDING),
        (10, None, Status.SCHEDULED),
        (-10, None, Status.PENDING),
        (None, 10, Status.SCHEDULED),
        (None, -10, Status.PENDING),
        (None, 0, Status.PENDING),
        (10, 10, Status.SCHEDULED),
        (-10, 10, Status.PENDING),
        (10, -10, Status.PENDING),
        (-10, -10, Status.PENDING),
    ],
)
async def test_a_draft_with_a_time_waits_for_it(
    writer: Writer, due_seconds: int | None, due_wall_seconds: int | None, status: Status
) -> None:
    """Released before the earlier of its times it is scheduled, else pending; it becomes due as
    any other."""
    due_at = None if due_seconds is None else writer.next + due_seconds * SECOND
    due_wall_at = None if due_wall_seconds is None else WALL + due_wall_seconds * SECOND
    job_id = await draft(writer, job=new_job(due_at=due_at, due_wall_at=due_wall_at))
    assert (await writer.commit(make_due=MakeDue(10**17, 10**17, 9))).made_due == {}
    (answer,) = await order(writer, release(job_id, now_wall=WALL))
    row = await writer.row(job_id)
    assert isinstance(answer, Obeyed)
    assert (answer.status, row.status, row.expires_at) == (status, status, None)
    if status is Status.PENDING:
        assert (answer.queue, row.due_at, row.due_wall_at) == ("main", None, None)
    else:
        assert (answer.queue, row.due_at, row.due_wall_at) == (None, due_at, due_wall_at)
        assert row.ready_at is None
        done = await writer.commit(make_due=MakeDue(due_at or 0, due_wall_at or 0, 9))
        assert done.made_due == {"main": 1}
    check_everything(await writer.rows(), await writer.ledger())


async def test_a_time_that_is_now_has_come(writer: Writer) -> None:
    """`due_at` is compared with the stamp of the release: equal is due."""
    on_time, early = await writer.submit(
        new_draft(new_job(due_at=writer.next + 2)), new_draft(new_job(due_at=writer.next + 4))
    )
    answers = await order(writer, release(on_time), release(early))
    assert [one.status for one in answers] == [Status.PENDING, Status.SCHEDULED]


async def test_nothing_is_released_while_files_are_missing(writer: Writer) -> None:
    """The answer names every one that is missing, and nothing has changed."""
    job_id = await draft(writer, "b")
    before, height = await writer.row(job_id), await writer.store.last_seq()
    answers = await order(writer, release(job_id, "c", "b", "a"))
    assert answers == [Declined(why="missing", status=Status.DRAFT, missing=("c", "a"))]
    assert await writer.row(job_id) == before
    assert await writer.store.last_seq() == height


async def test_an_operator_can_release(writer: Writer) -> None:
    """Who released it is told on row and ledger, and an operator's doing has its reason."""
    job_id = await draft(writer)
    await order(writer, release(job_id, cause=Cause.OPERATOR))
    row, event = await writer.row(job_id), (await writer.store.attempts(job_id))[-1]
    assert (row.cause, row.reason) == (event.cause, event.reason)
    assert (row.cause, row.reason) == (Cause.OPERATOR, Reason.OPERATOR)


async def one_of_each(writer: Writer) -> dict[Status, int]:
    """A job in each status but draft."""
    ids = {
        Status.COMPLETED: await writer.end(),
        Status.FAILED: await writer.end(Status.FAILED),
        Status.CANCELLED: await draft(writer, "file"),
        Status.RUNNING: (await writer.start()).id,
        Status.CANCELLING: (await writer.start()).id,
    }
    await writer.commit(
        cancels=[CancelWaiting(ids[Status.CANCELLED])],
        cancel_requests=[RequestCancel(ids[Status.CANCELLING], 1)],
    )
    far = writer.next + HOUR
    ids[Status.PENDING], ids[Status.SCHEDULED] = await writer.submit(
        new_job(), new_job(status=Status.SCHEDULED, due_at=far)
    )
    return ids


@pytest.mark.parametrize("verb", ["attach", "keep", "release"])
async def test_only_drafts_obey(writer: Writer, verb: str) -> None:
    """A job in any other status, and one that does not exist, declines with what it is; nothing
    changes, and the orders beside it are carried out."""

    def give_to(job_id: int) -> Order:
        orders: dict[str, Order] = {
            "attach": attach(job_id, "late", "late"),
            "keep": KeepDraft(job_id, 10**17),
            "release": release(job_id),
        }
        return orders[verb]

    ids = await one_of_each(writer)
    good = await draft(writer)
    before, height = await writer.rows(), await writer.store.last_seq()
    wrong = [*ids.values(), 999, -1, 2**80]
    done = await give(writer, *map(give_to, wrong), give_to(good))
    reasons = [before[job_id].reason for job_id in ids.values()]
    assert done.orders[: len(ids)] == [
        Declined(why="not_draft", status=status, reason=reason)
        for status, reason in zip(ids, reasons, strict=True)
    ]
    assert done.orders[len(ids) : -1] == [Declined(why="no_job")] * 3
    assert isinstance(done.orders[-1], Obeyed)
    after = await writer.rows()
    assert {job_id: after[job_id] for job_id in ids.values()} == {
        job_id: before[job_id] for job_id in ids.values()
    }
    assert await writer.store.last_seq() - height == done.events == (verb != "keep")
    assert not await writer.store.attachments(ids[Status.CANCELLED])


async def test_a_draft_has_a_priority_to_change(writer: Writer) -> None:
    """An operator's new priority holds after the release; the draft expires when it did."""
    job_id = await draft(writer)
    await writer.submit(new_job())
    expires_at = (await writer.row(job_id)).expires_at
    await writer.commit(changes=[ChangeWaiting(job_id, priority=9)])
    assert (await writer.row(job_id)).expires_at == expires_at
    await order(writer, release(job_id))
    assert [one.id for one in await writer.claim(limit=1)] == [job_id]


async def test_a_draft_outlives_a_crash(durable_place: Place) -> None:
    """Everything that was acknowledged is there in the next life: it goes on, or expires."""
    first = Writer(durable_place.make())
    await first.open()
    goes_on, abandoned = await draft(first, "a"), await draft(first, "b")
    before = await first.rows(), await first.store.attachments(goes_on)
    await first.crash()
    async with Writer(durable_place.make(), wall=first.next) as second:
        assert (await second.rows(), await second.store.attachments(goes_on)) == before
        await order(second, attach(goes_on, "c"), release(goes_on, "a", "c"))
        done = await second.commit(expire=Expire(10**17, 9))
        assert (done.expired_drafts, done.freed_files) == ([abandoned], [f"{abandoned}-b"])
        assert [one.attachments for one in await second.claim()] == [2]
        check_everything(await second.rows(), await second.ledger())


async def test_a_release_that_was_not_acknowledged_did_not_happen(durable_place: Place) -> None:
    """A crash between attaching and releasing leaves a draft that nobody starts."""
    first = Writer(durable_place.make())
    await first.open()
    job_id = await draft(first, "a")
    await first.crash()
    async with Writer(durable_place.make(), wall=first.next) as second:
        assert second.opened is not None
        assert second.opened.live == 0
        assert await second.claim() == []
        assert (await second.row(job_id)).status is Status.DRAFT


def drafted_for_later() -> NewJob:
    """A draft that would be due at once."""
    return new_draft(new_job(due_at=1, due_wall_at=1))


async def test_the_scheduler_leaves_drafts_alone(writer: Writer) -> None:
    """A draft's time may come before its release: nothing is due, nothing is promoted."""
    (job_id,) = await writer.submit(drafted_for_later())
    assert await writer.store.deadlines() == Deadlines()
    done = await writer.commit(
        make_due=MakeDue(10**17, 10**17, 9), changes=[ChangeWaiting(job_id, promote=True)]
    )
    assert (done.events, done.made_due) == (0, {})
    assert done.missed_changes == {0: Missed(job_id, Status.DRAFT, 0)}


def keyed_draft(policy: OnConflict = OnConflict.ATTACH, arguments: str = "{}") -> NewJob:
    """A draft with both keys."""
    return new_draft(new_job(key="k", idempotency_key="i", on_conflict=policy, arguments=arguments))


async def test_a_draft_holds_both_keys(writer: Writer) -> None:
    """Another submit of the same request gets the draft, another request is refused; released
    it is still the holder, discarded it frees the key but not the idempotency key."""
    (job_id,) = await writer.submit(keyed_draft())
    assert await writer.submit(keyed_draft()) == [job_id]
    assert await writer.submit(new_job(key="k")) == [job_id]
    done = await writer.commit(
        submissions=[
            Submission([keyed_draft(arguments='{"n":2}')]),
            Submission([new_job(key="k", on_conflict=OnConflict.REJECT)]),
        ]
    )
    assert [refused(done, index).why for index in (0, 1)] == ["idempotency", "key"]
    assert refused(done, 1).existing_status is Status.DRAFT
    await order(writer, release(job_id))
    assert await writer.submit(new_job(key="k")) == [job_id]
    await writer.commit(cancels=[CancelWaiting(job_id)])
    assert await writer.submit(new_job(key="k")) == [job_id + 1]
    assert await writer.submit(keyed_draft()) == [job_id]
