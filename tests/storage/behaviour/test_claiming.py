"""Claiming: who goes first, how many, and what a started job looks like."""

from __future__ import annotations

from tests.storage.checkers import check_everything
from tests.storage.driving import SECOND, Writer, accepted, finish, new_job

from overseen_storage.answers import Claimed
from overseen_storage.items import (
    ChangeWaiting,
    ClaimFrom,
    MakeDue,
    NewJob,
    PutBack,
    SetQueue,
    Submission,
)
from overseen_storage.lifecycle import Cause, EventType, Held, Reason, Status
from overseen_storage.records import JobRecord


def ids_of(claimed: list[Claimed]) -> list[int]:
    return [one.id for one in claimed]


async def test_higher_priority_goes_first_then_the_older(writer: Writer) -> None:
    """Claims go by priority, highest first, then by the time a job became ready."""
    low, high, normal, high_later = await writer.submit(
        new_job(priority=-5), new_job(priority=9), new_job(), new_job(priority=9)
    )
    assert ids_of(await writer.claim(limit=3)) == [high, high_later, normal]
    assert ids_of(await writer.claim(limit=3)) == [low]


async def test_an_interrupted_job_is_ahead_of_those_that_waited_behind_it(writer: Writer) -> None:
    """A job that kept its `ready_at` goes before jobs that became ready after it."""
    first, second, third = await writer.submit(new_job(), new_job(), new_job())
    interrupted, retried = await writer.claim(limit=2)
    await writer.commit(
        put_backs=[
            PutBack(retried.id, 1, Status.PENDING, Reason.LOST, keep_ready_at=False, losses=1),
            PutBack(interrupted.id, 1, Status.PENDING, Reason.SHUTDOWN, interruptions=1),
        ]
    )
    assert (interrupted.id, retried.id) == (first, second)
    assert ids_of(await writer.claim()) == [first, third, second]


async def test_equal_jobs_go_by_id(writer: Writer) -> None:
    """Jobs that became ready together keep the order of their submission."""
    ids = await writer.submit(*[new_job() for _ in range(50)])
    assert ids_of(await writer.claim(limit=20)) == ids[:20]
    assert ids_of(await writer.claim(limit=100)) == ids[20:]


async def test_a_claimed_job_is_running_with_the_next_fence(writer: Writer) -> None:
    """A claim writes status, fence, epoch, both start stamps and a `started` event."""
    (job_id,) = await writer.submit(new_job())
    (claimed,) = await writer.claim()
    row = await writer.row(job_id)
    event = (await writer.store.attempts(job_id))[-1]
    assert (row.status, row.fence, row.epoch) == (Status.RUNNING, 1, writer.epoch)
    assert row.started_at == row.attempt_started_at == event.at == claimed.attempt_started_at
    assert (event.type, event.status, event.fence) == (EventType.STARTED, Status.RUNNING, 1)
    assert (event.cause, row.cause, row.reason) == (Cause.SUPERVISOR, Cause.SUPERVISOR, None)


async def test_a_claim_brings_everything_its_attempt_needs(writer: Writer) -> None:
    """What comes back with a claim is what the row says."""
    await writer.submit(
        NewJob(
            kind="mail",
            queue="main",
            priority=3,
            arguments='{"to":"a"}',
            retries=2,
            losses_allowed=1,
            timeout_us=10 * SECOND,
            heartbeat_us=SECOND,
            grace_us=SECOND,
            labels='{"user":"7"}',
            headers='{"trace":"x"}',
            checkpoint='{"at":1}',
        )
    )
    (claimed,) = await writer.claim()
    row = await writer.row(claimed.id)
    for name in Claimed.__struct_fields__:
        assert getattr(claimed, name) == getattr(row, name), name


async def test_the_deadline_is_the_jobs_own_or_its_kinds(writer: Writer) -> None:
    """`deadline_at` counts from this attempt's start; a job's own limit goes before its kind's."""
    own, of_kind, none = await writer.submit(
        new_job("slow", timeout_us=2 * SECOND), new_job("slow"), new_job("free")
    )
    done = await writer.commit(claims=[ClaimFrom("main", 9)], timeouts_us={"slow": 7 * SECOND})
    deadlines = {one.id: (await writer.row(one.id)).deadline_at for one in done.claimed}
    waits = {
        one.id: deadline - one.attempt_started_at if (deadline := deadlines[one.id]) else None
        for one in done.claimed
    }
    assert waits == {own: 2 * SECOND, of_kind: 7 * SECOND, none: None}


