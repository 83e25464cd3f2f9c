"""Annotations: what a body reports on the way, what comes late, and pauses of queues."""

from __future__ import annotations

import pytest
from tests.storage.checkers import check_everything
from tests.storage.driving import Place, Writer, finish, new_job

from overseen_storage.answers import Missed
from overseen_storage.items import Note, PutBack, RequestCancel, SetQueue
from overseen_storage.lifecycle import Cause, EventType, Reason, Status
from overseen_storage.records import LogLine, Progress


def progress_of(job_id: int, fence: int, done: float) -> Note:
    progress = Progress(done, 10, "half way", "reading")
    return Note(
        EventType.PROGRESS,
        job_id=job_id,
        fence=fence,
        cause=Cause.BODY,
        data=f'{{"done":{done}}}',
        progress=progress,
    )


def warning_of(job_id: int, fence: int, data: str = '{"message":"odd"}') -> Note:
    return Note(EventType.WARNING, job_id=job_id, fence=fence, cause=Cause.BODY, data=data)


def checkpoint_of(job_id: int, fence: int, checkpoint: str) -> Note:
    return Note(
        EventType.CHECKPOINT, job_id=job_id, fence=fence, cause=Cause.BODY, checkpoint=checkpoint
    )


async def test_progress_is_on_the_row_and_on_the_ledger(writer: Writer) -> None:
    """The last progress is the row's; each one written is an event with its evidence."""
    claimed = await writer.start()
    await writer.commit(notes=[progress_of(claimed.id, 1, 3)])
    await writer.commit(notes=[progress_of(claimed.id, 1, 5)])
    row = await writer.row(claimed.id)
    assert row.progress == Progress(5, 10, "half way", "reading")
    assert row.status is Status.RUNNING
    events = (await writer.store.attempts(claimed.id))[2:]
    assert [(event.type, event.status, event.fence) for event in events] == [
        (EventType.PROGRESS, None, 1)
    ] * 2
    assert [event.data for event in events] == ['{"done":3}', '{"done":5}']


async def test_the_latest_progress_of_a_group_wins(writer: Writer) -> None:
    """Two reports in one group leave the later one on the row."""
    claimed = await writer.start()
    await writer.commit(notes=[progress_of(claimed.id, 1, 1), progress_of(claimed.id, 1, 2)])
    progress = (await writer.row(claimed.id)).progress
    assert progress is not None
    assert progress.done == 2


async def test_a_checkpoint_is_kept_for_the_next_attempt(writer: Writer) -> None:
    """What a body stored is on the row, and is handed to the attempt that follows."""
    claimed = await writer.start()
    await writer.commit(notes=[checkpoint_of(claimed.id, 1, '{"page":7}')])
    assert (await writer.row(claimed.id)).checkpoint == '{"page":7}'
    await writer.commit(put_backs=[PutBack(claimed.id, 1, Status.PENDING, Reason.LOST, losses=1)])
    (again,) = await writer.claim()
    assert again.checkpoint == '{"page":7}'
    assert "checkpoint" in await writer.types(claimed.id)


async def test_a_large_checkpoint_is_kept(writer: Writer) -> None:
    """A checkpoint of a mebibyte comes back unchanged."""
    claimed = await writer.start()
    large = '"' + "x" * (1 << 20) + '"'
    await writer.commit(
        notes=[warning_of(claimed.id, 1), checkpoint_of(claimed.id, 1, large)],
    )
    row = await writer.row(claimed.id)
    assert (row.checkpoint, row.warnings) == (large, 1)


async def test_every_warning_counts(writer: Writer) -> None:
    """Warnings are counted one by one, also those of one group, over all attempts."""
    claimed, other = await writer.start(), await writer.start()
    done = await writer.commit(
        notes=[
            warning_of(claimed.id, 1, '{"n":1}'),
            warning_of(other.id, 1),
            warning_of(claimed.id, 1, '{"n":2}'),
        ]
    )
    assert (done.missed_notes, done.events) == ({}, 3)
    await writer.commit(put_backs=[PutBack(claimed.id, 1, Status.PENDING, Reason.LOST, losses=1)])
    (again,) = await writer.claim()
    await writer.commit(notes=[warning_of(claimed.id, again.fence)])
    assert (await writer.row(claimed.id)).warnings == 3
    assert (await writer.row(other.id)).warnings == 1
    check_everything(await writer.rows(), await writer.ledger())


async def test_the_last_report_of_a_body_precedes_its_end(writer: Writer) -> None:
    """Progress and warnings that are drained together with the end are kept, and come first."""
    claimed = await writer.start()
    done = await writer.commit(
        finishes=[finish(claimed)],
        notes=[progress_of(claimed.id, 1, 10), warning_of(claimed.id, 1)],
    )
    row = await writer.row(claimed.id)
    assert (done.missed_notes, row.status, row.warnings) == ({}, Status.COMPLETED, 1)
    assert row.progress is not None
    assert row.progress.done == 10
    assert (await writer.types(claimed.id))[-3:] == ["progress", "warning", "completed"]


async def test_a_body_that_was_asked_to_end_still_reports(writer: Writer) -> None:
    """While cancelling, the body lives, and its reports are kept."""
    claimed = await writer.start()
    await writer.commit(cancel_requests=[RequestCancel(claimed.id, 1)])
    done = await writer.commit(notes=[progress_of(claimed.id, 1, 4), warning_of(claimed.id, 1)])
    assert done.missed_notes == {}
    assert (await writer.row(claimed.id)).warnings == 1


