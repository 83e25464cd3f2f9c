"""The write-ahead log: how it is moved into the database, and how large it is."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def checkpoint(connection: sqlite3.Connection, *, truncate: bool) -> None:
    """Move as much of the log into the database as can be without waiting for anybody.

    TRUNCATE would wait for other programs that read or write, up to the whole busy timeout, and
    every commit behind it: so it is given none, and then does what a passive one does.
    """
    if not truncate:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return
    busy_ms: int = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {busy_ms:d}")


def checkpoint_all(connection: sqlite3.Connection) -> bool:
    """Move the whole log into the database and sync it; whether that was possible. It is not while
    another program still reads what was there before, and raises if the disk fails."""
    row = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    busy, frames, moved = (int(value) for value in row)
    return not busy and frames == moved


def log_path_of(path: str) -> str:
    """The write-ahead log of the database at `path`."""
    return path + "-wal"


def log_bytes(path: str) -> int:
    """How many bytes the log of the database at `path` has; 0 if there is none."""
    try:
        return Path(log_path_of(path)).stat().st_size
    except FileNotFoundError:
        return 0
