"""What SQLite's error codes mean here: the disk, the file, or one row."""

from __future__ import annotations

import sqlite3

from overseen_storage.errors import (
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseLost,
    DatabaseReadOnly,
    DiskFull,
    NotOurDatabase,
    StoreClosed,
    StoreError,
    StoreUnavailable,
)

_READONLY_DBMOVED = 1032  # SQLITE_READONLY_DBMOVED: the file is not where it was opened


def is_about_a_row(error: BaseException) -> bool:
    """Whether `error` is the fault of one row: a constraint, a type, a size, a character."""
    if isinstance(error, sqlite3.Error):
        code = code_of(error) & 0xFF
        return code in {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH}
    return isinstance(error, ValueError | OverflowError)


def translate(error: sqlite3.Error, path: str) -> StoreError:
    """The error of ours that says what `error` means for the database at `path`."""
    code = code_of(error)
    evidence = f"{path}: {error} (SQLite error {code})"
    if code == _READONLY_DBMOVED:
        return DatabaseLost(f"{evidence}. The file was moved, deleted or replaced while open.")
    match code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return DiskFull(f"{evidence}. Free some space: work goes on by itself then.")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return DatabaseReadOnly(
                f"{evidence}. This user must be able to write the file and its folder."
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return DatabaseBusy(
                f"{evidence}. Another program holds a write transaction; it has to end it."
            )
        case sqlite3.SQLITE_CANTOPEN:
            return StoreUnavailable(
                f"{evidence}. The folder must exist and be writable by this user, with file "
                "descriptors left."
            )
        case sqlite3.SQLITE_NOTADB:
            return NotOurDatabase(f"{evidence}: it is no SQLite database. Choose another path.")
        case sqlite3.SQLITE_CORRUPT:
            return DatabaseCorrupt(
                f"{evidence}. Keep a copy, then try `sqlite3 {path} .recover`, or a backup."
            )
        case _:
            return StoreUnavailable(f"{evidence}.")


def translate_running(error: sqlite3.Error, path: str) -> StoreError:
    """As `translate`, for a database that is open: what is refused at open is a failure then."""
    translated = translate(error, path)
    if isinstance(translated, DatabaseCorrupt | NotOurDatabase):
        return StoreUnavailable(str(translated))
    return translated


def closed(location: str) -> StoreClosed:
    """The error of a store that is used before `open` or after `close`."""
    return StoreClosed(f"The store {location} is not open: await store.open(...) first.")


def code_of(error: sqlite3.Error) -> int:
    """SQLite's extended result code; 0 for errors that Python's module raised by itself."""
    code: object = getattr(error, "sqlite_errorcode", 0)
    return code if isinstance(code, int) else 0
