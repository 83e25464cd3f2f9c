"""Keys: one unended job a `key`, one job ever an `idempotency_key`."""

from __future__ import annotations

import pytest
from tests.storage.checkers import check_everything
from tests.storage.driving import SECOND, Place, Writer, accepted, finish, new_job, refused

from overseen_storage.answers import Accepted
from overseen_storage.items import CancelWaiting, NewJob, OnConflict, Submission
from overseen_storage.lifecycle import EventType, Reason, Status


def keyed(on_conflict: OnConflict = OnConflict.ATTACH, *, arguments: str = '{"n":1}') -> NewJob:
    return new_job(key="k", on_conflict=on_conflict, arguments=arguments)


def answer_of(job_id: int, *, created: bool) -> tuple[list[int], list[bool]]:
    return [job_id], [created]


async def submit(writer: Writer, job: NewJob) -> tuple[list[int], list[bool]]:
    """Submit one job; its id and whether it was created."""
    done = await writer.commit(submissions=[Submission([job])])
    answer = done.submissions[0]
    assert isinstance(answer, Accepted), answer
    return list(answer.ids), answer.created or [True] * len(answer.ids)


async def test_attach_answers_with_the_job_that_is_there(writer: Writer) -> None:
    """A second submit with the same key creates nothing and gets the first one's id."""
    assert await submit(writer, keyed()) == answer_of(1, created=True)
    height = await writer.store.last_seq()
    assert await submit(writer, keyed(arguments='{"n":2}')) == answer_of(1, created=False)
    assert await writer.store.last_seq() == height
    assert (await writer.row(1)).arguments == '{"n":1}'


async def test_attach_finds_a_running_job(writer: Writer) -> None:
    """A key is taken until its job has ended, running included."""
    claimed = await writer.start(keyed())
    assert await submit(writer, keyed()) == answer_of(claimed.id, created=False)


async def test_attach_works_inside_one_group(writer: Writer) -> None:
    """Two callers that submit the same key at the same moment get the same job."""
    done = await writer.commit(submissions=[Submission([keyed()]), Submission([keyed()])])
    assert accepted(done, 0) == accepted(done, 1) == [1]
    assert len(await writer.rows()) == 1
    assert await writer.types(1) == ["submitted"]


async def test_attach_works_inside_one_submission(writer: Writer) -> None:
    """Two jobs of one unit with the same key are one job, created by the first."""
    done = await writer.commit(submissions=[Submission([keyed(), new_job(), keyed()])])
    answer = done.submissions[0]
    assert isinstance(answer, Accepted)
    assert list(answer.ids) == [1, 2, 1]
    assert answer.created == [True, True, False]


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED])
async def test_a_key_is_free_when_its_job_has_ended(writer: Writer, status: Status) -> None:
    """An ended job does not hold its key."""
    first = await writer.end(status, keyed(OnConflict.REJECT))
    ids, created = await submit(writer, keyed(OnConflict.REJECT))
    assert ids != [first]
    assert created == [True]
    check_everything(await writer.rows(), await writer.ledger())


async def test_a_key_is_free_in_the_group_after_a_cancellation(writer: Writer) -> None:
    """A cancelled job does not hold its key."""
    (first,) = await writer.submit(keyed())
    await writer.commit(cancels=[CancelWaiting(first)])
    assert await submit(writer, keyed()) == answer_of(first + 1, created=True)


async def test_reject_names_the_job_in_the_way(writer: Writer) -> None:
    """A rejected submit is told which job holds the key and where that is in its life."""
    (first,) = await writer.submit(keyed())
    done = await writer.commit(submissions=[Submission([new_job(), keyed(OnConflict.REJECT)])])
    refusal = refused(done)
    assert (refusal.index, refusal.why) == (1, "key")
    assert (refusal.existing_id, refusal.existing_status) == (first, Status.PENDING)
    assert list(await writer.rows()) == [first]


@pytest.mark.parametrize("status", [Status.PENDING, Status.SCHEDULED])
async def test_replace_cancels_the_waiting_one(writer: Writer, status: Status) -> None:
    """Replacing ends the waiting job as `replaced` and creates the new one, in one step."""
    due_at = writer.next + SECOND if status is Status.SCHEDULED else None
    (first,) = await writer.submit(new_job(key="k", status=status, due_at=due_at))
    done = await writer.commit(submissions=[Submission([keyed(OnConflict.REPLACE)])])
    answer = done.submissions[0]
    assert isinstance(answer, Accepted)
    assert (list(answer.ids), answer.replaced) == ([first + 1], [first])
    old = await writer.row(first)
    assert (old.status, old.reason) == (Status.CANCELLED, Reason.REPLACED)
    event = (await writer.store.attempts(first))[-1]
    assert (event.type, event.reason) == (EventType.CANCELLED, Reason.REPLACED)
    assert done.events == 2
    check_everything(await writer.rows(), await writer.ledger())


