"""How a database is opened for an audit: nothing is written, not even beside it.

A SQLite database in WAL mode that is opened with ``mode=ro`` alone makes a ``-wal`` and a ``-shm``
where there are none, and rebuilds the ``-shm`` of a process that died. So:

* with a ``-shm``: ``mode=ro&readonly_shm=1``. If a program has the file open, its shared memory is
  read; if it died, SQLite makes the index of the ``-wal`` in our memory.
* without ``-shm``, and without a ``-wal`` or with an empty one: the file is all there is, and
  ``immutable=1`` reads it. Whether a program began to write meanwhile is looked at in the end.
* without ``-shm``, but with something in the ``-wal`` (both were copied from elsewhere): it is
  looked at in a temporary copy.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from overseen_storage.errors import DatabaseBusy, DatabaseRefused, NotOurDatabase
from overseen_storage.sqlite.opening import check_ours, check_sqlite_version
from overseen_storage.sqlite.translate_errors import translate

_CACHE_KIB = 64_000


class ChangedMeanwhile(DatabaseBusy):
    """A program began to write a file that was at rest when the reading began: read it again."""


def real_path_of(path: str | os.PathLike[str]) -> Path:
    """The database, links resolved; raises `DatabaseRefused` if there is no file to read."""
    real = Path(os.path.realpath(path))
    if not real.exists():
        raise DatabaseRefused(f"There is no {path}. Name the file of a database.")
    if not real.is_file():
        raise NotOurDatabase(f"{path} is not a file. Name the file of a database.")
    if not os.access(real, os.R_OK):
        raise DatabaseRefused(f"{path} cannot be read. This user must be able to read it.")
    return real


@contextmanager
def reading(path: str | os.PathLike[str]) -> Generator[sqlite3.Connection, None, None]:
    """A connection in a read transaction: everything is seen as of one moment.

    Raises:
        DatabaseRefused: there is no such file, it is not one of ours, or from a newer version.
        ChangedMeanwhile: a program began to write it; do it again.
        StoreError: SQLite cannot read it.
    """
    check_sqlite_version(sqlite3.sqlite_version_info)
    real = real_path_of(path)
    has_index = Path(f"{real}-shm").exists()
    if has_index:
        with _connected(real, "mode=ro&readonly_shm=1", path) as connection:
            yield connection
    elif _log_bytes(real):
        with (
            tempfile.TemporaryDirectory(prefix="overseen-") as folder,
            _connected(_copy(real, Path(folder)), "mode=ro", path) as connection,
        ):
            yield connection
    else:
        before = _state(real)
        with _connected(real, "mode=ro&immutable=1", path) as connection:
            yield connection
        if _state(real) != before:
            raise ChangedMeanwhile(f"{path} was written while it was read. Do it again.")


@contextmanager
def _connected(
    real: Path, options: str, path: str | os.PathLike[str]
) -> Generator[sqlite3.Connection, None, None]:
    try:
        connection = sqlite3.connect(f"{real.as_uri()}?{options}", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise translate(error, os.fspath(path)) from error
    try:
        try:
            connection.execute("PRAGMA query_only = 1")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB:d}")
            connection.execute("BEGIN")
            version = check_ours(connection, os.fspath(path))
        except sqlite3.Error as error:
            raise translate(error, os.fspath(path)) from error
        if version == 0:
            raise NotOurDatabase(f"{path} is empty: no program has begun to use it yet.")
        yield connection
    finally:
        connection.close()


def _log_bytes(real: Path) -> int:
    try:
        return Path(f"{real}-wal").stat().st_size
    except FileNotFoundError:
        return 0


def _state(real: Path) -> tuple[int, int, int, int]:
    """What changes when somebody writes the database."""
    found = real.stat()
    return (found.st_ino, found.st_size, found.st_mtime_ns, _log_bytes(real))


def _copy(real: Path, folder: Path) -> Path:
    # Nobody has it open: who does has a -shm. So a plain descriptor drops nobody's locks.
    copy = folder / real.name
    shutil.copyfile(real, copy)
    shutil.copyfile(f"{real}-wal", f"{copy}-wal")
    return copy
