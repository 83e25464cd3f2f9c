"""The SQLite store: one file, one owner, one writer."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from collections.abc import Callable
from typing import TypeVar

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
from overseen_storage.errors import StoreError
from overseen_storage.groups import BatchQuery, Group, JobQuery, PruneRequest
from overseen_storage.records import (
    AttachmentRecord,
    EpochRecord,
    Event,
    JobRecord,
    LogLine,
    QueueRecord,
)
from overseen_storage.sqlite import reading
from overseen_storage.sqlite.attachment_reading import (
    read_attachments,
    read_stored_files,
    stored_files,
)
from overseen_storage.sqlite.batch_reading import (
    read_batch,
    read_batch_began_at_seq,
    read_batch_snapshot,
    read_batches,
    read_batches_to_do,
    read_members,
    sum_up,
)
from overseen_storage.sqlite.checkpoints import checkpoint, log_bytes
from overseen_storage.sqlite.claims import release_holds
from overseen_storage.sqlite.committing import CommitFailed, commit_group, in_transaction
from overseen_storage.sqlite.door import Door
from overseen_storage.sqlite.hop import AiosqliteConnector, Connector
from overseen_storage.sqlite.logs import write_logs
from overseen_storage.sqlite.opening import MEMORY, Synchronous
from overseen_storage.sqlite.pruning import prune
from overseen_storage.sqlite.session import Session
from overseen_storage.sqlite.transaction import Prepared, committed
from overseen_storage.sqlite.writer import Writer

T = TypeVar("T")

_ALL_EVENTS = 2**62


class SqliteStore:
    """Keeps jobs in a SQLite file; see `overseen_storage.store.Store` for what it promises.

    `synchronous`: with ``"full"`` (default) what was acknowledged survives a power cut; with
    ``"normal"`` a power cut may undo the last commits, never damage the file.
    `connector`: how functions reach the connections; `InlineConnector` for simulated time.
    `owner_wait_seconds`: how long `open` waits for another owner to end.
    `busy_timeout_seconds`: how long a write waits for another program's transaction.

    Example:
        ``store = SqliteStore("jobs.db")``, then
        ``opened = await store.open(at=wall_us, pid=os.getpid(), host="here", version="0.1.0")``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Synchronous = "full",
        connector: Connector | None = None,
        owner_wait_seconds: float = 5.0,
        busy_timeout_seconds: float = 5.0,
    ) -> None:
        self._door = Door(
            path,
            synchronous,
            connector or AiosqliteConnector(),
            owner_wait_seconds,
            busy_timeout_seconds,
        )

    @property
    def location(self) -> str:
        """The path as it was given."""
        return self._door.location

    async def open(self, *, at: int, pid: int, host: str, version: str) -> Opened:
        """Lock, check, migrate, begin a new epoch. See `Store.open`."""
        return await self._door.open(at=at, pid=pid, host=host, version=version)

    async def close(self, *, at: int | None, keep_owner: bool = False) -> None:
        """Give the store up. See `Store.close`."""
        await self._door.close(at=at, keep_owner=keep_owner)

    def release_owner(self) -> None:
        """Let the next owner in. See `Store.release_owner`."""
        self._door.release_owner()

    async def reopen(self) -> Opened:
        """Look at the disk again and go on in the same epoch. See `Store.reopen`."""
        return await self._door.reopen()

    # Writing

    async def commit(self, group: Group) -> Committed:
        """Apply `group` in one transaction. See `Store.commit`."""
        session = self._door.session
        prepared = Prepared(group)
        try:
            done = await self._door.write(
                session, lambda connection: commit_group(connection, session, prepared)
            )
        except CommitFailed as failed:
            done = await self._door.settle(session, failed)
        return committed(done)

    async def _transact(self, function: Callable[[sqlite3.Connection, Session], T]) -> T:
        session = self._door.session
        try:
            return await self._door.write(
                session,
                lambda connection: in_transaction(
                    connection, session, lambda: function(connection, session)
                ),
            )
        except CommitFailed as failed:
            await self._door.settle(session, failed)
            raise AssertionError("settled without a group") from failed

    async def prune(self, request: PruneRequest) -> Pruned:
        """Delete one chunk of old ended jobs. See `Store.prune`."""
        return await self._transact(lambda connection, _: prune(connection, request))

    async def write_logs(self, lines: list[LogLine], *, keep_per_job: int) -> None:
        """Store log lines. See `Store.write_logs`."""
        await self._transact(lambda connection, _: write_logs(connection, lines, keep_per_job))

    async def release_holds(self, *, at: int, kinds: list[str], limit: int) -> int:
        """Un-hold jobs whose kinds are known now. See `Store.release_holds`."""

        def release(connection: sqlite3.Connection, session: Session) -> int:
            before = session.heights
            if at <= before.stamp:
                raise StoreError(f"The stamp {at} is not above {before.stamp}, which is on disk.")
            writer = Writer(connection, before, at, careful=False)
            released = release_holds(writer, kinds, limit)
            if released:
                session.heights = dataclasses.replace(
                    before, seq=writer.seq - 1, stamp=writer.at - 1
                )
            return released

        return await self._transact(release)

    async def checkpoint(self, *, truncate: bool) -> int:
        """Move the write-ahead log into the database. See `Store.checkpoint`."""
        session = self._door.session
        if session.path == MEMORY:
            return 0
        await self._door.write(
            session, lambda connection: checkpoint(connection, truncate=truncate)
        )
        return log_bytes(session.path)

    # Reading

    async def job(self, job_id: int) -> JobRecord | None:
        """One row, or None."""
        return await self._door.read(lambda connection: reading.read_job(connection, job_id))

    async def job_snapshot(self, job_id: int) -> JobSnapshot:
        """One row and the ledger's height in the same transaction."""
        return await self._door.read(lambda connection: reading.read_snapshot(connection, job_id))

    async def jobs(self, query: JobQuery) -> list[JobRecord]:
        """A page, newest first."""
        return await self._door.read(lambda connection: reading.read_jobs(connection, query))

    async def orphans(self, *, epoch: int, after_id: int, limit: int) -> list[JobRecord]:
        """Live rows of other epochs, by id."""
        return await self._door.read(
            lambda connection: reading.read_orphans(connection, epoch, after_id, limit)
        )

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
        """The ledger after a seq, in order. See `Store.events`."""
        text = await self._door.read(
            lambda connection: reading.read_events(
                connection,
                after=after,
                limit=limit,
                up_to=up_to,
                job_id=job_id,
                batch_id=batch_id,
                kind=kind,
            )
        )
        return reading.event_page(text, limit)

    async def last_seq(self) -> int:
        """The ledger's height."""
        return (await self._door.read(reading.read_ledger_end))[0]

    async def attempts(self, job_id: int) -> list[Event]:
        """All events of one job, in order."""
        return (await self.events(after=0, limit=_ALL_EVENTS, job_id=job_id)).events

    async def ahead(self, job_id: int, *, limit: int) -> int:
        """How many jobs go first. See `Store.ahead`."""
        return await self._door.read(
            lambda connection: reading.read_ahead(connection, job_id, limit)
        )

    async def logs(self, job_id: int) -> list[LogLine]:
        """The log lines of one job, in order."""
        return await self._door.read(lambda connection: reading.read_logs(connection, job_id))

    async def attachments(self, job_id: int) -> list[AttachmentRecord]:
        """The files of one job, by name."""
        return await self._door.read(lambda connection: read_attachments(connection, job_id))

    async def stored_files(self) -> set[str]:
        """Stored names of all files that a job uses."""
        return stored_files(await self._door.read(read_stored_files))

    async def batch(self, batch_id: int) -> BatchRecord | None:
        """One batch, or None."""
        return await self._door.read(lambda connection: read_batch(connection, batch_id))

    async def batch_snapshot(self, batch_id: int) -> BatchSnapshot:
        """A batch, its counts and the ledger's height in one transaction."""
        return await self._door.read(lambda connection: read_batch_snapshot(connection, batch_id))

    async def batches(self, query: BatchQuery) -> list[BatchRecord]:
        """A page of batches, newest first."""
        return await self._door.read(lambda connection: read_batches(connection, query))

    async def batches_to_do(self, *, limit: int) -> BatchesToDo:
        """Batches that wait for the watchdog. See `Store.batches_to_do`."""
        return await self._door.read(lambda connection: read_batches_to_do(connection, limit))

    async def sum_up_batch(self, batch_id: int) -> BatchSummary | None:
        """The summary of a batch whose members have ended. See `Store.sum_up_batch`."""
        return await self._door.read_aside(lambda connection: sum_up(connection, batch_id))

    async def members(self, batch_id: int, *, after_id: int, limit: int) -> list[JobRecord]:
        """Members of a batch, by id."""
        return await self._door.read(
            lambda connection: read_members(connection, batch_id, after_id, limit)
        )

    async def batch_began_at_seq(self, batch_id: int) -> int | None:
        """Where the history of a batch begins."""
        return await self._door.read(
            lambda connection: read_batch_began_at_seq(connection, batch_id)
        )

    async def queues(self) -> list[QueueRecord]:
        """Every queue that was ever paused."""
        return await self._door.read(reading.read_queues)

    async def ready_queues(self) -> list[str]:
        """Queues that hold at least one claimable job."""
        return await self._door.read(reading.read_ready_queues)

    async def deadlines(self) -> Deadlines:
        """What becomes due or expires next."""
        return await self._door.read(reading.read_deadlines)

    async def counts(self) -> dict[str, dict[str, int]]:
        """Jobs by queue and status."""
        return await self._door.read_aside(reading.read_counts)

    async def epochs(self) -> list[EpochRecord]:
        """Every epoch, oldest first."""
        return await self._door.read(reading.read_epochs)
