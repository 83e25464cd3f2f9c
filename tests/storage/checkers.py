"""What must hold for any database, seen from its rows and its ledger alone.

The checks are the product's own audit (`overseen_storage.audit`), over records that a test has
read; `Broken` holds what it found. What only two looks at the same store can tell is here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from overseen_storage.audit import Check, Evidence, Findings, Recorded, Severity, audit
from overseen_storage.lifecycle import TERMINAL, EventType
from overseen_storage.records import Event, JobRecord

Rows = Mapping[int, JobRecord]

OF_JOBS = frozenset(
    {Check.SEQUENCE, Check.STAMPS, Check.PATH, Check.ENDS, Check.ROWS, Check.TIMES}
    | {Check.FENCES, Check.DUE, Check.HOLDS, Check.KEYS}
)
"""What rows and events of jobs tell of any store. `COUNTERS` and `PAUSES` are decided by the
supervisor: a test that speaks to a store itself may count, and claim, as it likes."""

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


def check_evidence(evidence: Evidence, only: Collection[Check]) -> None:
    """Run these checks; raise `Broken` with the first problems that they found."""
    findings = Findings(only=only)
    audit(evidence, findings)
    if findings.problems:
        found = [one for one in findings if one.severity is Severity.PROBLEM][:9]
        told = [f"{one.check} ({one.about}): {one.expected}; found {one.found}" for one in found]
        raise Broken(f"{findings.problems} problems: " + " | ".join(told))


def check_everything(
    rows: Rows, events: Sequence[Event], *, pruned: int = 0, height: int | None = None
) -> None:
    """Every check of jobs, for all rows and the whole ledger of one database.

    `pruned` is how many ledger rows pruning is known to have deleted, `height` the highest seq
    ever given out (it may be one of those; None: the last row's).
    """
    recorded = Recorded(tuple(rows.values()), events, pruned=pruned, height=height)
    check_evidence(recorded, OF_JOBS)
    check_attempts(rows.values())


def check_ledger(events: Sequence[Event], *, pruned: int = 0, height: int | None = None) -> None:
    """I23, I24: seqs rise from 1 without gaps but for what was pruned; stamps rise with them."""
    recorded = Recorded((), events, pruned=pruned, height=height)
    check_evidence(recorded, {Check.SEQUENCE, Check.STAMPS})


def check_attempts(rows: Iterable[JobRecord]) -> None:
    """I6: no attempt was free that should have cost, whoever counted."""
    for row in rows:
        paid = row.failures + row.losses + row.interruptions + row.snoozes
        ensure("I6 each new attempt has a reason", row.fence <= 1 + paid, paid, row)


def histories(events: Iterable[Event]) -> dict[int, list[Event]]:
    """The events of each job, in order."""
    found: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.job_id is not None:
            found[event.job_id].append(event)
    return dict(found)


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
