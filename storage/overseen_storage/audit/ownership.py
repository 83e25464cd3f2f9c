"""Whether somebody owns a database now, found out without touching the owner's lock.

Only taking the lock proves that nobody does, and an audit must not keep a starting program out. So
this looks at the record in the lock file, and whether the process it names still is that process.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from overseen_storage.errors import OwnerRecord, StoreError
from overseen_storage.sqlite.owner import read_owner, record_of_this_process


class Ownership(msgspec.Struct, frozen=True):
    """Who owns a database, as far as can be seen."""

    record: OwnerRecord | None
    """What the lock file says: the owner, or one that died; None after a clean end."""
    alive: bool | None
    """Whether that process lives; None if it cannot be seen from here (another host)."""


def look_for_owner(path: str | os.PathLike[str]) -> Ownership:
    """Who owns the database at `path`. Reads only."""
    try:
        record = read_owner(path)
    except StoreError:
        return Ownership(None, None)
    if record is None:
        return Ownership(None, False)
    return Ownership(record, _lives(record))


def _lives(record: OwnerRecord) -> bool | None:
    here = record_of_this_process(since=0, version="")
    if record.host != here.host:
        return None
    if record.boot_id is None or here.boot_id is None:
        return None
    if record.boot_id != here.boot_id:
        return False
    return _is_the_same(record)


def _is_the_same(record: OwnerRecord) -> bool | None:
    """Process ids are used again: the start time tells."""
    try:
        stat = Path("/proc", str(record.pid), "stat").read_bytes()
    except FileNotFoundError:
        return False if Path("/proc/self/stat").exists() else None
    except OSError:
        return None
    # Fields are counted from behind the program's name, which may hold spaces and parentheses.
    fields = stat.rpartition(b")")[2].split()
    if len(fields) <= 19 or fields[0] in (b"Z", b"X"):  # dead, and not yet waited for
        return False
    return record.process_started is None or int(fields[19]) == record.process_started