async def test_a_claim_sees_its_own_group(writer: Writer) -> None:
    """Jobs submitted, made due, released or put back in a group can be claimed by it."""
    held = await writer.start()
    await writer.commit(
        put_backs=[
            PutBack(held.id, 1, Status.PENDING, Reason.LOST, held=Held.LOST, losses=1),
        ]
    )
    (due,) = await writer.submit(new_job(status=Status.SCHEDULED, due_at=writer.next))
    running = await writer.start(new_job(queue="other"))
    done = await writer.commit(
        submissions=[Submission([new_job()])],
        put_backs=[PutBack(running.id, 1, Status.PENDING, Reason.SHUTDOWN, interruptions=1)],
        changes=[ChangeWaiting(held.id, release_hold=True)],
        make_due=MakeDue(now=writer.next, now_wall=0, limit=10),
        claims=[ClaimFrom("main", 10), ClaimFrom("other", 10)],
    )
    (new,) = accepted(done)
    assert sorted(ids_of(done.claimed)) == sorted([held.id, due, running.id, new])
    check_everything(await writer.rows(), await writer.ledger())


async def test_a_group_never_starts_what_is_not_pending(writer: Writer) -> None:
    """Drafts, delayed, held, running and ended jobs are invisible to claiming."""
    await writer.end()
    await writer.start()
    held = await writer.start()
    await writer.commit(
        put_backs=[PutBack(held.id, 1, Status.PENDING, Reason.LOST, held=Held.LOST, losses=1)]
    )
    await writer.submit(
        new_job(status=Status.DRAFT),
        new_job(status=Status.SCHEDULED, due_at=writer.next),
    )
    assert await writer.claim() == []


async def test_each_queue_has_its_own_limit(writer: Writer) -> None:
    """A claim takes no more of a queue than it asked for, and nothing of queues not named."""
    await writer.submit(
        *[new_job(queue=queue) for queue in ("a", "b", "c") for _ in range(4)],
    )
    done = await writer.commit(claims=[ClaimFrom("a", 1), ClaimFrom("b", 3)])
    queues = [one.queue for one in done.claimed]
    assert (queues.count("a"), queues.count("b"), queues.count("c")) == (1, 3, 0)


async def test_across_queues_the_highest_priority_then_the_oldest(writer: Writer) -> None:
    """Under the common limit, queues compete: priority, then `ready_at`, then id."""
    ids = await writer.submit(
        new_job(queue="a"),
        new_job(queue="b", priority=1),
        new_job(queue="a", priority=2),
        new_job(queue="b"),
        new_job(queue="c", priority=1),
    )
    everywhere = [ClaimFrom(queue, 10) for queue in ("a", "b", "c")]
    done = await writer.commit(claims=everywhere, claim_limit=4)
    assert ids_of(done.claimed) == [ids[2], ids[1], ids[4], ids[0]]
    done = await writer.commit(claims=everywhere, claim_limit=4)
    assert ids_of(done.claimed) == [ids[3]]


async def test_nothing_is_claimed_without_a_limit(writer: Writer) -> None:
    """A limit of zero, of a queue or of all, claims nothing."""
    await writer.submit(new_job())
    assert (await writer.commit(claims=[ClaimFrom("main", 5)], claim_limit=0)).claimed == []
    assert (await writer.commit(claims=[ClaimFrom("main", 0)], claim_limit=5)).claimed == []


async def test_a_paused_queue_is_the_supervisors_business(writer: Writer) -> None:
    """The store claims what it is asked for: it is the asking that a pause stops."""
    (job_id,) = await writer.submit(new_job())
    await writer.commit(queues=[SetQueue("main", True)])
    assert ids_of(await writer.claim()) == [job_id]


async def test_short_queues_are_those_that_are_empty_now(writer: Writer) -> None:
    """A queue that gave less than it was asked for is named; one that has more is not."""
    await writer.submit(*[new_job(queue=queue) for queue in ("a", "a", "a", "b", "b", "c")])
    done = await writer.commit(
        claims=[ClaimFrom("a", 2), ClaimFrom("b", 5), ClaimFrom("c", 2), ClaimFrom("none", 1)]
    )
    assert sorted(done.short_queues) == ["b", "c", "none"]
    assert await writer.store.ready_queues() == ["a"]


async def test_a_queue_cut_short_by_the_common_limit_is_not_short(writer: Writer) -> None:
    """A queue that still holds claimable jobs is never called short: it would be forgotten."""
    await writer.submit(*[new_job(queue=queue) for queue in ("a", "a", "b")])
    done = await writer.commit(claims=[ClaimFrom("a", 9), ClaimFrom("b", 9)], claim_limit=2)
    assert len(done.claimed) == 2
    assert not set(done.short_queues) & set(await writer.store.ready_queues())


