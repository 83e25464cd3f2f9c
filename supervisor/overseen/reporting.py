"""From the slots of an attempt to notes for the ledger: how often, and in which order.

A body may report in a tight loop. Warnings and checkpoints are taken as they come; progress is
written once per interval, judged when the row is planned, because its stamp is taken then. What is
not due stays in its slot, where a newer value replaces it, until it is due or the attempt ends.
"""

from __future__ import annotations

import msgspec

from overseen.attempt import Attempt, Mark
from overseen_storage.items import Note
from overseen_storage.lifecycle import Cause, EventType

__all__ = ["sum_up_warnings", "take_marks", "take_progress"]


def take_progress(attempt: Attempt, now: float, interval: float, *, last: bool) -> Note | None:
    """Take the progress out of its slot if it is due, or if it is the last: the attempt ended."""
    progress = attempt.progress
    due = last or now >= attempt.next_progress_at
    if progress is None or progress is attempt.progress_taken or not due:
        return None
    attempt.progress_taken = progress
    attempt.next_progress_at = now + interval
    data = msgspec.json.encode(progress).decode()
    note = _note(attempt, EventType.PROGRESS, data)
    return msgspec.structs.replace(note, progress=progress)


def take_marks(attempt: Attempt) -> list[tuple[Note, Mark]]:
    """Take all warnings and checkpoints."""
    marks, attempt.marks = attempt.marks, []
    return [(_note_of(attempt, mark), mark) for mark in marks]


def sum_up_warnings(attempt: Attempt) -> None:
    """At the end: one last warning tells how many were not kept."""
    dropped, attempt.warnings_dropped = attempt.warnings_dropped, 0
    if dropped:
        text = f"{dropped} further warnings were not kept"
        data = msgspec.json.encode({"message": text}).decode()
        attempt.marks.append(Mark(EventType.WARNING, data, None))
        attempt.warnings += 1


def _note_of(attempt: Attempt, mark: Mark) -> Note:
    if mark.type is EventType.CHECKPOINT:
        return msgspec.structs.replace(_note(attempt, mark.type, None), checkpoint=mark.data)
    return _note(attempt, mark.type, mark.data)


def _note(attempt: Attempt, type: EventType, data: str | None) -> Note:
    claimed = attempt.claimed
    return Note(type, claimed.id, claimed.fence, claimed.batch_id, cause=Cause.BODY, data=data)