async def test_replace_without_another_job_just_creates(writer: Writer) -> None:
    """There need not be anything to replace."""
    assert await submit(writer, keyed(OnConflict.REPLACE)) == answer_of(1, created=True)


async def test_replace_does_not_touch_a_running_job(writer: Writer) -> None:
    """A running job is never replaced: the caller is told, and nothing changes."""
    claimed = await writer.start(keyed())
    before = await writer.row(claimed.id)
    done = await writer.commit(submissions=[Submission([keyed(OnConflict.REPLACE)])])
    refusal = refused(done)
    assert (refusal.why, refusal.existing_id) == ("key_running", claimed.id)
    assert refusal.existing_status is Status.RUNNING
    assert await writer.row(claimed.id) == before
    assert done.events == 0


async def test_a_unit_that_is_refused_replaces_nothing(writer: Writer) -> None:
    """When a later job of a unit is refused, what an earlier one replaced is as it was."""
    running = await writer.start(new_job(key="taken", queue="other"))
    (waiting,) = await writer.submit(keyed())
    rows, height = await writer.rows(), await writer.store.last_seq()
    done = await writer.commit(
        submissions=[
            Submission(
                [
                    keyed(OnConflict.REPLACE),
                    new_job(key="taken", on_conflict=OnConflict.REJECT),
                ]
            )
        ]
    )
    refusal = refused(done)
    assert (refusal.index, refusal.existing_id) == (1, running.id)
    assert await writer.rows() == rows
    assert await writer.store.last_seq() == height
    assert rows[waiting].status is Status.PENDING
    await writer.submit(new_job())
    check_everything(await writer.rows(), await writer.ledger())


async def test_a_chain_of_replacements_in_one_group_leaves_the_last(writer: Writer) -> None:
    """Each replacement sees the one before it, also inside a group."""
    (first,) = await writer.submit(keyed())
    done = await writer.commit(
        submissions=[Submission([keyed(OnConflict.REPLACE)]) for _ in range(3)]
    )
    last = accepted(done, 2)
    rows = await writer.rows()
    assert [row.id for row in rows.values() if row.status is Status.PENDING] == last
    assert rows[first].reason is Reason.REPLACED
    assert len(rows) == 4
    check_everything(rows, await writer.ledger())


@pytest.mark.parametrize("policy", list(OnConflict))
async def test_a_key_that_another_kind_holds_is_refused(writer: Writer, policy: OnConflict) -> None:
    """A key never hands out, nor replaces, a job of another kind."""
    (first,) = await writer.submit(new_job("other", key="k"))
    refusal = refused(await writer.commit(submissions=[Submission([keyed(policy)])]))
    assert refusal.why == "key_kind" or (refusal.why, policy) == ("key", OnConflict.REJECT)
    assert refusal.existing_id == first
    assert (await writer.row(first)).status is Status.PENDING


async def test_an_idempotency_key_makes_one_job(writer: Writer) -> None:
    """I18: the same request, sent again, is the same job, even after it has ended."""
    job = new_job(idempotency_key="i")
    claimed = await writer.start(job)
    assert await submit(writer, job) == answer_of(claimed.id, created=False)
    await writer.commit(finishes=[finish(claimed)])
    assert await submit(writer, job) == answer_of(claimed.id, created=False)
    assert await writer.types(claimed.id) == ["submitted", "started", "completed"]


async def test_an_idempotency_key_outlives_a_restart(durable_place: Place) -> None:
    """I18: a request that is sent again to the next life of the program is the same job."""
    job = new_job(idempotency_key="i")
    async with Writer(durable_place.make()) as writer:
        (first,) = await writer.submit(job)
    async with Writer(durable_place.make()) as again:
        assert await submit(again, job) == answer_of(first, created=False)


@pytest.mark.parametrize(
    "other",
    [
        new_job(idempotency_key="i", arguments='{"n":2}'),
        new_job("other", idempotency_key="i"),
    ],
    ids=["arguments", "kind"],
)
async def test_an_idempotency_key_is_not_for_another_request(writer: Writer, other: NewJob) -> None:
    """The same idempotency key with other arguments or another kind is an error."""
    (first,) = await writer.submit(new_job(idempotency_key="i"))
    refusal = refused(await writer.commit(submissions=[Submission([other])]))
    assert (refusal.why, refusal.existing_id) == ("idempotency", first)
    assert list(await writer.rows()) == [first]


async def test_many_keyed_jobs_in_one_group_each_get_theirs(writer: Writer) -> None:
    """Keys in bulk: every new key creates, every known one attaches, answers stay in order."""
    await writer.submit(*[new_job(key=f"k{n}") for n in range(0, 200, 2)])
    done = await writer.commit(submissions=[Submission([new_job(key=f"k{n}")]) for n in range(200)])
    keys = {row.id: row.key for row in (await writer.rows()).values()}
    assert [keys[accepted(done, n)[0]] for n in range(200)] == [f"k{n}" for n in range(200)]
    assert len(keys) == 200
    assert done.events == 100
    check_everything(await writer.rows(), await writer.ledger())
