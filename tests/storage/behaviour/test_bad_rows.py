"""One bad row: it is refused or made safe, and its neighbours never notice."""

from __future__ import annotations

import msgspec
import pytest
from tests.storage.checkers import check_everything
from tests.storage.driving import SECOND, Writer, accepted, finish, new_job, refused

from overseen_storage.answers import Accepted, Refused
from overseen_storage.items import (
    ChangeWaiting,
    ClaimFrom,
    Finish,
    MakeDue,
    NewJob,
    Note,
    PutBack,
    RequestCancel,
    SetQueue,
    Submission,
)
from overseen_storage.lifecycle import EventType, Reason, Status
from overseen_storage.records import JobError, LogLine, Progress

HUGE = 10**30
OUTSIDE = 2**63
HUNDRED_YEARS_US = 100 * 365 * 86_400 * SECOND
LONE = "\ud800"
ODD_TEXT = {
    "nul": "a\0b",
    "surrogate": f"a{LONE}b",
    "pair": "\ud83d\ude00",
    "both": f"\0{LONE}",
    "quotes": "'\"\\%_;--",
    "newlines": "\r\n\u2028\x1b[31m",
    "astral": "\N{GRINNING FACE}\U0010ffff",
    "noncharacter": "\uffff\ufffe",
}

REFUSED: dict[str, NewJob] = {
    "huge priority": new_job(priority=HUGE),
    "priority beyond 64 bits": new_job(priority=OUTSIDE),
    "priority far out of range": new_job(priority=-(10**6)),
    "due at a huge time": new_job(status=Status.SCHEDULED, due_at=HUGE),
    "huge limit": new_job(queue_timeout_us=HUGE),
    "a timeout that no stamp can be added to": new_job(timeout_us=OUTSIDE - 1),
    "a timeout of more than 100 years": new_job(timeout_us=HUNDRED_YEARS_US + 1),
    "a delayed job's limit that no stamp can be added to": new_job(
        status=Status.SCHEDULED, due_at=SECOND, queue_timeout_us=OUTSIDE - 1
    ),
    "huge parent": NewJob(kind="k", queue="main", arguments="{}", parent_id=HUGE),
    "labels that are not JSON": new_job(labels='{"a"'),
    "negative retries": NewJob(kind="k", queue="main", arguments="{}", retries=-1),
    "negative losses": NewJob(kind="k", queue="main", arguments="{}", losses_allowed=-1),
    "born running": new_job(status=Status.RUNNING),
    "born completed": new_job(status=Status.COMPLETED),
    "born in the reserved status": new_job(status=Status.BLOCKED),
}

UNSAFE: dict[str, NewJob] = {
    f"{field} with {name}": msgspec.structs.replace(new_job(), **{field: text})
    for field in ("kind", "queue", "key", "idempotency_key", "arguments", "labels", "headers")
    for name, text in ODD_TEXT.items()
} | {
    "arguments that are not JSON": new_job(arguments="{"),
    "arguments with NaN": new_job(arguments='{"x":NaN}'),
    "arguments with infinity": new_job(arguments='{"x":-Infinity}'),
    "arguments with nothing": new_job(arguments=""),
    "escaped surrogate": new_job(arguments='{"x":"\\ud800"}'),
    "escaped nul": new_job(arguments='{"x":"\\u0000"}'),
}


async def submit_among_good_ones(writer: Writer, bad: NewJob) -> Accepted | Refused:
    """Submit one between two; the two are there and right, whatever became of the one."""
    before, after = new_job("before", arguments='{"n":1}'), new_job("after", arguments='{"n":2}')
    done = await writer.commit(
        submissions=[Submission([before]), Submission([bad]), Submission([after])]
    )
    for index, good in ((0, before), (2, after)):
        (job_id,) = accepted(done, index)
        row = await writer.row(job_id)
        assert (row.kind, row.arguments, row.status) == (good.kind, good.arguments, Status.PENDING)
    check_everything(await writer.rows(), await writer.ledger())
    return done.submissions[1]


@pytest.mark.parametrize("name", sorted(REFUSED))
async def test_a_row_that_breaks_a_rule_is_refused_alone(writer: Writer, name: str) -> None:
    """What the schema cannot hold is refused as `row`, and nothing of it is stored."""
    answer = await submit_among_good_ones(writer, REFUSED[name])
    assert isinstance(answer, Refused), answer
    assert (answer.index, answer.why) == (0, "row")
    assert answer.message
    assert len(await writer.rows()) == 2


