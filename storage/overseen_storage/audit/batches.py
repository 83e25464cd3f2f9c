"""Batches: told once each, their members counted, and none that waits for what is due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from overseen_storage.audit.checks import Check
from overseen_storage.audit.evidence import EventFacts, Evidence, JobFacts
from overseen_storage.audit.findings import Findings
from overseen_storage.audit.merging import Belongings
from overseen_storage.batch_lifecycle import BatchStatus
from overseen_storage.batch_records import BatchRecord, BatchSummary
from overseen_storage.lifecycle import LIVE, EventType, Status

STUCK_AFTER_US: Final = 600_000_000
"""How long what is due to a batch may wait while a process owns the database: ten minutes. The
watchdog looks every 30 seconds unless the program says otherwise."""

_STOPS: Final = (EventType.BATCH_TRIPPED, EventType.BATCH_CANCELLING)
_ONCE: Final = (
    *(EventType.BATCH_OPENED, EventType.BATCH_SEALED, EventType.BATCH_FINALIZED),
    *_STOPS,
)
_decode_summary = msgspec.json.Decoder(BatchSummary).decode


class _Sealed(msgspec.Struct):
    total: int


_decode_sealed = msgspec.json.Decoder(_Sealed).decode


@dataclass(slots=True)
class _Members:
    """What is counted of a batch's members while they pass by."""

    total: int = 0
    statuses: Counter[Status] = field(default_factory=Counter[Status])
    with_warnings: int = 0
    warnings: int = 0
    attempts: int = 0
    retried: int = 0
    last_ended_at: int = 0
    waiting: int = 0
    running: int = 0

    def see(self, row: JobFacts) -> None:
        self.total += 1
        self.statuses[row.status] += 1
        self.warnings += row.warnings
        self.with_warnings += row.status is Status.COMPLETED and row.warnings > 0
        self.attempts += row.fence
        self.retried += row.fence > 1
        self.last_ended_at = max(self.last_ended_at, row.completed_at or 0)
        if row.status in LIVE:
            self.running += 1
        elif row.completed_at is None:
            self.waiting += 1

    @property
    def open(self) -> int:
        return self.waiting + self.running


