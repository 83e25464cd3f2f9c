"""The contract of a store. It speaks the domain; the supervisor decides, the store keeps.

Every method is one transaction. Time is a parameter: a store has no clock. Writes come from one
owner; reads may come at any time and see only what is committed. Every method raises
`StoreClosed` before `open` and after `close`, and `StoreUnavailable` when the disk, the file or
the connection fails: then nothing of that call happened, except where `CommitUnknown` says
that it cannot be known.
"""

from __future__ import annotations

from typing import Protocol

from overseen_storage.answers import (
    BatchesToDo,
    Committed,
    Deadlines,
    EventPage,
    JobSnapshot,
    Opened,
    Pruned,
)
from overseen_storage.batch_records import BatchRecord, BatchSnapshot, BatchSummary
from overseen_storage.groups import BatchQuery, Group, JobQuery, PruneRequest
from overseen_storage.records import (
    AttachmentRecord,
    EpochRecord,
    Event,
    JobRecord,
    LogLine,
    QueueRecord,
)


class Store(Protocol):
    """Keeps jobs. See the module's text for what holds for every method."""

    @property
    def location(self) -> str:
        """Where it keeps them, for people: a path, ``:memory:``, an address."""
        ...

    async def open(self, *, at: int, pid: int, host: str, version: str) -> Opened:
        """Take the store over: lock, check, migrate, begin a new epoch.

        `at` is the wall clock in microseconds; the epoch's stamp is the higher of it and the
        last stamp on disk plus one. Raises `DatabaseRefused` in its several forms; then
        nothing is held and nothing was changed.
        """
        ...

    async def close(self, *, at: int | None, keep_owner: bool = False) -> None:
        """Give the store up; `at` is the epoch's end (None: leave the epoch unended, as a crash
        would). Safe to call twice, and on a store that was never opened.

        With `keep_owner` nobody else may open it yet: bodies still run. `release_owner` ends
        that."""
        ...

    def release_owner(self) -> None:
        """After ``close(keep_owner=True)``: let the next owner in. Safe to call at any time."""
        ...

    async def reopen(self) -> Opened:
        """After `StoreUnavailable` or `CommitUnknown`: close, look at the disk again, go on in
        the same epoch. Raises `StoreUnavailable` while it does not work."""
        ...

    async def commit(self, group: Group) -> Committed:
        """Apply `group` in one transaction. What this returns is on disk."""
        ...

    async def prune(self, request: PruneRequest) -> Pruned:
        """Delete one chunk of old ended jobs. Their numbers are remembered, so that a missing
        row can be told from a pruned one."""
        ...

    async def write_logs(self, lines: list[LogLine], *, keep_per_job: int) -> None:
        """Store log lines, keeping only the newest `keep_per_job` of a job. Droppable: the
        caller does not retry."""
        ...

    async def checkpoint(self, *, truncate: bool) -> int:
        """Housekeeping between groups; returns the size of the write-ahead log in bytes."""
        ...

    async def job(self, job_id: int) -> JobRecord | None:
        """One row, or None."""
        ...

    async def job_snapshot(self, job_id: int) -> JobSnapshot:
        """One row and the ledger's height in the same transaction."""
        ...

    async def jobs(self, query: JobQuery) -> list[JobRecord]:
        """A page, newest first."""
        ...

    async def orphans(self, *, epoch: int, after_id: int, limit: int) -> list[JobRecord]:
        """Rows that are running or cancelling in another epoch than `epoch`, by id."""
        ...

    async def events(
        self,
        *,
        after: int,
        limit: int,
        up_to: int | None = None,
        job_id: int | None = None,
        batch_id: int | None = None,
        kind: str | None = None,
    ) -> EventPage:
        """The ledger after a seq, in order."""
        ...

    async def last_seq(self) -> int:
        """The ledger's height."""
        ...

    async def attempts(self, job_id: int) -> list[Event]:
        """All events of one job, in order: its whole history."""
        ...

    async def ahead(self, job_id: int, *, limit: int) -> int:
        """How many jobs of its queue would be started before a pending job, counted to `limit`."""
        ...

    async def logs(self, job_id: int) -> list[LogLine]:
        """The log lines of one job, in order."""
        ...

    async def attachments(self, job_id: int) -> list[AttachmentRecord]:
        """The files of one job, by name."""
        ...

    async def stored_files(self) -> set[str]:
        """Stored names of all files that a job uses. For finding orphans, at start."""
        ...

    async def batch(self, batch_id: int) -> BatchRecord | None:
        """One batch, or None."""
        ...

    async def batch_snapshot(self, batch_id: int) -> BatchSnapshot:
        """A batch, its counts and the ledger's height in one transaction."""
        ...

    async def batches(self, query: BatchQuery) -> list[BatchRecord]:
        """A page of batches, newest first."""
        ...

    async def batches_to_do(self, *, limit: int) -> BatchesToDo:
        """Batches that wait for the watchdog, at most `limit` of each sort. Looks at the members'
        rows, not at marks."""
        ...

    async def sum_up_batch(self, batch_id: int) -> BatchSummary | None:
        """The summary of a batch that is sealed and has no open member, computed from its rows
        (its status as it would be finalized now); None if it is not so far, or if it is
        finalized. May take 200 ms for 100,000 members: it must not keep other reads waiting."""
        ...

    async def members(self, batch_id: int, *, after_id: int, limit: int) -> list[JobRecord]:
        """Members of a batch, by id."""
        ...

    async def batch_began_at_seq(self, batch_id: int) -> int | None:
        """Seq of the batch's first event that is kept, where its history begins."""
        ...

    async def queues(self) -> list[QueueRecord]:
        """Every queue that was ever paused."""
        ...

    async def ready_queues(self) -> list[str]:
        """Queues that hold at least one claimable job."""
        ...

    async def release_holds(self, *, at: int, kinds: list[str], limit: int) -> int:
        """Un-hold at most `limit` jobs held as `unregistered` whose kind is in `kinds`; events
        `unheld`, stamps from `at` on. Returns how many."""
        ...

    async def deadlines(self) -> Deadlines:
        """What becomes due or expires next."""
        ...

    async def counts(self) -> dict[str, dict[str, int]]:
        """Jobs by queue and status (words). May take long on millions of rows: not for the hot
        path."""
        ...

    async def epochs(self) -> list[EpochRecord]:
        """Every epoch, oldest first."""
        ...