async def test_the_longest_durations_can_be_added_to_a_stamp(writer: Writer) -> None:
    """A job with the longest durations there are can be made due, claimed and put back."""
    longest = new_job(
        status=Status.SCHEDULED,
        due_at=SECOND,
        timeout_us=HUNDRED_YEARS_US,
        queue_timeout_us=HUNDRED_YEARS_US,
    )
    await writer.submit(longest)
    done = await writer.commit(
        make_due=MakeDue(writer.next, 0, limit=1), claims=[ClaimFrom("main", 1)]
    )
    (claimed,) = done.claimed
    row = await writer.row(claimed.id)
    assert row.deadline_at == claimed.attempt_started_at + HUNDRED_YEARS_US
    back = PutBack(claimed.id, 1, Status.PENDING, Reason.SHUTDOWN, interruptions=1)
    done = await writer.commit(put_backs=[back])
    assert (done.refused, done.missed_put_backs) == ({}, {})


@pytest.mark.parametrize("name", sorted(UNSAFE))
async def test_odd_text_is_made_safe_or_refused(writer: Writer, name: str) -> None:
    """Text that would be cut or unreadable is stored safe, or its job is refused."""
    answer = await submit_among_good_ones(writer, UNSAFE[name])
    if isinstance(answer, Refused):
        assert answer.why == "row"
        return
    (job_id,) = answer.ids
    row = await writer.row(job_id)
    (event,) = await writer.store.attempts(job_id)
    for text in (row.kind, row.queue, row.key, row.arguments, row.labels, event.kind, event.queue):
        if text is not None:
            text.encode()  # a lone surrogate cannot be encoded
            assert "\0" not in text
    claimed = await writer.claim(row.queue)
    assert job_id in {one.id for one in claimed}


@pytest.mark.parametrize("name", ["quotes", "newlines", "astral"])
async def test_legal_text_is_not_touched(writer: Writer, name: str) -> None:
    """Making text safe changes nothing that was safe."""
    text = ODD_TEXT[name]
    (job_id,) = await writer.submit(new_job(text, text, key=text, idempotency_key=text))
    row = await writer.row(job_id)
    assert (row.kind, row.queue, row.key, row.idempotency_key) == (text,) * 4
    (event,) = await writer.store.attempts(job_id)
    assert (event.kind, event.queue) == (text, text)


async def test_the_text_of_errors_is_made_safe(writer: Writer) -> None:
    """An error with NUL, surrogates or a megabyte of text is stored readable, never refused."""
    claimed = await writer.start()
    error = JobError(f"Odd{LONE}", "nul \0 here " + "x" * (1 << 20), f"trace {LONE}\0")
    done = await writer.commit(
        finishes=[Finish(claimed.id, 1, Status.FAILED, reason=Reason.ERROR, error=error)]
    )
    assert (done.refused, done.missed_finishes) == ({}, {})
    kept = (await writer.row(claimed.id)).error
    assert kept is not None
    for text in (kept.type, kept.message, kept.traceback):
        text.encode()
        assert "\0" not in text
    assert len(kept.message) <= 4_100
    assert kept.message.startswith("nul ")


async def test_names_in_errors_and_progress_are_cut(writer: Writer) -> None:
    """However long the name of an exception's class or of a stage is, little of it is kept."""
    claimed = await writer.start()
    progress = Progress(stage="s" * 10_000)
    notes = [Note(EventType.PROGRESS, job_id=claimed.id, fence=1, progress=progress)]
    error = JobError("E" * 10_000, "message")
    end = Finish(claimed.id, 1, Status.FAILED, reason=Reason.ERROR, error=error)
    await writer.commit(notes=notes, finishes=[end])
    row = await writer.row(claimed.id)
    assert row.progress is not None
    assert row.error is not None
    assert len(row.progress.stage or "") <= 200
    assert len(row.error.type) <= 200


async def test_log_lines_are_made_safe(writer: Writer) -> None:
    """A log line may hold any text and comes back readable; the lines beside it are unchanged."""
    (job_id,) = await writer.submit(new_job())
    lines = [
        LogLine(job_id, 1, writer.next + n, "info", text)
        for n, text in enumerate(["first", f"nul \0 {LONE}", "last"])
    ]
    await writer.store.write_logs(lines, keep_per_job=9)
    kept = [line.message for line in await writer.store.logs(job_id)]
    assert [kept[0], kept[2]] == ["first", "last"]
    kept[1].encode()
    assert "\0" not in kept[1]


async def test_progress_text_is_made_safe(writer: Writer) -> None:
    """A progress message may hold any text and comes back readable."""
    claimed = await writer.start()
    progress = Progress(1, 2, f"nul \0 {LONE}", "stage")
    note = Note(EventType.PROGRESS, job_id=claimed.id, fence=1, progress=progress)
    await writer.commit(notes=[note])
    kept = (await writer.row(claimed.id)).progress
    assert kept is not None
    assert kept.message is not None
    kept.message.encode()
    assert (kept.done, kept.total, kept.stage) == (1, 2, "stage")