class BatchAudit:
    """Looks at one batch after the other.

    `now` is the ledger's last stamp, and `owned_since` the start of the life that may be going on:
    what has waited longer than `STUCK_AFTER_US` in that life is stuck.
    """

    def __init__(
        self, evidence: Evidence, findings: Findings, *, now: int, owned_since: int
    ) -> None:
        self._evidence = evidence
        self._findings = findings
        self._now = now
        self._owned_since = owned_since

    def check(self) -> int:
        """Every batch; how many there are."""
        evidence = self._evidence
        events = Belongings(
            evidence.events_of_batches(), lambda one: one.batch_id or 0, self._event_of_nobody
        )
        members = Belongings(
            evidence.members(), lambda one: one.batch_id or 0, self._member_of_nothing
        )
        callbacks = Belongings(
            evidence.callbacks(), lambda one: one.callback_of or 0, self._callback_of_nothing
        )
        count = 0
        for batch in evidence.batches():
            count += 1
            told = self._story(batch, events.of(batch.id))
            counted = self._members(batch, told, members.of(batch.id))
            self._counts(batch, counted)
            self._due(batch, told, counted)
            self._callbacks(batch, callbacks.of(batch.id))
        for stream in (events, members, callbacks):
            stream.finish()
        return count

    def _wrong(
        self, check: Check, batch: int, expected: object, found: object, job: int | None = None
    ) -> None:
        self._findings.problem(check, batch=batch, job=job, expected=expected, found=found)

    # What belongs to no batch

    def _event_of_nobody(self, event: EventFacts) -> None:
        expected = f"a row for batch {event.batch_id}"
        self._findings.problem(
            Check.BATCH_STORY,
            batch=event.batch_id,
            seq=event.seq,
            expected=expected,
            found=f"{event.type}, and no row",
        )

    def _member_of_nothing(self, row: JobFacts) -> None:
        expected = f"a row for batch {row.batch_id}"
        self._wrong(
            Check.BATCH_MEMBERS, row.batch_id or 0, expected, "a member, and no row", row.id
        )

    def _callback_of_nothing(self, row: JobFacts) -> None:
        expected = f"a row for batch {row.callback_of}"
        self._wrong(Check.CALLBACKS, row.callback_of or 0, expected, "its callback, no row", row.id)

    # Its story

    def _story(
        self, batch: BatchRecord, events: Iterable[EventFacts]
    ) -> dict[EventType, EventFacts]:
        """Its events, each once, in order, with the stamps of its row."""
        told: dict[EventType, EventFacts] = {}
        last: EventFacts | None = None
        for event in events:
            if event.type in told and event.type in _ONCE:
                self._wrong(
                    Check.BATCH_STORY, batch.id, f"one {event.type}", f"another: event {event.seq}"
                )
            if last is None and event.type is not EventType.BATCH_OPENED:
                self._wrong(Check.BATCH_STORY, batch.id, "its opening first", event.type)
            if last is not None and last.type is EventType.BATCH_FINALIZED:
                self._wrong(Check.BATCH_STORY, batch.id, "nothing after its end", event.type)
            told.setdefault(event.type, event)
            last = event
        for kind, name, at in (
            (EventType.BATCH_OPENED, "created_at", batch.created_at),
            (EventType.BATCH_SEALED, "sealed_at", batch.sealed_at),
            (EventType.BATCH_FINALIZED, "finalized_at", batch.finalized_at),
        ):
            event_at = told[kind].at if kind in told else None
            if event_at != at:
                expected = f"{name} {event_at}, as the ledger tells"
                self._wrong(Check.BATCH_STORY, batch.id, expected, f"{name} {at}")
        if (batch.finalized_at is not None) != batch.ended:
            self._wrong(Check.BATCH_STORY, batch.id, "an end with its finalization", batch.status)
        if any(stop in told for stop in _STOPS) != (batch.stopped is not None):
            expected = "stopped exactly when the ledger tells of a stop"
            self._wrong(Check.BATCH_STORY, batch.id, expected, f"stopped {batch.stopped}")
        self._check_sealed_total(batch, told)
        return told

    def _check_sealed_total(self, batch: BatchRecord, told: dict[EventType, EventFacts]) -> None:
        sealed = told.get(EventType.BATCH_SEALED)
        if sealed is None or sealed.data is None:
            return
        try:
            total = _decode_sealed(sealed.data).total
        except msgspec.DecodeError as error:
            self._wrong(Check.BATCH_COUNTS, batch.id, "a total in its sealing", error)
            return
        if total != batch.total:
            expected = f"total {total}, as its sealing tells"
            self._wrong(Check.BATCH_COUNTS, batch.id, expected, f"total {batch.total}")

    # Its members

    def _members(
        self,
        batch: BatchRecord,
        told: dict[EventType, EventFacts],
        members: Iterable[JobFacts],
    ) -> _Members:
        """I30: stamps rise with the sequence, so the rows' stamps tell who came too late."""
        stops = [told[stop].at for stop in _STOPS if stop in told]
        stopped_at = min(stops, default=None)
        counted = _Members()
        for row in members:
            counted.see(row)
            for name, at, limit, what in (
                ("submitted", row.created_at, batch.sealed_at, "sealed"),
                ("started", row.attempt_started_at, stopped_at, "stopped"),
                ("ended", row.completed_at, batch.finalized_at, "finalized"),
            ):
                if at is not None and limit is not None and at > limit:
                    expected = f"{name} before the batch was {what}, at {limit}"
                    self._wrong(Check.BATCH_MEMBERS, batch.id, expected, f"at {at}", row.id)
        if batch.ended and counted.open:
            found = f"{counted.open} of them"
            self._wrong(Check.BATCH_MEMBERS, batch.id, "no open member after its end", found)
        return counted

    def _counts(self, batch: BatchRecord, counted: _Members) -> None:
        if batch.total is not None and not batch.ended and batch.total != counted.total:
            expected = f"{batch.total} members"
            self._wrong(Check.BATCH_COUNTS, batch.id, expected, f"{counted.total}")
        if batch.summary is None:
            if batch.ended:
                self._wrong(Check.BATCH_COUNTS, batch.id, "a frozen summary", "none")
            return
        try:
            summary = _decode_summary(batch.summary)
        except msgspec.DecodeError as error:
            self._wrong(Check.BATCH_COUNTS, batch.id, "a summary that can be read", error)
            return
        self._check_summary(batch, summary, counted)

    def _check_summary(self, batch: BatchRecord, summary: BatchSummary, counted: _Members) -> None:
        """While all members are kept the numbers are theirs; pruned ones can only be missing."""
        if summary.completed + summary.failed + summary.cancelled != summary.total:
            self._wrong(Check.BATCH_COUNTS, batch.id, "a summary that adds up", summary)
        if summary.total != batch.total or summary.status is not batch.status:
            expected = f"a summary of {batch.total} members, {batch.status}"
            found = f"{summary.total}, {summary.status}"
            self._wrong(Check.BATCH_COUNTS, batch.id, expected, found)
        if summary.status is BatchStatus.COMPLETED and summary.completed != summary.total:
            expected = f"all {summary.total} completed"
            self._wrong(Check.BATCH_COUNTS, batch.id, expected, f"{summary.completed}")
        whole = counted.total == batch.total
        for name, frozen, kept in (
            ("completed", summary.completed, counted.statuses[Status.COMPLETED]),
            ("failed", summary.failed, counted.statuses[Status.FAILED]),
            ("cancelled", summary.cancelled, counted.statuses[Status.CANCELLED]),
            ("completed with warnings", summary.completed_with_warnings, counted.with_warnings),
            ("warnings", summary.warnings, counted.warnings),
            ("attempts", summary.attempts, counted.attempts),
            ("retried", summary.retried, counted.retried),
        ):
            if kept > frozen or (whole and kept != frozen):
                expected = f"{name} {kept}, as its members say"
                self._wrong(Check.BATCH_COUNTS, batch.id, expected, f"{name} {frozen}")

    # What is due to it

    def _due(
        self, batch: BatchRecord, told: dict[EventType, EventFacts], counted: _Members
    ) -> None:
        sealed = batch.status is BatchStatus.PROCESSING
        is_due = sealed and not counted.open
        if batch.due != is_due:
            expected = f"due {is_due}: {counted.open} members are open"
            self._wrong(Check.BATCH_STUCK, batch.id, expected, f"due {batch.due}")
        if is_due:
            since = max(batch.sealed_at or 0, counted.last_ended_at)
            self._waits(batch, since, "finalized: its last member has ended")
        elif batch.stopped is not None and not batch.ended and counted.waiting:
            since = min((told[stop].at for stop in _STOPS if stop in told), default=0)
            self._waits(batch, since, f"rid of {counted.waiting} waiting members: it was stopped")

    def _waits(self, batch: BatchRecord, since: int, for_what: str) -> None:
        waited = self._now - max(since, self._owned_since)
        found = f"it waits since {since}"
        if self._owned_since and waited > STUCK_AFTER_US:
            self._wrong(Check.BATCH_STUCK, batch.id, for_what, found)
        else:
            self._findings.note(Check.BATCH_STUCK, batch=batch.id, expected=for_what, found=found)

    def _callbacks(self, batch: BatchRecord, callbacks: Iterable[JobFacts]) -> None:
        seen: set[str | None] = set()
        for row in callbacks:
            if row.callback_event in seen:
                expected = f"one callback for {row.callback_event}"
                self._wrong(Check.CALLBACKS, batch.id, expected, "another", row.id)
            seen.add(row.callback_event)
            if batch.finalized_at is None or row.created_at < batch.finalized_at:
                expected = "no callback before its end"
                self._wrong(Check.CALLBACKS, batch.id, expected, "submitted before", row.id)
