"""How a database is opened: is it ours, does it do what it is told, which life begins."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from overseen_storage.errors import (
    DatabaseLost,
    DatabaseReadOnly,
    DatabaseRefused,
    NotOurDatabase,
    SQLiteTooOld,
    StoreUnavailable,
)
from overseen_storage.lifecycle import CAUSE_CODES, EVENT_CODES, Cause, EventType
from overseen_storage.sqlite.migrations import check_version, migrate
from overseen_storage.sqlite.rows import document
from overseen_storage.sqlite.safe_text import safe
from overseen_storage.sqlite.statements import statement
from overseen_storage.sqlite.writer import BatchMarks, Heights

APPLICATION_ID = 0x6F76736E
"""What `PRAGMA application_id` says in our files: the letters ``ovsn``."""

SQLITE_MINIMUM = (3, 38, 0)
"""STRICT tables, RETURNING, UPDATE FROM, and JSON built in."""

MEMORY = ":memory:"
Synchronous = Literal["full", "normal"]

_SYNCHRONOUS: dict[Synchronous, int] = {"full": 2, "normal": 1}
_JOURNAL_SIZE_LIMIT = 64 * 1024 * 1024
_CACHE_KIB = 32_000
# Past so many pages (8 MiB) a commit moves the log into the database, and the next begins at its
# front again. Small, so that a fresh log is soon overwritten instead of made longer, which is
# slower: with 4 MiB instead of 64 a job started after 0.66 to 0.74 of the time in five paired runs
# of 600 jobs (8 was not paired). Once a log has come round, its size should not matter.
_AUTOCHECKPOINT_PAGES = 2_048


@dataclass(frozen=True, slots=True)
class Identity:
    """Which file on the disk was opened."""

    device: int
    inode: int
    size_bytes: int = field(default=0, compare=False)

    @classmethod
    def find(cls, path: str) -> Identity | None:
        """The file that has the name `path` now; None if none can be seen."""
        try:
            found = os.stat(path)  # noqa: PTH116 - a hot path: no Path is made
        except OSError:
            return None
        return cls(found.st_dev, found.st_ino, found.st_size)

    @classmethod
    def of(cls, path: str) -> Identity:
        """The same. Raises `DatabaseLost` if there is none."""
        found = cls.find(path)
        if found is None:
            raise DatabaseLost(
                f"{path} cannot be found: it was deleted or moved while it was open. "
                "Put the same file back, or stop and start again."
            )
        return found

    def check(self, path: str) -> Identity:
        """Raise `DatabaseLost` unless the file at `path` still is this one; how it is now."""
        now = Identity.of(path)
        if now != self:
            raise DatabaseLost(
                f"{path} was replaced by another file while it was open. Put the first one back, "
                "or stop and start again."
            )
        return now


def check_sqlite_version(version: tuple[int, ...]) -> None:
    """Raise `SQLiteTooOld` if the SQLite library of this Python lacks what is needed."""
    if version < SQLITE_MINIMUM:
        found, needed = (".".join(map(str, v)) for v in (version, SQLITE_MINIMUM))
        raise SQLiteTooOld(
            f"overseen needs SQLite {needed} or newer; this Python uses {found}. Install a newer "
            "Python, or one that is linked to a newer SQLite."
        )


def check_file(path: str) -> bool:
    """Whether something is at `path` already; raises `DatabaseRefused` if it cannot be a database,
    and `DatabaseReadOnly` if it cannot be written.

    The file is not opened: closing any descriptor of it would drop the locks that SQLite's other
    connections in this process hold on it (POSIX). Whether it is a database SQLite tells.
    """
    file = Path(path)
    try:
        if not file.exists():
            if not file.parent.is_dir():
                raise DatabaseRefused(
                    f"{path}: the folder {file.parent} does not exist. Make it first."
                )
            return False
        if not file.is_file():
            raise NotOurDatabase(f"{path} is not a file. Choose another path.")
        size = file.stat().st_size
    except OSError as error:
        raise DatabaseRefused(
            f"{path}: {error.strerror}. This user must be able to read it."
        ) from error
    if not os.access(path, os.R_OK):
        raise DatabaseRefused(f"{path} cannot be read. This user must be able to read it.")
    if not os.access(path, os.W_OK):  # SQLite would open it all the same, and leave files beside it
        raise DatabaseReadOnly(
            f"{path} is read-only. This user must be able to write the file and its folder."
        )
    return size > 0


def check_ours(connection: sqlite3.Connection, path: str) -> int:
    """The schema's version, 0 for an empty database; raises `DatabaseRefused` if it is not ours.

    Reads only: of somebody else's database nothing is changed.
    """
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    if application == APPLICATION_ID:
        return check_version(connection, path)
    tables: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application or tables:
        raise NotOurDatabase(
            f"{path} is a SQLite database of another program (application id {application}, "
            f"{tables} tables and indexes). Choose another path."
        )
    return 0


def configure_writer(
    connection: sqlite3.Connection, path: str, synchronous: Synchronous, busy_ms: int
) -> None:
    """Set up the read-write connection."""
    _pragma(connection, "journal_mode", "wal", "memory" if path == MEMORY else "wal")
    _pragma(connection, "synchronous", _SYNCHRONOUS[synchronous])
    _pragma(connection, "journal_size_limit", _JOURNAL_SIZE_LIMIT)
    _pragma(connection, "wal_autocheckpoint", _AUTOCHECKPOINT_PAGES)
    _configure(connection, busy_ms)


def configure_reader(connection: sqlite3.Connection, busy_ms: int) -> None:
    """Set up a connection that only reads."""
    _pragma(connection, "query_only", 1)
    _configure(connection, busy_ms)


def _configure(connection: sqlite3.Connection, busy_ms: int) -> None:
    _pragma(connection, "busy_timeout", busy_ms)
    _pragma(connection, "foreign_keys", 1)
    _pragma(connection, "temp_store", 2)
    _pragma(connection, "cache_size", -_CACHE_KIB)


def _pragma(
    connection: sqlite3.Connection, name: str, value: int | str, expected: int | str | None = None
) -> None:
    """Set a pragma and look whether it took: one that fails may do so without an error, which
    shows only when its row is fetched."""
    connection.execute(f"PRAGMA {name} = {value}").fetchall()
    found = connection.execute(f"PRAGMA {name}").fetchone()
    if found is None or found[0] != (value if expected is None else expected):
        raise StoreUnavailable(
            f"SQLite does not accept PRAGMA {name} = {value}: it stays at {found}. The file "
            "system may not support shared memory, or another program uses the file."
        )


@dataclass(frozen=True, slots=True)
class Begun:
    """What the transaction that begins an epoch found and did."""

    epoch: int
    heights: Heights
    previous_epoch_clean: bool
    live: int


def begin_epoch(
    connection: sqlite3.Connection, version: int, *, at: int, pid: int, host: str, app_version: str
) -> Begun:
    """Migrate from schema `version` and begin a new epoch: one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        migrate(connection, version, at=at, app_version=safe(app_version))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
        heights = read_heights(connection)
        previous = connection.execute(statement("last_epoch")).fetchone()
        stamp = max(at, heights.stamp + 1)
        epoch = connection.execute(
            statement("begin_epoch"),
            {"pid": pid, "host": safe(host), "version": safe(app_version), "at": stamp},
        ).lastrowid
        assert epoch is not None
        seq = heights.seq + 1
        write_epoch_event(connection, EventType.EPOCH_STARTED, seq, stamp, epoch)
        live = read_live(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    clean = previous is None or previous[1] is not None
    begun = dataclasses.replace(heights, seq=seq, stamp=stamp)
    return Begun(epoch, begun, clean, live)


def end_epoch(connection: sqlite3.Connection, epoch: int, *, at: int) -> None:
    """Write down that this epoch ended on purpose: one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        heights = read_heights(connection)
        stamp = max(at, heights.stamp + 1)
        connection.execute(statement("end_epoch"), {"id": epoch, "at": stamp})
        write_epoch_event(connection, EventType.EPOCH_STOPPED, heights.seq + 1, stamp, epoch)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def write_epoch_event(
    connection: sqlite3.Connection, kind: EventType, seq: int, at: int, epoch: int
) -> None:
    """One event about an epoch."""
    connection.execute(
        statement("event"),
        {
            "seq": seq,
            "at": at,
            "type": EVENT_CODES[kind],
            "cause": CAUSE_CODES[Cause.SUPERVISOR],
            "job_id": None,
            "status": None,
            "fence": None,
            "reason": None,
            "data": document({"epoch": epoch}),
            "queue": None,
            "batch_id": None,
        },
    )


def quick_check(connection: sqlite3.Connection) -> str:
    """What SQLite finds wrong with the whole file, read once; empty: nothing."""
    told: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    return "" if told == "ok" else told.replace("\n", " ")


def read_heights(connection: sqlite3.Connection) -> Heights:
    """The highest numbers ever given out, as the disk has them."""
    seq, job_id, stamp = connection.execute(statement("heights")).fetchone()
    unfinalized, stopped = connection.execute(statement("batch_marks")).fetchone()
    return Heights(seq, job_id, stamp, BatchMarks(bool(unfinalized), bool(stopped)))


def read_live(connection: sqlite3.Connection) -> int:
    """How many rows are running or cancelling."""
    live: int = connection.execute(statement("count_live")).fetchone()[0]
    return live
