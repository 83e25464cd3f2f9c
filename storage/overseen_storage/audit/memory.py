"""Evidence from records in memory: what a `Store` answered, whatever keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from overseen_storage.audit.evidence import EventFacts, JobFacts, Numbers
from overseen_storage.batch_records import BatchRecord
from overseen_storage.records import (
    AttachmentRecord,
    EpochRecord,
    Event,
    JobRecord,
    QueueRecord,
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Rows and events that somebody read; each in any order."""

    rows: Sequence[JobRecord]
    ledger: Sequence[Event]
    recorded_batches: Sequence[BatchRecord] = ()
    files: Sequence[AttachmentRecord] = ()
    lives: Sequence[EpochRecord] = ()
    paused: Sequence[QueueRecord] = ()
    pruned: int = 0
    """Events that pruning is known to have deleted."""
    height: int | None = None
    """The highest seq ever given out; None: the last event's."""

    def numbers(self) -> Numbers:
        """See `Evidence.numbers`."""
        last = max((event.seq for event in self.ledger), default=0)
        height = last if self.height is None else self.height
        return Numbers(
            seq=height,
            events_pruned=self.pruned,
            pruned_to=height if self.pruned else 0,
            job_id=max((row.id for row in self.rows), default=0),
        )

    def epochs(self) -> list[EpochRecord]:
        """See `Evidence.epochs`."""
        return list(self.lives)

    def queues(self) -> list[QueueRecord]:
        """See `Evidence.queues`."""
        return list(self.paused)

    def stamps(self) -> Iterator[tuple[int, int]]:
        """See `Evidence.stamps`."""
        return ((event.seq, event.at) for event in self.ledger)

    def events_of_no_job(self) -> Iterator[EventFacts]:
        """See `Evidence.events_of_no_job`."""
        return (event_facts(one) for one in self.ledger if one.job_id is None)

    def events_of_jobs(self) -> Iterator[EventFacts]:
        """See `Evidence.events_of_jobs`."""
        found = [one for one in self.ledger if one.job_id is not None]
        found.sort(key=lambda one: one.job_id or 0)  # stable: their order stays
        return map(event_facts, found)

    def events_of_batches(self) -> Iterator[EventFacts]:
        """See `Evidence.events_of_batches`."""
        found = [one for one in self.ledger if one.job_id is None and one.batch_id is not None]
        found.sort(key=lambda one: one.batch_id or 0)
        return map(event_facts, found)

    def jobs(self) -> Iterator[JobFacts]:
        """See `Evidence.jobs`."""
        return map(job_facts, sorted(self.rows, key=lambda row: row.id))

    def members(self) -> Iterator[JobFacts]:
        """See `Evidence.members`."""
        found = [row for row in self.rows if row.batch_id is not None]
        return map(job_facts, sorted(found, key=lambda row: (row.batch_id or 0, row.id)))

    def callbacks(self) -> Iterator[JobFacts]:
        """See `Evidence.callbacks`."""
        found = [row for row in self.rows if row.callback_of is not None]
        return map(job_facts, sorted(found, key=lambda row: (row.callback_of or 0, row.id)))

    def batches(self) -> Iterator[BatchRecord]:
        """See `Evidence.batches`."""
        return iter(sorted(self.recorded_batches, key=lambda batch: batch.id))

    def attachments(self) -> Iterator[AttachmentRecord]:
        """See `Evidence.attachments`."""
        return iter(sorted(self.files, key=lambda one: (one.job_id, one.name)))

    def open_keys(self) -> list[tuple[str, int]]:
        """See `Evidence.open_keys`."""
        return sorted((row.key, row.id) for row in self.rows if row.key and not row.ended)

    def idempotency_keys(self) -> list[tuple[str, int]]:
        """See `Evidence.idempotency_keys`."""
        return sorted((row.idempotency_key, row.id) for row in self.rows if row.idempotency_key)

    def uses(self, stored_name: str) -> bool:
        """See `Evidence.uses`."""
        return any(one.stored_name == stored_name for one in self.files)


def event_facts(event: Event) -> EventFacts:
    """An event as an audit looks at it."""
    return EventFacts(
        seq=event.seq,
        at=event.at,
        type=event.type,
        cause=event.cause,
        job_id=event.job_id,
        status=event.status,
        fence=event.fence,
        reason=event.reason,
        data=event.data,
        queue=event.queue,
        batch_id=event.batch_id,
    )


def job_facts(row: JobRecord) -> JobFacts:
    """A row as an audit looks at it."""
    return JobFacts(
        id=row.id,
        queue=row.queue,
        status=row.status,
        reason=row.reason,
        cause=row.cause,
        held=row.held,
        stop_reason=row.stop_reason,
        fence=row.fence,
        epoch=row.epoch,
        created_at=row.created_at,
        ready_at=row.ready_at,
        started_at=row.started_at,
        attempt_started_at=row.attempt_started_at,
        completed_at=row.completed_at,
        failures=row.failures,
        losses=row.losses,
        interruptions=row.interruptions,
        snoozes=row.snoozes,
        warnings=row.warnings,
        retries=row.retries,
        losses_allowed=row.losses_allowed,
        attachments=row.attachments,
        retried_from=row.retried_from,
        batch_id=row.batch_id,
        callback_of=row.callback_of,
        callback_event=row.callback_event,
        has_result=row.result is not None,
    )