async def test_unknown_kinds_are_parked_and_the_claim_goes_on(writer: Writer) -> None:
    """A kind this program does not know is held, on the ledger, and does not block the others."""
    strange, known, stranger = await writer.submit(
        new_job("gone"), new_job("work"), new_job("gone too")
    )
    done = await writer.commit(claims=[ClaimFrom("main", 10)], kinds=frozenset({"work"}))
    assert ids_of(done.claimed) == [known]
    assert done.held == 2
    for job_id in (strange, stranger):
        row = await writer.row(job_id)
        assert (row.status, row.held, row.fence) == (Status.PENDING, Held.UNREGISTERED, 0)
        event = (await writer.store.attempts(job_id))[-1]
        assert (event.type, event.status) == (EventType.HELD, None)
    assert await writer.claim() == []
    check_everything(await writer.rows(), await writer.ledger())


async def test_a_claim_gets_past_a_front_of_unknown_kinds(writer: Writer) -> None:
    """However many unknown jobs wait in front, repeated claims reach the known one behind them."""
    await writer.submit(*[new_job("gone", priority=5) for _ in range(30)])
    (known,) = await writer.submit(new_job("work"))
    claimed: list[int] = []
    for _ in range(31):
        done = await writer.commit(
            claims=[ClaimFrom("main", 1)], claim_limit=1, kinds=frozenset({"work"})
        )
        claimed += ids_of(done.claimed)
        if claimed:
            break
        assert not done.short_queues, "the queue would be forgotten with a job in it"
    assert claimed == [known]


async def test_holds_of_a_kind_are_released_when_it_comes_back(writer: Writer) -> None:
    """Jobs parked as unregistered run again once a program knows their kind, in their old order."""
    ids = await writer.submit(*[new_job(kind) for kind in ("b", "a", "a", "a")])
    await writer.commit(claims=[ClaimFrom("main", 10)], kinds=frozenset[str]())
    before = await writer.rows()
    at = writer.next
    writer.next += 10
    assert await writer.store.release_holds(at=at, kinds=["a", "c"], limit=2) == 2
    assert await writer.store.release_holds(at=at + 2, kinds=["a", "c"], limit=2) == 1
    assert await writer.store.release_holds(at=at + 3, kinds=["a", "c"], limit=2) == 0
    assert await writer.types(ids[1]) == ["submitted", "held", "unheld"]
    assert (await writer.row(ids[0])).held is Held.UNREGISTERED
    assert (await writer.row(ids[1])).ready_at == before[ids[1]].ready_at
    assert ids_of(await writer.claim()) == ids[1:]
    check_everything(await writer.rows(), await writer.ledger())


async def test_other_holds_are_not_released_with_a_kind(writer: Writer) -> None:
    """A job that a person has to decide about stays parked when its kind is registered again."""
    claimed = await writer.start()
    await writer.commit(
        put_backs=[PutBack(claimed.id, 1, Status.PENDING, Reason.LOST, held=Held.LOST, losses=1)]
    )
    assert await writer.store.release_holds(at=writer.next, kinds=["work"], limit=10) == 0
    assert (await writer.row(claimed.id)).held is Held.LOST


async def test_the_first_start_is_kept_and_each_attempt_has_its_own(writer: Writer) -> None:
    """I5: `started_at` is written once; start, deadline and fence of an attempt are its own."""
    rows: list[JobRecord] = []
    await writer.submit(new_job(timeout_us=SECOND))
    for fence in (1, 2, 3):
        writer.next += 10 * SECOND
        (claimed,) = await writer.claim()
        assert claimed.fence == fence
        rows.append(await writer.row(claimed.id))
        await writer.commit(
            put_backs=[PutBack(claimed.id, fence, Status.PENDING, Reason.SHUTDOWN, interruptions=1)]
        )
    assert len({row.started_at for row in rows}) == 1
    starts = [row.attempt_started_at or 0 for row in rows]
    assert starts == sorted(set(starts))
    assert [row.deadline_at for row in rows] == [start + SECOND for start in starts]


async def test_a_thousand_starts_and_ends_in_two_groups(writer: Writer) -> None:
    """Bulk claims and finishes keep every row and event in order."""
    jobs = [new_job(arguments=f'{{"n":{n}}}') for n in range(1_000)]
    done = await writer.commit(submissions=[Submission(jobs)], claims=[ClaimFrom("main", 1_000)])
    assert [one.arguments for one in done.claimed] == [job.arguments for job in jobs]
    done = await writer.commit(finishes=[finish(one) for one in done.claimed])
    assert (done.missed_finishes, done.events) == ({}, 1_000)
    check_everything(await writer.rows(), await writer.ledger())
