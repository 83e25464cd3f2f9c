"""The SQLite store: one file, one owner, one writer."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from overseen_storage.errors import (
    CommitUnknown,
    DatabaseRefused,
    RowRefused,
    StoreError,
    StoreUnavailable,
)
from overseen_storage.groups import (
    Committed,
    Deadlines,
    EventPage,
    Group,
    JobQuery,
    JobSnapshot,
    Opened,
    Pruned,
    PruneRequest,
)
from overseen_storage.records import EpochRecord, Event, JobRecord, LogLine, QueueRecord
from overseen_storage.sqlite import reading
from overseen_storage.sqlite.claims import release_holds
from overseen_storage.sqlite.committing import CommitFailed, commit_group, in_transaction
from overseen_storage.sqlite.hop import AiosqliteConnector, Connector, Link, LinkClosed
from overseen_storage.sqlite.links import Links, connect
from overseen_storage.sqlite.logs import write_logs
from overseen_storage.sqlite.opening import (
    MEMORY,
    Identity,
    Synchronous,
    begin_epoch,
    check_file,
    check_sqlite_version,
    end_epoch,
    read_heights,
    read_live,
)
from overseen_storage.sqlite.owner import OwnerLock, acquire_within, record_of_this_process
from overseen_storage.sqlite.pruning import prune
from overseen_storage.sqlite.session import Session
from overseen_storage.sqlite.transaction import Applied, Prepared, committed
from overseen_storage.sqlite.translate_errors import (
    closed,
    is_about_a_row,
    translate,
    translate_running,
)
from overseen_storage.sqlite.writer import Heights, Writer

T = TypeVar("T")

_ALL_EVENTS = 2**62
_BUSY_PAUSE_SECONDS = 0.01


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
        self._location = os.fspath(path)
        self._synchronous: Synchronous = synchronous
        self._connector = connector or AiosqliteConnector()
        self._owner_wait_seconds = owner_wait_seconds
        self._busy_timeout_seconds = busy_timeout_seconds
        self._session: Session | None = None
        self._links: Links | None = None
        self._kept: OwnerLock | None = None
        self._opening = asyncio.Lock()

    @property
    def location(self) -> str:
        """The path as it was given."""
        return self._location

    # -- opening and closing

    async def open(self, *, at: int, pid: int, host: str, version: str) -> Opened:
        """Lock, check, migrate, begin a new epoch. See `Store.open`."""
        async with self._opening:
            if self._session is not None:
                raise StoreError(f"{self._location} is open already in this store.")
            check_sqlite_version(sqlite3.sqlite_version_info)
            existed = self._location != MEMORY and check_file(self._location)
            record = dataclasses.replace(
                record_of_this_process(since=at, version=version), pid=pid, host=host
            )
            lock = await acquire_within(self._location, record, self._owner_wait_seconds)
            try:
                return await self._begin(lock, existed, at, pid, host, version)
            except sqlite3.Error as error:
                raise translate(error, self._location) from error
            finally:
                if self._session is None:
                    await self._drop_links()
                    lock.release()

    async def _begin(
        self, lock: OwnerLock, existed: bool, at: int, pid: int, host: str, version: str
    ) -> Opened:
        path = lock.database_path
        self._links, schema_version = await self._connect(path)
        begun = await self._links.writer.run(
            lambda connection: begin_epoch(
                connection, schema_version, at=at, pid=pid, host=host, app_version=version
            )
        )
        await self._links.add_reader()
        identity = None if path == MEMORY else Identity.of(path)
        self._session = Session(path, lock, begun.epoch, begun.heights, identity)
        return _opened(
            self._session,
            live=begun.live,
            created=not (existed and schema_version),
            clean=begun.previous_epoch_clean,
        )

    async def _connect(self, path: str) -> tuple[Links, int]:
        busy = 0.0 if self._connector.blocks_the_loop else self._busy_timeout_seconds
        return await connect(self._connector, path, self._synchronous, round(busy * 1000))

    async def close(self, *, at: int | None, keep_owner: bool = False) -> None:
        """Give the store up. See `Store.close`."""
        async with self._opening:
            session, self._session = self._session, None
            if session is None:
                return
            try:
                if at is not None and self._links is not None:
                    epoch = session.epoch
                    await self._links.writer.run(
                        lambda connection: end_epoch(connection, epoch, at=at)
                    )
            except sqlite3.Error as error:
                raise translate_running(error, session.path) from error
            finally:
                try:
                    await self._drop_links()
                finally:
                    self._kept = session.lock
                    if not keep_owner:
                        self.release_owner()

    def release_owner(self) -> None:
        """Let the next owner in. See `Store.release_owner`."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.release()

    async def _drop_links(self) -> None:
        links, self._links = self._links, None
        if links is not None:
            await links.close()

    async def reopen(self) -> Opened:
        """Look at the disk again and go on in the same epoch. See `Store.reopen`."""
        async with self._opening:
            session = self._open()
            await self._look_again(session)
            live = await self._links_of(session).writer.run(read_live)
            return _opened(session, live=live, created=False, clean=True)

    async def _look_again(self, session: Session) -> None:
        """New connections to the same file; the heights as the disk has them."""
        try:
            if session.path != MEMORY:
                try:
                    await self._drop_links()
                except sqlite3.Error:
                    pass  # a connection that fails to close is given up; the disk is looked at next
                await self._check_file_again(session)
                self._links, _ = await self._connect(session.path)
                await self._links.add_reader()
            session.heights = await self._links_of(session).writer.run(_settle)
            session.suspect = False
        except sqlite3.Error as error:
            await self._forget_links(session)
            raise translate_running(error, session.path) from error
        except StoreError:
            await self._forget_links(session)
            raise

    async def _forget_links(self, session: Session) -> None:
        if session.path != MEMORY:
            try:
                await self._drop_links()
            except sqlite3.Error:
                self._links = None  # the error that led here is the one to tell

    async def _check_file_again(self, session: Session) -> None:
        assert session.identity is not None
        session.identity.check(session.path)
        if session.lock.intact():
            return
        session.lock.release()
        record = record_of_this_process(since=session.heights.stamp, version="")
        try:
            session.lock = await acquire_within(session.path, record, 0)
        except DatabaseRefused as refused:
            raise StoreUnavailable(f"The lock was lost: {refused}") from refused

    # -- the way to the connections

    def _open(self) -> Session:
        if self._session is None:
            raise closed(self._location)
        return self._session

    def _links_of(self, session: Session) -> Links:
        if self._links is None:
            raise StoreUnavailable(
                f"{session.path} could not be opened again yet: await store.reopen()."
            )
        return self._links

    async def _write(self, session: Session, function: Callable[[sqlite3.Connection], T]) -> T:
        if session.suspect:
            async with self._opening:
                await self._look_again(session)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._busy_timeout_seconds
        while True:
            try:
                return await _run(self._links_of(session).writer, function, session)
            except sqlite3.OperationalError as error:
                # SQLite waits by itself, but on the loop's thread it must not: there we wait.
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                retry = busy and self._connector.blocks_the_loop and loop.time() < deadline
                if not retry:
                    raise translate_running(error, session.path) from error
            except sqlite3.Error as error:
                if is_about_a_row(error):
                    raise RowRefused(f"{session.path}: {error}") from error
                raise translate_running(error, session.path) from error
            await asyncio.sleep(_BUSY_PAUSE_SECONDS)

    async def _read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        session = self._open()
        try:
            return await _run(self._links_of(session).reader, function, session)
        except sqlite3.Error as error:
            raise translate_running(error, session.path) from error

    async def _settle_commit(self, session: Session, failed: CommitFailed) -> Applied | None:
        """After a COMMIT error: close, open again, and read from the disk what happened."""
        try:
            async with self._opening:
                await self._look_again(session)
        except StoreError as error:
            raise CommitUnknown(
                f"COMMIT failed ({failed}), and the database cannot be read to see whether the "
                f"group is on disk ({error}). Await store.reopen() until it answers."
            ) from failed.cause
        if failed.applied is None or session.heights.seq == failed.before.seq:
            raise translate_running(failed.cause, session.path) from failed.cause
        return failed.applied

    # -- writing

    async def commit(self, group: Group) -> Committed:
        """Apply `group` in one transaction. See `Store.commit`."""
        session = self._open()
        prepared = Prepared(group)
        try:
            done = await self._write(
                session, lambda connection: commit_group(connection, session, prepared)
            )
        except CommitFailed as failed:
            settled = await self._settle_commit(session, failed)
            assert settled is not None
            done = settled
        return committed(done)

    async def _transact(self, function: Callable[[sqlite3.Connection, Session], T]) -> T:
        session = self._open()
        try:
            return await self._write(
                session,
                lambda connection: in_transaction(
                    connection, session, lambda: function(connection, session)
                ),
            )
        except CommitFailed as failed:
            await self._settle_commit(session, failed)
            raise

    async def prune(self, request: PruneRequest) -> Pruned:
        """Delete one chunk of old ended jobs. See `Store.prune`."""
        return await self._transact(lambda connection, _: prune(connection, request))

    async def write_logs(self, lines: list[LogLine], *, keep_per_job: int) -> None:
        """Store log lines. See `Store.write_logs`."""
        self._open()
        if lines:
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
                session.heights = Heights(writer.seq - 1, before.id, writer.at - 1)
            return released

        return await self._transact(release)

    async def checkpoint(self, *, truncate: bool) -> int:
        """Move the write-ahead log into the database. See `Store.checkpoint`."""
        session = self._open()
        if session.path == MEMORY:
            return 0
        command = f"PRAGMA wal_checkpoint({'TRUNCATE' if truncate else 'PASSIVE'})"
        await self._write(session, lambda connection: connection.execute(command).fetchall())
        log = Path(session.path + "-wal")
        return log.stat().st_size if log.exists() else 0

    # -- reading

    async def job(self, job_id: int) -> JobRecord | None:
        """One row, or None."""
        return await self._read(lambda connection: reading.read_job(connection, job_id))

    async def job_snapshot(self, job_id: int) -> JobSnapshot:
        """One row and the ledger's height in the same transaction."""
        return await self._read(lambda connection: reading.read_snapshot(connection, job_id))

    async def jobs(self, query: JobQuery) -> list[JobRecord]:
        """A page, newest first."""
        return await self._read(lambda connection: reading.read_jobs(connection, query))

    async def orphans(self, *, epoch: int, after_id: int, limit: int) -> list[JobRecord]:
        """Live rows of other epochs, by id."""
        return await self._read(
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
        text = await self._read(
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
        return (await self._read(reading.read_ledger_end))[0]

    async def attempts(self, job_id: int) -> list[Event]:
        """All events of one job, in order."""
        return (await self.events(after=0, limit=_ALL_EVENTS, job_id=job_id)).events

    async def logs(self, job_id: int) -> list[LogLine]:
        """The log lines of one job, in order."""
        return await self._read(lambda connection: reading.read_logs(connection, job_id))

    async def queues(self) -> list[QueueRecord]:
        """Every queue that was ever paused."""
        return await self._read(reading.read_queues)

    async def ready_queues(self) -> list[str]:
        """Queues that hold at least one claimable job."""
        return await self._read(reading.read_ready_queues)

    async def deadlines(self) -> Deadlines:
        """What becomes due or expires next."""
        return await self._read(reading.read_deadlines)

    async def counts(self) -> dict[str, dict[str, int]]:
        """Jobs by queue and status."""
        return await self._read(reading.read_counts)

    async def epochs(self) -> list[EpochRecord]:
        """Every epoch, oldest first."""
        return await self._read(reading.read_epochs)


async def _run(link: Link, function: Callable[[sqlite3.Connection], T], session: Session) -> T:
    try:
        return await link.run(function)
    except LinkClosed as error:
        raise StoreUnavailable(f"{session.path}: the connection was closed meanwhile.") from error


def _settle(connection: sqlite3.Connection) -> Heights:
    """End what a failed COMMIT may have left open; the heights as the disk has them."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    return read_heights(connection)


def _opened(session: Session, *, live: int, created: bool, clean: bool) -> Opened:
    heights = session.heights
    return Opened(
        epoch=session.epoch,
        last_stamp=heights.stamp,
        last_seq=heights.seq,
        last_id=heights.id,
        created=created,
        previous_epoch_clean=clean,
        live=live,
    )
