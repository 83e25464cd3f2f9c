"""The history of one job, folded: what its ledger says that its row must be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from overseen_storage.audit.checks import Check
from overseen_storage.audit.evidence import EventFacts, JobFacts
from overseen_storage.audit.findings import Findings
from overseen_storage.audit.pauses import Pauses
from overseen_storage.lifecycle import (
    LIVE,
    MOVES,
    TERMINAL,
    Cause,
    EventType,
    Reason,
    Status,
    event_of,
)

STEPS: Final = frozenset(
    (source, event_of(move), target) for (source, move), target in MOVES.items()
)
"""Every legal step as it shows on the ledger: (status before, event, status after)."""

READY: Final = frozenset({EventType.SUBMITTED, EventType.READY, EventType.DUE, EventType.PROMOTED})
"""The events at which a job becomes pending with a new `ready_at`; a requeue may keep the old."""

FENCED_NOTES: Final = frozenset(
    {EventType.PROGRESS, EventType.CHECKPOINT, EventType.WARNING, EventType.STOPPING}
)
"""The annotations that only a live attempt makes."""

LATE_NOTES: Final = frozenset(
    {
        EventType.LATE_SUCCESS,
        EventType.LATE_FAILURE,
        EventType.STUCK,
        EventType.UNSTUCK,
        EventType.RETRIED,
    }
)
"""The annotations that may follow an end."""

_OWN_FAULTS: Final = frozenset(
    {Reason.ERROR, Reason.TIMEOUT, Reason.SILENT, Reason.INVALID, Reason.ABANDONED}
)


class _Times(msgspec.Struct):
    """What events say of delays and due times."""

    delay_seconds: float | None = None
    due_at: int | None = None
    due_wall_at: int | None = None


_decode_times = msgspec.json.Decoder(_Times).decode


@dataclass(slots=True)
class Counted:
    """Attempts by how they ended."""

    failures: int = 0
    losses: int = 0
    interruptions: int = 0
    snoozes: int = 0


@dataclass(slots=True)
class Folded:
    """A job as its ledger tells it."""

    status: Status | None = None
    reason: Reason | None = None
    cause: Cause | None = None
    before: Status | None = None
    """The status that the last move left."""
    held: bool = False
    may_be_held: bool = False
    """It was put back, which may have held it without an event of its own."""
    stop_reason: Reason | None = None
    fence: int = 0
    created_at: int | None = None
    ready_stamps: set[int] = field(default_factory=set[int])
    """What `ready_at` may be: a requeue either keeps the old one or takes its own stamp."""
    first_ready_at: int | None = None
    started_at: int | None = None
    attempt_started_at: int | None = None
    completed_at: int | None = None
    moved_at: int | None = None
    due_not_before: int | None = None
    warnings: int = 0
    attached: list[str] = field(default_factory=list[str])
    """What the ledger tells of each file."""
    released: str | None = None
    """What the ledger tells of its release, if it was a draft."""
    ends: int = 0
    counted: Counted = field(default_factory=Counted)
    has_changed_at: bool = False
    """Whether the row's `changed_at` is the stamp of one of its events."""

    @property
    def given_up(self) -> bool:
        """Whether it ended as a draft."""
        return self.before is Status.DRAFT and self.status in TERMINAL


