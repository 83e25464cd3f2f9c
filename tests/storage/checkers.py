"""What must hold for any database, seen from its rows and its ledger alone.

Each checker raises `Broken` with the ids and values that contradict each other. The numbers (I1,
I2, ...) are those of the list of invariants. Nothing here knows how the rows came about, so the
same checkers serve the behavioural suite, the model test and the simulation.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

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
from overseen_storage.records import Event, JobRecord

Rows = Mapping[int, JobRecord]

STEPS = frozenset((source, event_of(move), target) for (source, move), target in MOVES.items())
"""Every legal step as it shows on the ledger: (status before, event, status after)."""

READY = frozenset({EventType.SUBMITTED, EventType.READY, EventType.DUE, EventType.PROMOTED})
"""The events at which a job becomes pending with a new `ready_at`; a requeue may keep the old."""

FENCED_MOVES = frozenset(
    {EventType.COMPLETED, EventType.RETRYING, EventType.SNOOZED, EventType.REQUEUED}
    | {EventType.CANCELLING}
)
"""The moves that only a live attempt makes."""

FENCED_NOTES = frozenset({EventType.PROGRESS, EventType.CHECKPOINT, EventType.WARNING})
"""The annotations that only a live attempt makes."""


class Broken(AssertionError):
    """A promise is broken; the message names it and holds the evidence."""


def ensure(promise: str, holds: bool, *evidence: object) -> None:
    """Raise `Broken` unless it holds."""
    if not holds:
        raise Broken(f"{promise}: {', '.join(map(repr, evidence))}")


@dataclass(slots=True)
class Folded:
    """A job as its ledger tells it."""

    id: int
    status: Status | None = None
    reason: Reason | None = None
    cause: Cause | None = None
    held: bool = False
    stop_reason: Reason | None = None
    fence: int = 0
    created_at: int | None = None
    ready_stamps: set[int] = field(default_factory=set[int])
    """What `ready_at` may be: a requeue either keeps the old one or takes its own stamp."""
    first_ready_at: int | None = None
    started_at: int | None = None
    attempt_started_at: int | None = None
    completed_at: int | None = None
    warnings: int = 0
    attached: list[str] = field(default_factory=list[str])
    """What the ledger tells of each file."""
    ready: str | None = None
    """What the ledger tells of its release, if it was a draft."""
    ends: int = 0
    history: list[Event] = field(default_factory=list[Event])


def check_everything(
    rows: Rows, events: Sequence[Event], *, pruned: int = 0, height: int | None = None
) -> None:
    """Every check below, for all rows and the whole ledger of one database.

    `pruned` is how many ledger rows pruning is known to have deleted, `height` the highest seq
    ever given out (it may be one of those; None: the last row's).
    """
    check_ledger(events, pruned=pruned, height=height)
    folded = fold(events)
    check_replay(rows, folded)
    check_ends(rows, folded)
    check_times(rows, folded)
    check_attempts(rows, folded)
    check_attached(rows, folded)
    check_keys(rows.values())


def check_ledger(events: Sequence[Event], *, pruned: int = 0, height: int | None = None) -> None:
    """I23, I24: seqs rise from 1 without gaps but for what was pruned; stamps rise with them."""
    for one, two in pairwise(events):
        ensure("I23 seq rises", one.seq < two.seq, one, two)
        ensure("I24 stamps rise with seq", one.at < two.at, one, two)
    if events:
        missing = (height or events[-1].seq) - len(events)
        ensure("I23 nothing but pruned rows is missing", missing == pruned, missing, pruned)


def fold(events: Iterable[Event]) -> dict[int, Folded]:
    """I1, I2, I9, I10, I22: replay the ledger, refusing every step that is not legal."""
    jobs: dict[int, Folded] = {}
    for event in events:
        if event.job_id is None:
            continue
        job = jobs.setdefault(event.job_id, Folded(event.job_id))
        job.history.append(event)
        if event.status is None:
            fold_annotation(job, event)
        else:
            fold_move(job, event, event.status)
    return jobs


def fold_move(job: Folded, event: Event, status: Status) -> None:
    """Apply one change of status."""
    step = (job.status, event.type, status)
    ensure("I1 every step is in the table", step in STEPS, step, event)
    ensure("I2 terminal is final", job.status not in TERMINAL, job.status, event)
    if event.type is EventType.STARTED:
        ensure("I9 each start has the next fence", event.fence == job.fence + 1, job.fence, event)
        ensure("a held job is not started", not job.held, event)
        job.fence += 1
        job.attempt_started_at = event.at
        job.started_at = job.started_at or event.at
        job.stop_reason = None
    elif event.type in FENCED_MOVES:
        ensure("I9 only the current attempt moves", event.fence == job.fence, job.fence, event)
    if event.type is EventType.READY:
        job.ready = event.data or ""
    if job.status is None:
        job.created_at = event.at
    if status is Status.PENDING:
        fold_entry(job, event)
    else:
        job.held = False
    if status in TERMINAL:
        job.completed_at = event.at
        job.ends += 1
    job.status, job.reason, job.cause = status, event.reason, event.cause


def fold_entry(job: Folded, event: Event) -> None:
    """Apply an entry to `pending`."""
    if event.type in READY:
        job.ready_stamps.clear()
    job.ready_stamps.add(event.at)
    job.first_ready_at = job.first_ready_at or event.at


def fold_annotation(job: Folded, event: Event) -> None:
    """Apply an event that changes no status."""
    ensure("a job's history begins with its creation", job.status is not None, event)
    if event.type in FENCED_NOTES:
        ensure("I10 only the live attempt reports", job.status in LIVE, job.status, event)
        ensure("I10 a report carries the fence", event.fence == job.fence, job.fence, event)
    if event.type is EventType.WARNING:
        job.warnings += 1
    elif event.type is EventType.STOPPING:
        ensure("one stop reason an attempt", job.stop_reason is None, job.stop_reason, event)
        ensure("I9 only the current attempt stops", event.fence == job.fence, job.fence, event)
        job.stop_reason = event.reason
    elif event.type is EventType.ATTACHED:
        ensure("only a draft is given files", job.status is Status.DRAFT, job.status, event)
        job.attached.append(event.data or "")
    elif event.type in (EventType.HELD, EventType.UNHELD):
        job.held = event.type is EventType.HELD


def check_replay(rows: Rows, folded: Mapping[int, Folded]) -> None:
    """I22: the ledger, replayed from nothing, gives exactly the rows."""
    ensure("I22 a row for each history and back", set(rows) == set(folded), set(rows) ^ set(folded))
    for row in rows.values():
        job = folded[row.id]
        told = (job.status, job.reason, job.cause, job.fence, job.warnings)
        kept = (row.status, row.reason, row.cause, row.fence, row.warnings)
        ensure("I22 row and ledger agree", told == kept, told, kept, row)
        ensure(
            "I22 a hold on the ledger is one on the row", not job.held or row.held is not None, row
        )
        if row.status in LIVE:
            same = job.stop_reason == row.stop_reason
            ensure("I22 stop reasons agree", same, job.stop_reason, row)


def check_ends(rows: Rows, folded: Mapping[int, Folded]) -> None:
    """I2, I3: one end a job, and `completed_at`, result and hold fit the status."""
    for row in rows.values():
        job = folded[row.id]
        ended = row.status in TERMINAL
        ensure("I3 exactly one end", job.ends == int(ended), job.ends, row)
        ensure("I3 completed_at exactly when ended", (row.completed_at is not None) == ended, row)
        ensure("I3 completed_at is the end's", row.completed_at == job.completed_at, job, row)
        completed = row.status is Status.COMPLETED
        ensure("I8 a result only when completed", completed or row.result is None, row)
        ensure("held only while pending", row.held is None or row.status is Status.PENDING, row)


def check_times(rows: Rows, folded: Mapping[int, Folded]) -> None:
    """I4, I5: a row's stamps are those of its events, and in order."""
    for row in rows.values():
        job = folded[row.id]
        told = (job.created_at, job.started_at, job.attempt_started_at)
        kept = (row.created_at, row.started_at, row.attempt_started_at)
        ensure("I5 stamps are those of the events", told == kept, told, kept, row)
        ready: set[int | None] = {*job.ready_stamps} or {None}
        ensure("I5 ready_at is the last ready event's", row.ready_at in ready, ready, row)
        if row.ready_at is not None:
            ensure("I4 created before ready", row.created_at <= row.ready_at, row)
        if row.started_at is None:
            continue
        ensure("I4 created before started", row.created_at < row.started_at, row)
        first = job.first_ready_at
        ensure("I4 ready before started", first is not None and first <= row.started_at, job, row)
        if row.completed_at is not None and row.attempt_started_at is not None:
            ensure("I4 started before ended", row.attempt_started_at < row.completed_at, row)


def check_attempts(rows: Rows, folded: Mapping[int, Folded]) -> None:
    """I6, I9: the fence counts the starts, and no attempt was free that should have cost."""
    for row in rows.values():
        starts = sum(event.type is EventType.STARTED for event in folded[row.id].history)
        ensure("I6 the fence is the number of starts", row.fence == starts, starts, row)
        paid = row.failures + row.losses + row.interruptions + row.snoozes
        ensure("I6 each new attempt has a reason", row.fence <= 1 + paid, paid, row)
        counters = (row.failures, row.losses, row.interruptions, row.snoozes, row.warnings)
        ensure("I6 counters are not negative", min(counters) >= 0, row)


def check_attached(rows: Rows, folded: Mapping[int, Folded]) -> None:
    """A row counts the files that its events tell of, and more only if it is a retry, which shares
    files; the release lists them all."""
    for row in rows.values():
        job = folded[row.id]
        shared = row.attachments - len(job.attached)
        retry = row.retried_from is not None
        ensure("files are those of the events", shared == 0 or (shared > 0 and retry), job, row)
        if job.ready is None:
            continue
        listed: list[object] = json.loads(job.ready)["attachments"]
        ensure("a release lists every file", len(listed) == row.attachments, job, row)
        told = [json.loads(file) for file in job.attached]
        ensure("a release lists the files attached", all(one in listed for one in told), job, row)


def check_keys(rows: Iterable[JobRecord]) -> None:
    """I12, I18: a key has one unended job, an idempotency key one job."""
    keyed: dict[str, list[int]] = defaultdict(list)
    once: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if row.key is not None and row.status not in TERMINAL:
            keyed[row.key].append(row.id)
        if row.idempotency_key is not None:
            once[row.idempotency_key].append(row.id)
    for key, ids in keyed.items():
        ensure("I12 one unended job a key", len(ids) == 1, key, ids)
    for key, ids in once.items():
        ensure("I18 one job an idempotency key", len(ids) == 1, key, ids)


def check_successor(before: Rows, after: Rows) -> None:
    """I2, I5, I6 between two looks: what ended is unchanged, what is written once is kept."""
    for row in before.values():
        later = after.get(row.id)
        if later is None:
            ensure("only ended jobs go away", row.status in TERMINAL, row)
            continue
        if row.status in TERMINAL:
            ensure("I2 no column of an ended row changes", row == later, row, later)
        ensure("I5 created_at is kept", row.created_at == later.created_at, row, later)
        if row.started_at is not None:
            ensure("I5 started_at is kept", row.started_at == later.started_at, row, later)
        ensure("I6 the fence never falls", row.fence <= later.fence, row, later)


def check_prefix(before: Sequence[Event], after: Sequence[Event]) -> None:
    """I17, I23: the ledger only grows; what was on it stays as it was."""
    same = list(after[: len(before)]) == list(before)
    ensure("I17 the ledger only grows", same, before[-3:], after[: len(before)][-3:])
