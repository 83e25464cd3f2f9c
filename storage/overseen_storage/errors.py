"""Everything that can go wrong while a job is kept, as one tree.

::

    OverseenError                     the root of every error of this distribution
    └── StoreError                    the store could not do what was asked
        ├── StoreUnavailable          not a matter of the job: the disk, the file, the connection
        │   ├── DiskFull              no space left; free some, the supervisor goes on by itself
        │   ├── DatabaseLost          the file was deleted or replaced under a running supervisor
        │   ├── DatabaseReadOnly      the file or its folder cannot be written
        │   └── DatabaseBusy          another program holds the write lock
        ├── CommitUnknown             COMMIT failed: it is unknown whether the group is on disk
        ├── DatabaseRefused           this file is not opened; nothing was changed
        │   ├── DatabaseOwned         another process owns it
        │   ├── NetworkFileSystem     its file system cannot lock reliably
        │   ├── NotOurDatabase        the file is something else
        │   ├── DatabaseTooNew        written by a newer version of overseen
        │   ├── DatabaseCorrupt       SQLite cannot read it
        │   └── SQLiteTooOld          the SQLite library lacks what is needed
        ├── RowRefused                one row breaks a rule of the schema; the others were kept
        └── StoreClosed               the store is not open

Infrastructure errors (`StoreUnavailable`, `CommitUnknown`) never become the outcome of a job.
"""

from __future__ import annotations

from dataclasses import dataclass


class OverseenError(Exception):
    """The root of every error that overseen raises on purpose."""


class StoreError(OverseenError):
    """The store could not do what was asked."""


class StoreUnavailable(StoreError):
    """The disk, the file or the connection failed: no fault of any job.

    The supervisor becomes *degraded*: it starts nothing new, keeps the results of running
    bodies in memory and writes them when the store answers again.
    """


class DiskFull(StoreUnavailable):
    """No space left on the device. Free some; the supervisor goes on by itself."""


class DatabaseLost(StoreUnavailable):
    """The database file was deleted or replaced while it was open."""


class DatabaseReadOnly(StoreUnavailable):
    """The database file, or the folder it lies in, cannot be written."""


class DatabaseBusy(StoreUnavailable):
    """Another program holds SQLite's write lock on the database."""


class CommitUnknown(StoreError):
    """COMMIT itself failed: whether the group is on disk has to be read from the disk."""


class DatabaseRefused(StoreError):
    """The database is not opened. Nothing in it was changed."""


@dataclass(frozen=True, slots=True)
class OwnerRecord:
    """Who holds, or last held, a database."""

    pid: int
    """Process id on its host."""
    host: str
    """Name of the host it runs on."""
    since: int
    """When it took the lock, in microseconds since the Unix epoch."""
    version: str
    """Version of overseen it runs."""
    boot_id: str | None = None
    """The host's boot id where the system has one: a pid means nothing after a reboot."""
    process_started: int | None = None
    """The kernel's start time of the process, in clock ticks: pids are reused."""


class DatabaseOwned(DatabaseRefused):
    """Another supervisor owns the database. One file has one owner.

    Evidence: `path` and `owner` (None when the owner's record cannot be read).
    """

    def __init__(self, message: str, *, path: str, owner: OwnerRecord | None) -> None:
        super().__init__(message)
        self.path = path
        self.owner = owner


class NetworkFileSystem(DatabaseRefused):
    """The file lies on a network file system, whose locks cannot be trusted."""


class NotOurDatabase(DatabaseRefused):
    """The file is not a database of overseen."""


class DatabaseTooNew(DatabaseRefused):
    """The database was written by a newer version of overseen than this one."""


class DatabaseCorrupt(DatabaseRefused):
    """SQLite cannot read the file."""


class SQLiteTooOld(DatabaseRefused):
    """The SQLite library in use is older than overseen needs."""


class RowRefused(StoreError):
    """One row breaks a rule of the schema. The other rows of its group were kept."""


class StoreClosed(StoreError):
    """The store is not open."""