async def test_a_stale_or_ended_attempt_reports_nothing(writer: Writer) -> None:
    """I10: progress, checkpoints and warnings of another attempt, or after the end, are missed."""
    claimed, ended = await writer.start(), await writer.end()
    await writer.commit(put_backs=[PutBack(claimed.id, 1, Status.PENDING, Reason.LOST, losses=1)])
    await writer.claim()
    before, height = await writer.rows(), await writer.store.last_seq()
    done = await writer.commit(
        notes=[
            progress_of(claimed.id, 1, 9),
            checkpoint_of(claimed.id, 1, "9"),
            warning_of(claimed.id, 1),
            progress_of(ended, 1, 9),
            checkpoint_of(ended, 1, "9"),
            warning_of(ended, 1),
        ]
    )
    stale, over = Missed(claimed.id, Status.RUNNING, 2), Missed(ended, Status.COMPLETED, 1)
    assert done.missed_notes == {0: stale, 1: stale, 2: stale, 3: over, 4: over, 5: over}
    assert await writer.rows() == before
    assert await writer.store.last_seq() == height


@pytest.mark.parametrize("kind", [EventType.LATE_SUCCESS, EventType.LATE_FAILURE])
async def test_a_late_outcome_is_written_and_changes_nothing(
    writer: Writer, kind: EventType
) -> None:
    """I11: what a judged attempt returned in the end is on the ledger; no column changes."""
    ended = await writer.end(Status.FAILED)
    requeued = await writer.start()
    await writer.commit(put_backs=[PutBack(requeued.id, 1, Status.PENDING, Reason.LOST, losses=1)])
    before = await writer.rows()
    late = [
        Note(kind, job_id=job_id, fence=1, cause=Cause.BODY, reason=Reason.TIMEOUT, data='{"r":1}')
        for job_id in (ended, requeued.id)
    ]
    done = await writer.commit(notes=late)
    assert (done.missed_notes, done.events) == ({}, 2)
    assert await writer.rows() == before
    event = (await writer.store.attempts(ended))[-1]
    assert (event.type, event.status, event.fence, event.data) == (kind, None, 1, '{"r":1}')
    assert (event.reason, event.cause) == (Reason.TIMEOUT, Cause.BODY)
    check_everything(before, await writer.ledger())


async def test_annotations_need_no_job(writer: Writer) -> None:
    """What happens to the supervisor itself is on the same ledger."""
    notes = [
        Note(EventType.DEGRADED, data='{"error":"disk full"}'),
        Note(EventType.RECOVERED),
        Note(EventType.LOOP_STALLED, queue="main", cause=Cause.WATCHDOG),
    ]
    done = await writer.commit(notes=notes)
    events = (await writer.ledger())[-3:]
    assert done.events == 3
    assert [(event.type, event.job_id, event.queue) for event in events] == [
        (EventType.DEGRADED, None, None),
        (EventType.RECOVERED, None, None),
        (EventType.LOOP_STALLED, None, "main"),
    ]
    assert events[0].data == '{"error":"disk full"}'


async def test_stuck_and_unstuck_are_annotations_of_the_attempt(writer: Writer) -> None:
    """A body that ignores its end is named on the ledger; its row stays as it is."""
    claimed = await writer.start()
    before = await writer.row(claimed.id)
    stuck = Note(EventType.STUCK, job_id=claimed.id, fence=1, cause=Cause.WATCHDOG)
    await writer.commit(notes=[stuck])
    assert await writer.row(claimed.id) == before
    event = (await writer.store.attempts(claimed.id))[-1]
    assert (event.type, event.kind, event.queue) == (EventType.STUCK, "work", "main")


async def test_a_queue_is_paused_and_resumed_once(writer: Writer) -> None:
    """A pause is kept and on the ledger; pausing again is no event."""
    assert await writer.store.queues() == []
    first = await writer.commit(queues=[SetQueue("main", True), SetQueue("other", True)])
    again = await writer.commit(queues=[SetQueue("main", True)])
    assert (first.events, again.events) == (2, 0)
    paused = {queue.name: queue for queue in await writer.store.queues()}
    assert set(paused) == {"main", "other"}
    event = (await writer.ledger())[-2]
    assert (paused["main"].paused_at, paused["main"].paused_by) == (event.at, Cause.OPERATOR)
    assert (event.type, event.queue) == (EventType.QUEUE_PAUSED, "main")
    resumed = await writer.commit(queues=[SetQueue("main", False), SetQueue("fresh", False)])
    queues = {queue.name: queue for queue in await writer.store.queues()}
    assert resumed.events == 1
    assert queues["main"].paused_at is None
    assert queues["other"].paused_at is not None


async def test_a_pause_outlives_a_restart(durable_place: Place) -> None:
    """A queue that was paused is paused in the next life of the program."""
    async with Writer(durable_place.make()) as writer:
        await writer.commit(queues=[SetQueue("main", True)])
        kept = await writer.store.queues()
    async with Writer(durable_place.make()) as again:
        assert await again.store.queues() == kept


async def test_log_lines_are_kept_in_order_and_the_newest_only(writer: Writer) -> None:
    """A job's log keeps the newest lines of the limit, whoever writes them and when."""
    first, second = await writer.submit(new_job(), new_job())
    lines = [
        LogLine(first if n % 2 else second, 1, writer.next + n, "info", f"line {n}", f'{{"n":{n}}}')
        for n in range(20)
    ]
    await writer.store.write_logs(lines[:10], keep_per_job=4)
    await writer.store.write_logs(lines[10:], keep_per_job=4)
    assert await writer.store.logs(first) == lines[13::2]
    assert await writer.store.logs(second) == lines[12::2]
    assert await writer.store.logs(99) == []
