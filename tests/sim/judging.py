"""The oracle's look at judgements: who was told to stop, who was not, and whose word counted.

Bodies say when they return, and what they will do is in their arguments: so it is known who had
run too long or had been silent, and who had not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
from tests.sim.bodies import ALL_KINDS, careful
from tests.sim.book import Book
from tests.sim.disk import Disk
from tests.sim.options import Options

from overseen import BatchPolicy, Event, EventType, JobRecord, Reason, Status
from overseen_storage.lifecycle import Cause

PLANNED_TOGETHER_US = 1_000
"""Stamps of one group follow each other: the last ones may be so far ahead of their moment."""
MARGIN_SECONDS = 2.0
UNNOTICED_SHARE = 1 / 8
"""A stall is noticed up to this share of the time that an attempt had left."""
CALM = frozenset({"sleep", "beat", "progress", "warn", "log", "mark", "raise"})
"""Steps that take exactly as long as they say."""
SIGNS_OF_LIFE = frozenset({"beat", "progress", "mark"})

_LIMITS = {one.kind: (one.definition.timeout_us, one.definition.heartbeat_us) for one in ALL_KINDS}


class _Given(msgspec.Struct):
    scripts: list[list[str]] = []


_decode = msgspec.json.Decoder(_Given).decode


def check_judgements(book: Book, disk: Disk, options: Options) -> None:
    """I13, I14, L3, and what becomes of lost jobs and of batches that fail."""
    quiet = options.faults == 0 and not any("block" in row.arguments for row in disk.rows.values())
    for row in disk.rows.values():
        events = disk.of_job[row.id]
        verdicts = {one.fence: one for one in events if one.type is EventType.STOPPING}
        for verdict in verdicts.values():
            _check_verdict(book, row, verdict)
        _check_ends(book, row, events, verdicts)
        if options.forgets != careful.kind:
            _check_hold(book, row, events)
        if quiet:
            _check_nobody_forgotten(book, row, events, verdicts)
    _check_policies(book, disk)


def _check_verdict(book: Book, row: JobRecord, verdict: Event) -> None:
    """Nobody is judged who has returned, or who kept every promise it made."""
    attempt = verdict.fence or 0
    returned_at = book.returned_at.get((row.id, attempt))
    if returned_at is not None and verdict.at > returned_at + PLANNED_TOGETHER_US:
        what = f"attempt {attempt} returned at {returned_at}: {verdict}"
        book.broken("I14 nobody is judged who has returned", what)
    plan = Plan.of(row, attempt)
    if plan is None:
        return
    limit = plan.timeout if verdict.reason is Reason.TIMEOUT else plan.heartbeat
    longest = plan.seconds if verdict.reason is Reason.TIMEOUT else plan.silence
    if limit is not None and longest < limit * (1 - UNNOTICED_SHARE) - MARGIN_SECONDS / 4:
        what = f"{row.kind} {plan.steps} takes {longest} s of {limit}: {verdict}"
        book.broken("L3 a live one is never judged", what)


def _check_ends(
    book: Book, row: JobRecord, events: list[Event], verdicts: dict[int | None, Event]
) -> None:
    """A committed verdict stands; without one, who returns first has completed."""
    for event in events:
        if event.type is EventType.COMPLETED and event.fence in verdicts:
            book.broken("I14 a verdict stands", f"{verdicts[event.fence]}, then {event}")
    lost = any(event.fence == row.fence and event.reason is Reason.LOST for event in events)
    lost = lost or row.cause is Cause.RECOVERY  # nobody was there to hear what it returned
    returned = (row.id, row.fence) in book.returned and row.fence not in verdicts
    if row.status is Status.CANCELLED and returned and not lost:
        book.broken("I13 who returns first has completed", f"{row}")


def _check_hold(book: Book, row: JobRecord, events: list[Event]) -> None:
    """A kind that must not run twice by itself waits for somebody to say so.

    A life that does not know the kind cannot know this either: it puts the job back (an open
    question: a row does not say what its kind wants to happen to what is lost)."""
    if row.kind != careful.kind:
        return
    waits = False
    for event in events:
        if event.type is EventType.REQUEUED and event.reason is Reason.LOST:
            waits = True
        elif event.type is EventType.UNHELD:
            waits = False
        elif event.type is EventType.STARTED and waits:
            book.broken("a lost job is held", f"job {row.id}: {event}")


def _check_nobody_forgotten(
    book: Book, row: JobRecord, events: list[Event], verdicts: dict[int | None, Event]
) -> None:
    """Who ran past its limit was told so, when nothing stood still."""
    for event in events:
        plan = Plan.of(row, event.fence or 0)
        if event.type is not EventType.COMPLETED or plan is None or event.fence in verdicts:
            continue
        for limit, longest in ((plan.timeout, plan.seconds), (plan.heartbeat, plan.silence)):
            if limit is not None and longest > limit + MARGIN_SECONDS:
                what = f"{row.kind} {plan.steps} takes {longest} s of {limit}: {event}"
                book.broken("L3 who is too long is judged", what)


def _check_policies(book: Book, disk: Disk) -> None:
    """A batch is stopped by as many failures as its policy names."""
    if disk.prunes:
        return
    failed = Counter(row.batch_id for row in disk.rows.values() if row.status is Status.FAILED)
    for one in disk.batches.values():
        needed = {BatchPolicy.FAIL_FAST: 1.0, BatchPolicy.THRESHOLD: one.threshold}.get(one.policy)
        if needed is not None and failed[one.id] >= needed and one.stopped is None:
            what = f"{failed[one.id]} failures in {one}"
            book.broken("a batch is stopped as its policy says", what)


class Plan:
    """What a body will do in one attempt, and what it has promised."""

    def __init__(self, kind: str, steps: list[str]) -> None:
        timeout_us, heartbeat_us = _LIMITS[kind]
        self.steps = steps
        self.timeout = None if timeout_us is None else timeout_us / 1e6
        self.heartbeat = None if heartbeat_us is None else heartbeat_us / 1e6
        stretches = list(_stretches(steps))
        self.seconds = sum(stretches)
        self.silence = max(stretches)

    @classmethod
    def of(cls, row: JobRecord, attempt: int) -> Plan | None:
        """None where it cannot be told."""
        scripts = _decode(row.arguments).scripts
        if not scripts or row.kind not in _LIMITS or row.kind in ("reader", "threaded"):
            return None
        if row.timeout_us is not None or row.heartbeat_us is not None:
            return None
        steps = scripts[min(attempt, len(scripts)) - 1]
        return cls(row.kind, steps) if {one.split()[0] for one in steps} <= CALM else None


def _stretches(steps: list[str]) -> Iterator[float]:
    """How long it is silent, each time."""
    silent = 0.0
    for step in steps:
        verb, _, number = step.partition(" ")
        if verb == "sleep":
            silent += float(number)
        elif verb in SIGNS_OF_LIFE:
            yield silent
            silent = 0.0
    yield silent
