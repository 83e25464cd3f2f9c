"""The ledger: one row for everything that happened, in order, enough to replay the rows."""

from __future__ import annotations

import msgspec
import pytest
from tests.storage.checkers import Broken, check_everything, check_ledger, histories
from tests.storage.driving import SECOND, Place, Writer, finish, new_job

from overseen_storage.items import (
    CancelWaiting,
    ChangeWaiting,
    ClaimFrom,
    Expire,
    Finish,
    MakeDue,
    PutBack,
    RequestCancel,
    Submission,
)
from overseen_storage.lifecycle import MOVES, EventType, Move, Reason, Status, event_of

NOT_YET = frozenset({Move.RELEASE, Move.RELEASE_LATER})
"""Drafts are released by a part of the contract that comes with them."""


async def live_through_everything(writer: Writer) -> None:
    """Make every move there is a way to ask for."""
    later = writer.next + 1_000 * SECOND
    ids = await writer.submit(
        *[new_job() for _ in range(10)],
        *[new_job(status=Status.SCHEDULED, due_at=later + n) for n in range(3)],
        new_job(status=Status.DRAFT),
        new_job(queue_timeout_us=SECOND, queue="full"),
        new_job(queue="spare"),
    )
    delayed, promoted, discarded, draft, _, spare = ids[10:]
    claimed = await writer.claim(limit=10)
    await writer.commit(
        finishes=[finish(claimed[0]), finish(claimed[1], Status.FAILED)],
        put_backs=[
            *[
                PutBack(one, 1, Status.RETRYING, Reason.ERROR, due_at=later, failures=1)
                for one in ids[2:5]
            ],
            PutBack(ids[5], 1, Status.SCHEDULED, Reason.SNOOZED, due_at=later, snoozes=1),
            PutBack(ids[6], 1, Status.PENDING, Reason.SHUTDOWN, interruptions=1),
        ],
        cancel_requests=[RequestCancel(one, 1) for one in ids[7:10]],
    )
    await writer.commit(
        finishes=[
            finish(claimed[7]),
            finish(claimed[8], Status.FAILED),
            Finish(ids[9], 1, Status.CANCELLED, reason=Reason.REQUESTED),
        ],
        cancels=[CancelWaiting(one) for one in (ids[2], discarded, draft, spare)],
        changes=[ChangeWaiting(one, promote=True) for one in (ids[3], promoted)],
    )
    writer.next = later + SECOND
    done = await writer.commit(
        make_due=MakeDue(now=writer.next, now_wall=0, limit=10),
        expire=Expire(writer.next, limit=10),
        claims=[ClaimFrom("main", 10)],
    )
    assert {one.id for one in done.claimed} == {*ids[3:7], delayed, promoted}


async def test_every_move_is_an_event_and_the_ledger_replays_to_the_rows(writer: Writer) -> None:
    """I1-I6, I22-I24: after every kind of move, rows and ledger tell the same story."""
    await live_through_everything(writer)
    check_everything(await writer.rows(), await writer.ledger())


async def test_the_event_of_each_move_is_the_one_of_the_lifecycle(writer: Writer) -> None:
    """Every step of the table that can be asked for shows on the ledger with its own event."""
    await live_through_everything(writer)
    steps: set[tuple[Status | None, EventType, Status]] = set()
    for history in histories(await writer.ledger()).values():
        before: Status | None = None
        for event in history:
            if event.status is not None:
                steps.add((before, event.type, event.status))
                before = event.status
    askable = {
        (source, event_of(move), target)
        for (source, move), target in MOVES.items()
        if move not in NOT_YET
    }
    assert steps == askable


async def test_events_carry_their_jobs_names(writer: Writer) -> None:
    """Each event of a job names kind and queue, so that nobody needs the row to read it."""
    await writer.submit(new_job("a", "x"), new_job("b", "y"))
    done = await writer.commit(claims=[ClaimFrom("x", 1), ClaimFrom("y", 1)])
    await writer.commit(finishes=[finish(one) for one in done.claimed])
    named = {(event.job_id, event.kind, event.queue) for event in await writer.ledger()}
    assert named == {(None, None, None), (1, "a", "x"), (2, "b", "y")}


async def test_a_group_without_a_winner_leaves_no_trace(writer: Writer) -> None:
    """Moves whose guard did not hold write nothing: no row, no event, no gap in the seqs."""
    job_id = await writer.end()
    height = await writer.store.last_seq()
    for _ in range(3):
        done = await writer.commit(
            finishes=[Finish(job_id, 1, Status.FAILED, reason=Reason.ERROR)],
            cancels=[CancelWaiting(job_id)],
        )
        assert (done.first_seq, done.events) == (height + 1, 0)
    await writer.submit(new_job())
    check_ledger(await writer.ledger())


async def test_a_refused_unit_leaves_no_gap(writer: Writer) -> None:
    """I23: what is rolled back uses up no seq; the next events follow without a gap."""
    bad = new_job(status=Status.FAILED)
    for _ in range(3):
        await writer.commit(submissions=[Submission([new_job(), bad]), Submission([new_job()])])
    check_everything(await writer.rows(), await writer.ledger())


async def test_seqs_and_stamps_go_on_over_restarts(durable_place: Place) -> None:
    """I23, I24: the ledger of many lives is one ledger."""
    for _ in range(3):
        async with Writer(durable_place.make()) as writer:
            await live_through_a_little(writer)
    async with Writer(durable_place.make()) as writer:
        ledger = await writer.ledger()
        check_everything(await writer.rows(), ledger)
        assert [event.type.value for event in ledger].count("epoch_started") == 4
        assert [event.type.value for event in ledger].count("epoch_stopped") == 3


async def live_through_a_little(writer: Writer) -> None:
    await writer.submit(new_job())
    claimed = await writer.claim()
    await writer.commit(finishes=[finish(one) for one in claimed])


@pytest.mark.parametrize("fault", ["gap", "stamp", "second end", "no event", "fence", "row"])
async def test_the_checkers_see_a_planted_fault(writer: Writer, fault: str) -> None:
    """A check that cannot fail proves nothing: each planted fault is found."""
    await live_through_a_little(writer)
    rows, ledger = await writer.rows(), await writer.ledger()
    check_everything(rows, ledger)
    last = ledger[-1]
    if fault == "gap":
        del ledger[1]
    elif fault == "stamp":
        ledger[-1] = msgspec.structs.replace(last, at=ledger[-2].at)
    elif fault == "second end":
        ledger.append(msgspec.structs.replace(last, seq=last.seq + 1, at=last.at + 1))
    elif fault == "no event":
        del ledger[-1]
    elif fault == "fence":
        ledger[-1] = msgspec.structs.replace(last, fence=2)
    else:
        rows[1] = msgspec.structs.replace(rows[1], warnings=1)
    with pytest.raises(Broken):
        check_everything(rows, ledger)
