"""A sync that failed: what can be read need not be on the disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.storage.checkers import check_everything
from tests.storage.driving import Writer, new_job
from tests.storage.sqlite.faulty import Execute, Faults, disk_error

from overseen_storage.errors import CommitUnknown, StoreUnavailable
from overseen_storage.sqlite.hop import AiosqliteConnector
from overseen_storage.sqlite.store import SqliteStore

SYNC_FAILED = 1034  # SQLITE_IOERR_FSYNC


def fail_every_sync(sql: str, really: Execute) -> sqlite3.Cursor:
    """A commit is written, and can be read, but never gets synced; nor does a checkpoint."""
    if sql.startswith("PRAGMA wal_checkpoint"):
        raise disk_error(SYNC_FAILED)
    cursor = really()
    if sql == "COMMIT":
        raise disk_error(SYNC_FAILED)
    return cursor


async def test_what_no_sync_has_confirmed_is_not_acknowledged(tmp_path: Path) -> None:
    """A group whose sync failed is unknown though it can be read; nothing is put behind it before
    the log was moved into the database and synced; then all goes on. (R7, R54)"""
    faults = Faults()
    path = tmp_path / "jobs.db"
    store = SqliteStore(path, connector=AiosqliteConnector(factory=faults.factory()))
    # Another program's connection: without it the log would be moved when ours are closed.
    async with Writer(store) as writer:
        other = sqlite3.connect(path)
        other.execute("SELECT count(*) FROM job").fetchone()
        try:
            faults.on = fail_every_sync
            with pytest.raises(CommitUnknown, match="takes no sync"):
                await writer.submit(new_job())
            assert list(await writer.rows()) == [1], "it can be read"
            writer.next += 100
            with pytest.raises(StoreUnavailable):
                await writer.submit(new_job())
            faults.on = None
            await store.reopen()
            assert await writer.submit(new_job()) == [2]
        finally:
            other.close()
        check_everything(await writer.rows(), await writer.ledger())
