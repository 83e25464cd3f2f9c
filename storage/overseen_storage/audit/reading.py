"""Evidence from a SQLite database, read in order while one transaction is open."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

from overseen_storage.audit.checks import Check
from overseen_storage.audit.evidence import EventFacts, JobFacts, Numbers
from overseen_storage.audit.findings import Findings
from overseen_storage.batch_lifecycle import BATCH_POLICY_CODES, BATCH_STATUS_CODES
from overseen_storage.batch_records import BatchRecord
from overseen_storage.lifecycle import Held, Reason, Status
from overseen_storage.records import AttachmentRecord, EpochRecord, QueueRecord
from overseen_storage.sqlite.writer import (
    CAUSE_OF,
    EVENT_OF,
    HELD_OF,
    REASON_OF,
    STATUS_OF,
)

Row = tuple[Any, ...]
"""As sqlite3 gives it: the schema is STRICT, so columns have the types that they declare."""
T = TypeVar("T")

_JOB: Final = """SELECT id, queue, status, reason, cause, held, stop_reason, fence, epoch,
    created_at, ready_at, started_at, attempt_started_at, completed_at, failures, losses,
    interruptions, snoozes, warnings, retries, losses_allowed, attachments, retried_from, batch_id,
    callback_of, callback_event, result IS NOT NULL, changed_at FROM job"""
_EVENT: Final = """SELECT seq, at, type, cause, job_id, status, fence, reason, data, queue, batch_id
    FROM ledger"""
_BATCH: Final = """SELECT id, name, status, policy, threshold, stopped, due, created_at, sealed_at,
    total, finalized_at, summary FROM batch ORDER BY id"""
_NUMBERS: Final = """SELECT
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'ledger'), 0),
    coalesce((SELECT value FROM meta WHERE key = 'events_pruned'), 0),
    coalesce((SELECT value FROM meta WHERE key = 'pruned_to'), 0),
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'job'), 0)"""
_BATCH_STATUS_OF: Final = {code: status for status, code in BATCH_STATUS_CODES.items()}
_BATCH_POLICY_OF: Final = {code: policy for policy, code in BATCH_POLICY_CODES.items()}


class DatabaseEvidence:
    """Reads through a connection whose transaction is open for as long as this is used.

    A row with a number that stands for no word is told of and passed over.
    """

    def __init__(self, connection: sqlite3.Connection, findings: Findings) -> None:
        self._connection = connection
        self._findings = findings

    def numbers(self) -> Numbers:
        """See `Evidence.numbers`."""
        return Numbers(*self._connection.execute(_NUMBERS).fetchone())

    def epochs(self) -> list[EpochRecord]:
        """See `Evidence.epochs`."""
        rows = self._connection.execute(
            "SELECT id, pid, host, version, started_at, stopped_at FROM epoch ORDER BY id"
        )
        return [
            EpochRecord(
                id=id_, pid=pid, host=host, version=version, started_at=started, stopped_at=stopped
            )
            for id_, pid, host, version, started, stopped in rows
        ]

    def queues(self) -> list[QueueRecord]:
        """See `Evidence.queues`."""
        rows = self._connection.execute("SELECT name, paused_at FROM queue ORDER BY name")
        return [QueueRecord(name=name, paused_at=paused_at) for name, paused_at in rows]

    def stamps(self) -> Iterable[tuple[int, int]]:
        """See `Evidence.stamps`."""
        return self._connection.execute("SELECT seq, at FROM ledger ORDER BY seq")

    def events_of_no_job(self) -> Iterator[EventFacts]:
        """See `Evidence.events_of_no_job`."""
        return self._events("WHERE job_id IS NULL ORDER BY seq")

    def events_of_jobs(self) -> Iterator[EventFacts]:
        """See `Evidence.events_of_jobs`."""
        return self._events("WHERE job_id IS NOT NULL ORDER BY job_id, seq")

    def events_of_batches(self) -> Iterator[EventFacts]:
        """See `Evidence.events_of_batches`."""
        return self._events("WHERE batch_id IS NOT NULL AND job_id IS NULL ORDER BY batch_id, seq")

    def jobs(self) -> Iterator[JobFacts]:
        """See `Evidence.jobs`."""
        return self._jobs("ORDER BY id")

    def members(self) -> Iterator[JobFacts]:
        """See `Evidence.members`."""
        return self._jobs("WHERE batch_id IS NOT NULL ORDER BY batch_id, id")

    def callbacks(self) -> Iterator[JobFacts]:
        """See `Evidence.callbacks`."""
        return self._jobs("WHERE callback_of IS NOT NULL ORDER BY callback_of, callback_event, id")

    def batches(self) -> Iterator[BatchRecord]:
        """See `Evidence.batches`."""
        for row in self._connection.execute(_BATCH):
            batch = self._made(_batch, row, "batch")
            if batch is not None:
                yield batch

    def attachments(self) -> Iterator[AttachmentRecord]:
        """See `Evidence.attachments`."""
        for row in self._connection.execute(
            "SELECT job_id, name, digest, size_bytes, stored_name, created_at"
            " FROM attachment ORDER BY job_id, name"
        ):
            job_id, name, digest, size, stored, created = row
            yield AttachmentRecord(
                job_id=job_id,
                name=name,
                digest=digest,
                size_bytes=size,
                stored_name=stored,
                created_at=created,
            )

    def open_keys(self) -> Iterable[tuple[str, int]]:
        """See `Evidence.open_keys`."""
        return self._connection.execute(
            "SELECT key, id FROM job WHERE key IS NOT NULL AND completed_at IS NULL ORDER BY key"
        )

    def idempotency_keys(self) -> Iterable[tuple[str, int]]:
        """See `Evidence.idempotency_keys`."""
        return self._connection.execute(
            "SELECT idempotency_key, id FROM job WHERE idempotency_key IS NOT NULL"
            " ORDER BY idempotency_key"
        )

    def uses(self, stored_name: str) -> bool:
        """See `Evidence.uses`."""
        found = self._connection.execute(
            "SELECT 1 FROM attachment WHERE stored_name = ? LIMIT 1", (stored_name,)
        )
        return found.fetchone() is not None

    def _events(self, where: str) -> Iterator[EventFacts]:
        for row in self._connection.execute(f"{_EVENT} {where}"):
            event = self._made(_event, row, "event")
            if event is not None:
                yield event

    def _jobs(self, where: str) -> Iterator[JobFacts]:
        for row in self._connection.execute(f"{_JOB} {where}"):
            job = self._made(_job, row, "job")
            if job is not None:
                yield job

    def _made(self, make: Callable[[Row], T], row: Row, what: str) -> T | None:
        try:
            return make(row)
        except KeyError as error:
            number = row[0] if isinstance(row[0], int) else None
            self._findings.problem(
                Check.WORDS,
                job=number if what == "job" else None,
                batch=number if what == "batch" else None,
                seq=number if what == "event" else None,
                expected="numbers that stand for a word",
                found=f"{error.args[0]} in a row of {what}",
            )
            return None


_STATUSES: Final = dict[int | None, Status | None]([(None, None), *STATUS_OF.items()])
_REASONS: Final = dict[int | None, Reason | None]([(None, None), *REASON_OF.items()])
_HOLDS: Final = dict[int | None, Held | None]([(None, None), *HELD_OF.items()])


def _event(row: Row) -> EventFacts:
    seq, at, kind, cause, job_id, status, fence, reason, data, queue, batch_id = row
    return EventFacts(
        seq,
        at,
        EVENT_OF[kind],
        CAUSE_OF[cause],
        job_id,
        _STATUSES[status],
        fence,
        _REASONS[reason],
        data,
        queue,
        batch_id,
    )


def _job(row: Row) -> JobFacts:
    job_id, queue, status, reason, cause, held, stop_reason, *others = row
    return JobFacts(
        job_id,
        queue,
        STATUS_OF[status],
        _REASONS[reason],
        CAUSE_OF[cause],
        _HOLDS[held],
        _REASONS[stop_reason],
        *others,
    )


def _batch(row: Row) -> BatchRecord:
    id_, name, status, policy, threshold, stopped, due, created, *others = row
    sealed, total, finalized, summary = others
    return BatchRecord(
        id=id_,
        name=name,
        status=_BATCH_STATUS_OF[status],
        policy=_BATCH_POLICY_OF[policy],
        threshold=threshold,
        stopped=_REASONS[stopped],
        due=bool(due),
        created_at=created,
        sealed_at=sealed,
        total=total,
        finalized_at=finalized,
        summary=summary,
    )
