"""What an audit looks at, wherever it is kept: a SQLite file, or records in memory.

Everything comes in order and piece by piece, so that an audit needs no more memory for a million
jobs than for one. All of it must be seen at one moment: a source reads in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from overseen_storage.batch_records import BatchRecord
from overseen_storage.lifecycle import Cause, EventType, Held, Reason, Status
from overseen_storage.records import AttachmentRecord, EpochRecord, QueueRecord


class JobFacts(msgspec.Struct, frozen=True, gc=False):
    """As much of a job's row as is checked; fields as in `JobRecord`."""

    id: int
    queue: str
    status: Status
    reason: Reason | None
    cause: Cause
    held: Held | None
    stop_reason: Reason | None
    fence: int
    epoch: int | None
    created_at: int
    ready_at: int | None
    started_at: int | None
    attempt_started_at: int | None
    completed_at: int | None
    failures: int
    losses: int
    interruptions: int
    snoozes: int
    warnings: int
    retries: int
    losses_allowed: int
    attachments: int
    retried_from: int | None
    batch_id: int | None
    callback_of: int | None
    callback_event: str | None
    has_result: bool
    changed_at: int | None = None
    """Stamp of the last event that changed the row; None where the source does not say."""


class EventFacts(msgspec.Struct, frozen=True, gc=False):
    """One row of the ledger; `queue` and `batch_id` are those of events about them only."""

    seq: int
    at: int
    type: EventType
    cause: Cause
    job_id: int | None
    status: Status | None
    fence: int | None
    reason: Reason | None
    data: str | None
    queue: str | None
    batch_id: int | None


class Numbers(msgspec.Struct, frozen=True):
    """What the store counted."""

    seq: int
    """The highest seq ever given out."""
    events_pruned: int
    """Events that pruning deleted."""
    pruned_to: int
    """The highest seq among those; gaps are below it."""
    job_id: int
    """The highest id of a job ever given out."""


class Evidence(Protocol):
    """Where rows and ledger are read from, all as of one moment."""

    def numbers(self) -> Numbers:
        """What the store counted."""
        ...

    def epochs(self) -> list[EpochRecord]:
        """Every life, oldest first."""
        ...

    def queues(self) -> list[QueueRecord]:
        """Every queue that was ever paused."""
        ...

    def stamps(self) -> Iterable[tuple[int, int]]:
        """Seq and stamp of every event, by seq."""
        ...

    def events_of_no_job(self) -> Iterator[EventFacts]:
        """Events about epochs, queues, batches and the supervisor, by seq."""
        ...

    def events_of_jobs(self) -> Iterator[EventFacts]:
        """Events about jobs, by job and seq."""
        ...

    def events_of_batches(self) -> Iterator[EventFacts]:
        """Events about batches and no job, by batch and seq."""
        ...

    def jobs(self) -> Iterator[JobFacts]:
        """Every job, by id."""
        ...

    def members(self) -> Iterator[JobFacts]:
        """Every job of a batch, by batch and id."""
        ...

    def callbacks(self) -> Iterator[JobFacts]:
        """Every job that the end of a batch submitted, by batch and id."""
        ...

    def batches(self) -> Iterator[BatchRecord]:
        """Every batch, by id."""
        ...

    def attachments(self) -> Iterator[AttachmentRecord]:
        """Every file of a job, by job and name."""
        ...

    def open_keys(self) -> Iterable[tuple[str, int]]:
        """Key and id of every job that has a key and has not ended, by key."""
        ...

    def idempotency_keys(self) -> Iterable[tuple[str, int]]:
        """Idempotency key and id of every job that has one, by key."""
        ...

    def uses(self, stored_name: str) -> bool:
        """Whether a job has the file of this name."""
        ...