@pytest.mark.parametrize(
    "bad",
    [
        Finish(0, 0, Status.COMPLETED, result="NaN"),
        Finish(0, 0, Status.COMPLETED, result=f'"{LONE}"'),
        Finish(0, 0, Status.COMPLETED, result='"\0"'),
        Finish(0, 0, Status.FAILED, result="1", reason=Reason.ERROR),
        Finish(0, 0, Status.FAILED, reason=Reason.ERROR, failures=HUGE),
        Finish(0, 0, Status.FAILED, reason=Reason.ERROR, failures=-5),
        Finish(0, 0, Status.RETRYING, reason=Reason.ERROR),
        Finish(0, 0, Status.PENDING, reason=Reason.ERROR),
    ],
    ids=repr,
)
async def test_a_bad_end_does_not_hurt_the_others(writer: Writer, bad: Finish) -> None:
    """An end the schema refuses leaves its attempt running; the ends beside it are stored."""
    await writer.submit(*[new_job() for _ in range(5)])
    claimed = await writer.claim()
    ends = [finish(one) for one in claimed]
    ends[2] = msgspec.structs.replace(bad, job_id=claimed[2].id, fence=1)
    done = await writer.commit(finishes=ends)
    rows = await writer.rows()
    others = [rows[one.id].status for one in claimed if one is not claimed[2]]
    assert others == [Status.COMPLETED] * 4
    check_everything(rows, await writer.ledger())
    if 2 in done.refused.get("finishes", {}):
        assert rows[claimed[2].id].status is Status.RUNNING
        again = await writer.commit(
            finishes=[Finish(claimed[2].id, 1, Status.FAILED, reason=Reason.INVALID)]
        )
        assert again.missed_finishes == {}
    else:
        assert rows[claimed[2].id].status is bad.status
        assert bad.status in (Status.COMPLETED, Status.FAILED)


async def test_each_part_of_a_group_survives_a_bad_row_in_another(writer: Writer) -> None:
    """Bad rows in several fields of one group are refused by name and index; the rest is stored."""
    await writer.submit(*[new_job() for _ in range(4)])
    ending, returning, asked, reporting = await writer.claim()
    (waiting,) = await writer.submit(new_job())
    done = await writer.commit(
        submissions=[Submission([new_job(priority=HUGE)]), Submission([new_job("good")])],
        finishes=[finish(ending)],
        put_backs=[PutBack(returning.id, 1, Status.PENDING, Reason.LOST, losses=1)],
        cancel_requests=[RequestCancel(asked.id, 1)],
        changes=[ChangeWaiting(waiting, priority=HUGE)],
        notes=[Note(EventType.WARNING, job_id=reporting.id, fence=1)],
        queues=[SetQueue("main", True)],
        claims=[ClaimFrom("main", 1)],
    )
    assert refused(done, 0).why == "row"
    assert set(done.refused) == {"changes"}
    assert set(done.refused["changes"]) == {0}
    rows = await writer.rows()
    assert rows[ending.id].status is Status.COMPLETED
    assert rows[asked.id].status is Status.CANCELLING
    assert rows[reporting.id].warnings == 1
    assert [queue.name for queue in await writer.store.queues()] == ["main"]
    assert [one.id for one in done.claimed] == [returning.id]
    check_everything(rows, await writer.ledger())


async def test_one_bad_row_among_ten_thousand(writer: Writer) -> None:
    """In a group of ten thousand submissions the one that is bad is named, the rest is stored."""
    jobs = [new_job(arguments=f'{{"n":{n}}}') for n in range(10_000)]
    jobs[7_777] = new_job(priority=HUGE)
    done = await writer.commit(submissions=[Submission([job]) for job in jobs])
    answers = done.submissions
    assert [n for n, answer in enumerate(answers) if isinstance(answer, Refused)] == [7_777]
    assert done.events == 9_999
    ids = [answer.ids[0] for answer in answers if isinstance(answer, Accepted)]
    assert ids == sorted(set(ids))
    for n in (0, 7_776, 7_778, 9_999):
        (job_id,) = accepted(done, n)
        assert (await writer.row(job_id)).arguments == f'{{"n":{n}}}'


async def test_a_bad_row_refuses_its_whole_unit_of_ten_thousand(writer: Writer) -> None:
    """In one submission of ten thousand the bad job is named by its index, and none is stored."""
    jobs = [new_job() for _ in range(10_000)]
    jobs[4_321] = new_job(priority=HUGE)
    done = await writer.commit(submissions=[Submission(jobs), Submission([new_job("good")])])
    assert (refused(done, 0).index, refused(done, 0).why) == (4_321, "row")
    assert [row.kind for row in (await writer.rows()).values()] == ["good"]
    check_everything(await writer.rows(), await writer.ledger())