class Fold:
    """Folds histories one after the other, and tells of every step that is not legal."""

    def __init__(self, findings: Findings, pauses: Pauses) -> None:
        self._findings = findings
        self._pauses = pauses

    def history(self, row: JobFacts, events: Iterable[EventFacts]) -> Folded:
        """The job as `events`, in order, tell it."""
        job = Folded()
        for event in events:
            job.has_changed_at |= event.at == row.changed_at
            if event.status is None:
                self._annotation(job, event)
            else:
                self._move(job, event, event.status, row.queue)
        return job

    def _move(self, job: Folded, event: EventFacts, status: Status, queue: str) -> None:
        if (job.status, event.type, status) not in STEPS:
            self._wrong_step(job, event, status)
        if job.status in LIVE and event.fence != job.fence:
            self._wrong_fence(job, event)
        if event.type is EventType.STARTED:
            self._start(job, event, queue)
        elif job.status is None:
            job.created_at = event.at
        elif event.type is EventType.READY:
            job.released = event.data or ""
        elif event.type is EventType.DUE:
            self._due(job, event)
        if job.status in LIVE:
            _count(job.counted, event)
            job.due_not_before = _not_before(job, event)
        if status is Status.PENDING:
            if event.type in READY:
                job.ready_stamps.clear()
            job.ready_stamps.add(event.at)
            job.first_ready_at = job.first_ready_at or event.at
        else:
            job.held = False
        job.may_be_held = event.type is EventType.REQUEUED
        if status in TERMINAL:
            job.completed_at = event.at
            job.ends += 1
        job.before, job.status = job.status, status
        job.reason, job.cause, job.moved_at = event.reason, event.cause, event.at

    def _wrong_step(self, job: Folded, event: EventFacts, status: Status) -> None:
        ended = job.status in TERMINAL
        self._findings.problem(
            Check.ENDS if ended else Check.PATH,
            job=event.job_id,
            seq=event.seq,
            expected=f"only annotations after {job.status}"
            if ended
            else f"a legal move from {job.status or 'nothing'}",
            found=f"{job.status or 'nothing'} -> {event.type} -> {status}",
        )

    def _wrong_fence(self, job: Folded, event: EventFacts) -> None:
        self._findings.problem(
            Check.FENCES,
            job=event.job_id,
            seq=event.seq,
            expected=f"attempt {job.fence}, the one under way",
            found=f"{event.type} of attempt {event.fence}",
        )

    def _start(self, job: Folded, event: EventFacts, queue: str) -> None:
        if event.fence != job.fence + 1:
            self._findings.problem(
                Check.FENCES,
                job=event.job_id,
                seq=event.seq,
                expected=f"start of attempt {job.fence + 1}",
                found=f"start of attempt {event.fence}",
            )
        if job.held:
            self._findings.problem(
                Check.HOLDS,
                job=event.job_id,
                seq=event.seq,
                expected="no start while held",
                found="started",
            )
        paused = self._pauses.at(queue, event.seq)
        if paused is not None:
            self._findings.problem(
                Check.PAUSES,
                job=event.job_id,
                seq=event.seq,
                expected=f"no start: queue {queue!r} is paused since event {paused}",
                found="started",
            )
        job.fence += 1
        job.attempt_started_at = event.at
        job.started_at = job.started_at or event.at
        job.stop_reason = None

    def _due(self, job: Folded, event: EventFacts) -> None:
        if job.due_not_before is not None and event.at < job.due_not_before:
            self._findings.problem(
                Check.DUE,
                job=event.job_id,
                seq=event.seq,
                expected=f"due not before {job.due_not_before}",
                found=f"due at {event.at}, {job.due_not_before - event.at} us early",
            )

    def _annotation(self, job: Folded, event: EventFacts) -> None:
        kind = event.type
        if job.status is None:
            self._findings.problem(
                Check.PATH,
                job=event.job_id,
                seq=event.seq,
                expected="a history that begins with the job's creation",
                found=kind,
            )
        elif job.status in TERMINAL and kind not in LATE_NOTES:
            self._findings.problem(
                Check.ENDS,
                job=event.job_id,
                seq=event.seq,
                expected=f"only late annotations after {job.status}",
                found=kind,
            )
        elif kind in FENCED_NOTES and (job.status not in LIVE or event.fence != job.fence):
            self._wrong_fence(job, event)
        self._apply(job, event)

    def _apply(self, job: Folded, event: EventFacts) -> None:
        match event.type:
            case EventType.WARNING:
                job.warnings += 1
            case EventType.STOPPING:
                if job.stop_reason is not None:
                    self._findings.problem(
                        Check.FENCES,
                        job=event.job_id,
                        seq=event.seq,
                        expected=f"one stop of an attempt: {job.stop_reason}",
                        found=f"a second one: {event.reason}",
                    )
                job.stop_reason = event.reason
            case EventType.ATTACHED:
                if job.status is not Status.DRAFT:
                    self._findings.problem(
                        Check.ATTACHMENTS,
                        job=event.job_id,
                        seq=event.seq,
                        expected="files for drafts only",
                        found=f"a file for a job that is {job.status}",
                    )
                job.attached.append(event.data or "")
            case EventType.HELD | EventType.UNHELD:
                job.held = event.type is EventType.HELD
                job.may_be_held = False
            case EventType.CHANGED:
                times = _times(event.data)
                if times.due_wall_at is not None:
                    job.due_not_before = None  # the wall may step; its time is not ours
                elif times.due_at is not None:
                    job.due_not_before = times.due_at
            case _:
                pass


def _times(data: str | None) -> _Times:
    try:
        return _decode_times(data) if data else _Times()
    except msgspec.DecodeError:
        return _Times()


def _not_before(job: Folded, event: EventFacts) -> int | None:
    """Delays count from the moment of the decision, which lies between the attempt's start and
    the commit: the start is the bound that holds for certain."""
    if event.type not in (EventType.RETRYING, EventType.SNOOZED):
        return None
    delay = _times(event.data).delay_seconds
    if delay is None or job.attempt_started_at is None:
        return None
    return job.attempt_started_at + int(delay * 1_000_000)


def _count(counted: Counted, event: EventFacts) -> None:
    """Add the end of an attempt to what it costs."""
    if event.reason is Reason.LOST:
        counted.losses += 1
    elif event.type is EventType.SNOOZED:
        counted.snoozes += 1
    elif event.type is EventType.REQUEUED:
        counted.interruptions += 1
    elif event.type is EventType.RETRYING or (
        event.type is EventType.FAILED and event.reason in _OWN_FAULTS
    ):
        counted.failures += 1
