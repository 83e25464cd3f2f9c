"""From `open` to `close`: who owns the file, which connections lead to it, what a failure means.

The verbs of the store come through here: `write` and `read` take a function to its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import sqlite3
from collections.abc import Awaitable, Callable
from typing import TypeVar

from overseen_storage.answers import Opened
from overseen_storage.errors import (
    CommitUnknown,
    DatabaseBusy,
    DatabaseLost,
    DatabaseRefused,
    RowRefused,
    StoreError,
    StoreUnavailable,
)
from overseen_storage.sqlite.checkpoints import checkpoint
from overseen_storage.sqlite.committing import CommitFailed, prove, roll_back
from overseen_storage.sqlite.hop import Connector, Link, LinkClosed
from overseen_storage.sqlite.links import Links, connect
from overseen_storage.sqlite.opening import (
    MEMORY,
    Identity,
    Synchronous,
    begin_epoch,
    check_file,
    check_sqlite_version,
    end_epoch,
    quick_check,
    read_heights,
    read_live,
)
from overseen_storage.sqlite.owner import OwnerLock, acquire_within, record_of_this_process
from overseen_storage.sqlite.session import Session, Suspect
from overseen_storage.sqlite.transaction import Applied
from overseen_storage.sqlite.translate_errors import (
    closed,
    code_of,
    is_about_a_row,
    translate,
    translate_running,
)
from overseen_storage.sqlite.writer import Heights

T = TypeVar("T")

_BUSY_PAUSE_SECONDS = 0.01


class Door:
    """One database that is opened, closed, and opened again after a failure."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        synchronous: Synchronous,
        connector: Connector,
        owner_wait_seconds: float,
        busy_timeout_seconds: float,
    ) -> None:
        self._location = os.fspath(path)
        self._synchronous: Synchronous = synchronous
        self._connector = connector
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
        self._session.connected()
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
                    await self._links.writer.run(lambda connection: _end(connection, epoch, at))
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
            session = self.session
            await self._look_again(session)
            live = await self._links_of(session).writer.run(read_live)
            return _opened(session, live=live, created=False, clean=True)

    async def _look_again(self, session: Session) -> None:
        """New connections to the same file; the heights as the disk has them."""
        try:
            if session.path != MEMORY:
                await self._save_log(session)
                with contextlib.suppress(sqlite3.Error):  # given up; the disk is looked at next
                    await self._drop_links()
                await self._check_file_again(session)
                self._links, version = await self._connect(session.path)
                if session.shrank:
                    await self._check_content(session, version)
                await self._links.add_reader()
            session.heights = await self._links_of(session).writer.run(
                lambda connection: _settle(connection, session)
            )
            session.connected()
            session.found_seq = session.heights.seq
            session.suspect = False
        except sqlite3.Error as error:
            await self._forget_links(session)
            raise translate_running(error, session.path) from error
        except StoreError:
            await self._forget_links(session)
            raise

    async def _save_log(self, session: Session) -> None:
        """A log that lost its name is gone with its last connection: move it into the database.

        The last connection does so as it closes, but another program may have one too.
        """
        if self._links is None or session.log_is_there():
            return
        with contextlib.suppress(sqlite3.Error):  # the disk is looked at next, and tells more
            await self._links.writer.run(lambda connection: checkpoint(connection, truncate=True))

    async def _forget_links(self, session: Session) -> None:
        if session.path != MEMORY:
            with contextlib.suppress(sqlite3.Error):  # the error that led here is the one to tell
                await self._drop_links()

    async def _check_content(self, session: Session, version: int) -> None:
        """The file is smaller than it was: another program may have compacted it, or cut it."""
        found = "it is empty" if not version else ""
        if version:
            found = await self._links_of(session).writer.run(quick_check)
        if found:
            raise DatabaseLost(
                f"{session.path} was truncated while it was open: {found}. Stop, and put a backup "
                "in its place."
            )
        session.shrank = False

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

    # The way to the connections

    @property
    def session(self) -> Session:
        """What is known while it is open; raises `StoreClosed` when it is not."""
        if self._session is None:
            raise closed(self._location)
        return self._session

    def _links_of(self, session: Session) -> Links:
        if self._links is None:
            raise StoreUnavailable(
                f"{session.path} could not be opened again yet: await store.reopen()."
            )
        return self._links

    async def write(self, session: Session, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function` with the connection that writes."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._busy_timeout_seconds
        while True:
            try:
                return await _run(self._links_of(session).writer, function, session)
            except Suspect:
                # Its waiter was cancelled, or has not come to it yet; this function was not run.
                await self._clear(session)
                continue
            except sqlite3.OperationalError as error:
                # SQLite waits by itself, but on the loop's thread it must not: there we wait.
                busy = code_of(error) & 0xFF == sqlite3.SQLITE_BUSY
                retry = busy and self._connector.blocks_the_loop and loop.time() < deadline
                if not retry:
                    raise translate_running(error, session.path) from error
            except sqlite3.Error as error:
                if is_about_a_row(error):
                    raise RowRefused(f"{session.path}: {error}") from error
                raise translate_running(error, session.path) from error
            await asyncio.sleep(_BUSY_PAUSE_SECONDS)

    async def read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function` with the connection that reads."""
        return await self._read(function, _reader_of)

    async def read_aside(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """The same for what takes long, with a connection of its own: no other read waits."""
        return await self._read(function, Links.aside)

    async def _read(
        self,
        function: Callable[[sqlite3.Connection], T],
        link_of: Callable[[Links], Awaitable[Link]],
    ) -> T:
        while True:
            session = self.session
            if self._opening.locked():  # the connections are being renewed: that takes a moment
                async with self._opening:
                    session = self.session
            links = self._links_of(session)
            try:
                return await _run(await link_of(links), function, session)
            except StoreUnavailable:
                if self._links is links:
                    raise
                # They were renewed while this waited for its turn: a read can simply go again.
            except sqlite3.Error as error:
                raise translate_running(error, session.path) from error

    async def _clear(self, session: Session) -> None:
        async with self._opening:
            if session.suspect:
                await self._look_again(session)

    async def settle(self, session: Session, failed: CommitFailed) -> Applied:
        """After a COMMIT error: close, open again, and read from the disk what happened.

        Returns what the transaction did if it is there. Raises the error of the disk if it is
        not, and `CommitUnknown` if the disk does not answer.
        """
        try:
            await self._clear(session)
        except StoreError as error:
            raise CommitUnknown(
                f"COMMIT failed ({failed}), and the database cannot be read to see whether the "
                f"group is on disk ({error}). Await store.reopen() until it answers."
            ) from failed.cause
        if failed.applied is None or session.found_seq == failed.before.seq:
            raise translate_running(failed.cause, session.path) from failed.cause
        if session.doubtful:
            raise CommitUnknown(
                f"COMMIT failed ({failed}). The group can be read, but {session.path} takes no "
                "sync, so a power cut could take it. Await store.reopen() until it does."
            ) from failed.cause
        return failed.applied


async def _reader_of(links: Links) -> Link:
    return links.reader


async def _run(link: Link, function: Callable[[sqlite3.Connection], T], session: Session) -> T:
    try:
        return await link.run(function)
    except LinkClosed as error:
        raise StoreUnavailable(f"{session.path}: the connection was closed meanwhile.") from error


def _end(connection: sqlite3.Connection, epoch: int, at: int) -> None:
    roll_back(connection)  # a COMMIT that failed may have left its transaction open
    end_epoch(connection, epoch, at=at)


def _settle(connection: sqlite3.Connection, session: Session) -> Heights:
    """End what a failed COMMIT may have left open; the heights as the disk has them."""
    roll_back(connection)
    with contextlib.suppress(sqlite3.Error, DatabaseBusy):  # it can be read, if not written
        prove(connection, session)
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
