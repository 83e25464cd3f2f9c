"""What has happened to a job, and who caused it: its ledger in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, assert_never

import msgspec

from overseen.explaining.explanation import AttemptStory, Step
from overseen.explaining.times import lasting, moment
from overseen_storage.lifecycle import LIVE, Cause, EventType, Reason, Status
from overseen_storage.records import Event

__all__ = ["attempts_of", "by", "steps_of", "why_in_words"]

LEFT_OUT: Final = frozenset({EventType.PROGRESS, EventType.CHECKPOINT})
"""A job that runs for an hour may have thousands of these."""


class _Data(msgspec.Struct):
    """What events say besides; each says some of it."""

    message: str | None = None
    delay_seconds: float | None = None
    error: str | None = None
    failures: int | None = None
    retries: int | None = None
    losses: int | None = None
    losses_allowed: int | None = None
    decision: str | None = None
    held: str | None = None
    name: str | None = None
    size_bytes: int | None = None
    priority: int | None = None
    due_at: int | None = None
    due_wall_at: int | None = None


_decode = msgspec.json.Decoder(_Data).decode


def steps_of(events: Iterable[Event]) -> tuple[Step, ...]:
    """Everything that happened, in order, but progress and checkpoints."""
    return tuple(
        Step(
            seq=event.seq,
            at=event.at,
            time=moment(event.at),
            type=event.type,
            cause=event.cause,
            text=_text(event),
            status=event.status,
            attempt=event.fence,
            reason=event.reason,
        )
        for event in events
        if event.type not in LEFT_OUT
    )


def attempts_of(events: Iterable[Event]) -> tuple[AttemptStory, ...]:
    """Every attempt: its start, and the event that left the live statuses."""
    told: list[AttemptStory] = []
    for event in events:
        if event.type is EventType.STARTED:
            told.append(AttemptStory(attempt=event.fence or len(told) + 1, started_at=event.at))
        elif event.status is not None and event.status not in LIVE and told:
            last = told[-1]
            if last.ended_at is None:
                told[-1] = _ended(last, event)
    return tuple(told)


def _ended(attempt: AttemptStory, event: Event) -> AttemptStory:
    duration = lasting(event.at - attempt.started_at)
    return AttemptStory(
        attempt=attempt.attempt,
        started_at=attempt.started_at,
        ended_at=event.at,
        outcome=event.type.value,
        reason=event.reason,
        cause=event.cause,
        text=f"{_text(event)} after {duration}",
    )


def by(cause: Cause) -> str:
    """Who it was, in words."""
    match cause:
        case Cause.CALLER:
            return "by the program"
        case Cause.BODY:
            return "by the job's own code"
        case Cause.WATCHDOG:
            return "by the watchdog"
        case Cause.SCHEDULER:
            return "by the scheduler, in time"
        case Cause.SUPERVISOR:
            return "by the supervisor"
        case Cause.RECOVERY:
            return "by the recovery at the start"
        case Cause.OPERATOR:
            return "by an operator"
        case Cause.BATCH:
            return "by its batch"
        case _:
            assert_never(cause)


def why_in_words(reason: Reason) -> str:
    """The reason of a move as part of a sentence."""
    match reason:
        case Reason.ERROR:
            return "its body raised"
        case Reason.TIMEOUT:
            return "it ran longer than its timeout"
        case Reason.SILENT:
            return "it gave no sign of life for longer than its heartbeat"
        case Reason.LOST:
            return "the process that ran it died"
        case Reason.INVALID:
            return "its arguments, result or files do not fit what the code declares"
        case Reason.EXPIRED:
            return "it waited in the queue longer than its limit"
        case Reason.ABANDONED:
            return "its body gave up: no more attempts"
        case Reason.REQUESTED:
            return "somebody asked for it"
        case Reason.REPLACED:
            return "a newer job with the same key took its place"
        case Reason.DRAFT_DISCARDED:
            return "the draft was discarded"
        case Reason.DRAFT_EXPIRED:
            return "nobody released the draft in time"
        case Reason.SHUTDOWN:
            return "the program stopped; that costs nothing"
        case Reason.SNOOZED:
            return "its body asked to be run later; that costs nothing"
        case Reason.BATCH_POLICY:
            return "its batch stops at failures"
        case Reason.OPERATOR:
            return "an operator did it"
        case _:
            assert_never(reason)


_WORDS: Final = {
    EventType.SUBMITTED: "submitted",
    EventType.SCHEDULED: "submitted for later",
    EventType.DRAFTED: "begun as a draft",
    EventType.READY: "released",
    EventType.DUE: "became due",
    EventType.PROMOTED: "made due before its time",
    EventType.STARTED: "started",
    EventType.COMPLETED: "completed",
    EventType.RETRYING: "failed, to be retried",
    EventType.SNOOZED: "put off",
    EventType.REQUEUED: "put back into its queue",
    EventType.CANCELLING: "asked to end",
    EventType.CANCELLED: "cancelled",
    EventType.FAILED: "failed",
    EventType.STOPPING: "told to stop",
    EventType.STUCK: "stuck: ignores its cancellation",
    EventType.UNSTUCK: "ended after having been stuck",
    EventType.WARNING: "warning",
    EventType.LATE_SUCCESS: "returned a value too late; it changes nothing",
    EventType.LATE_FAILURE: "raised too late; it changes nothing",
    EventType.HELD: "held",
    EventType.UNHELD: "released from its hold",
    EventType.CHANGED: "changed",
    EventType.RETRIED: "repeated as a new job",
    EventType.ATTACHED: "given a file",
}


def _text(event: Event) -> str:
    """One event in words, with what it says besides."""
    words = _WORDS.get(event.type, event.type.value.replace("_", " "))
    if event.fence is not None and event.type is not EventType.STARTED:
        words = f"attempt {event.fence}: {words}"
    elif event.type is EventType.STARTED:
        words = f"attempt {event.fence} started"
    details = [*([why_in_words(event.reason)] if event.reason else []), *_details(event)]
    return f"{words} ({'; '.join(details)})" if details else words


def _details(event: Event) -> list[str]:
    try:
        data = _decode(event.data) if event.data else _Data()
    except msgspec.DecodeError:
        return [event.data or ""]
    told: list[str] = []
    if data.message:
        told.append(repr(data.message))
    if data.error:
        told.append(data.error)
    if data.failures is not None and data.retries is not None:
        told.append(f"failure {data.failures}, {data.retries} may be retried")
    if data.losses is not None and data.losses_allowed is not None:
        told.append(f"loss {data.losses}, {data.losses_allowed} allowed")
    if data.decision:
        told.append(data.decision)
    if data.delay_seconds is not None:
        told.append(f"again after {lasting(int(data.delay_seconds * 1_000_000))}")
    if data.held:
        told.append(data.held)
    if data.name is not None and data.size_bytes is not None:
        told.append(f"{data.name!r}, {data.size_bytes:,} bytes")
    if data.priority is not None:
        told.append(f"priority {data.priority}")
    told += [f"due {moment(at)}" for at in (data.due_at, data.due_wall_at) if at is not None]
    return told


def last_move(events: Iterable[Event], status: Status) -> Event | None:
    """The event that brought the job into `status`, if the ledger tells of it."""
    found = None
    for event in events:
        if event.status is status:
            found = event
    return found
