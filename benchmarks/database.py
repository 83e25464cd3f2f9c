"""Databases to measure on: made by the product, filled by plain SQL."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from overseen_storage.sqlite.opening import configure_writer
from overseen_storage.sqlite.store import SqliteStore

BASE_AT = 1_700_000_000_000_000
"""Stamps of rows made here begin in the past, as those of an old database do."""
BUSY_MS = 5_000


def connect(path: Path) -> sqlite3.Connection:
    """A raw connection, set up as the product sets up its writer, synchronous=FULL."""
    connection = sqlite3.connect(path, isolation_level=None)
    configure_writer(connection, str(path), "full", BUSY_MS)
    return connection


def make_empty(path: Path) -> None:
    """A database of the product with no job in it."""

    async def make() -> None:
        store = SqliteStore(path)
        await store.open(at=BASE_AT, pid=1, host="benchmark", version="0")
        await store.close(at=BASE_AT + 5)

    asyncio.run(make())


LEAN = """
CREATE TABLE job (
    id INTEGER PRIMARY KEY, status INTEGER NOT NULL, fence INTEGER NOT NULL DEFAULT 0,
    priority INTEGER NOT NULL, queue TEXT NOT NULL, kind TEXT NOT NULL,
    created_at INTEGER NOT NULL, changed_at INTEGER NOT NULL, ready_at INTEGER,
    started_at INTEGER, attempt_started_at INTEGER, completed_at INTEGER, epoch INTEGER,
    cause INTEGER NOT NULL, retries INTEGER NOT NULL, losses_allowed INTEGER NOT NULL,
    arguments TEXT NOT NULL, result TEXT
) STRICT;
CREATE INDEX job_claimable ON job (queue, priority DESC, ready_at, id) WHERE status = 4;
CREATE TABLE ledger (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, type INTEGER NOT NULL, cause INTEGER NOT NULL,
    job_id INTEGER, status INTEGER, fence INTEGER
) STRICT;
CREATE INDEX ledger_job ON ledger (job_id);
"""


def make_lean(path: Path) -> None:
    """The columns that the path of a plain job writes, without the product's checks."""
    connection = connect(path)
    connection.executescript(LEAN)
    connection.close()
