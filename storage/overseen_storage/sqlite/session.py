"""What a store knows while it is open: one epoch of one file."""

from __future__ import annotations

from dataclasses import dataclass

from overseen_storage.errors import DatabaseLost
from overseen_storage.sqlite.checkpoints import log_path_of
from overseen_storage.sqlite.opening import Identity
from overseen_storage.sqlite.owner import OwnerLock
from overseen_storage.sqlite.writer import Heights


class Suspect(Exception):
    """The disk has to be looked at again before anything is written."""


@dataclass(slots=True)
class Session:
    """From `open` to `close`. `heights` and `suspect` are written by the database's thread."""

    path: str
    """Real path, or ``:memory:``."""
    lock: OwnerLock
    epoch: int
    heights: Heights
    identity: Identity | None
    """Which file was opened; None for ``:memory:``."""
    log_identity: Identity | None = None
    """Which write-ahead log the connections use; None for ``:memory:``."""
    size_bytes: int = 0
    """The largest size of the file so far. Nothing of ours makes it smaller."""
    shrank: bool = False
    """The file became smaller, and nobody has looked through it since."""
    suspect: bool = False
    """A COMMIT failed, or the file shrank, and nobody has looked at the disk since."""
    doubtful: bool = False
    """A COMMIT failed at the disk, and the log was not moved into the database since. A sync that
    failed may have dropped what it should have kept, and the next one says nothing of it: then
    that group, and every later one behind it in the log, would not survive a power cut."""
    found_seq: int = 0
    """The ledger's height when the disk was last looked at again."""

    def check(self) -> None:
        """Before a write: raise `Suspect`, or `DatabaseLost` if the file, its log, or the lock file
        is not the one that was opened."""
        if self.suspect:
            raise Suspect
        if self.identity is None:
            return
        size_bytes = self.identity.check(self.path).size_bytes
        if size_bytes < self.size_bytes:
            self.suspect = self.shrank = True
            raise Suspect
        self.size_bytes = size_bytes
        if not self.log_is_there():
            raise DatabaseLost(
                f"{log_path_of(self.path)} was deleted or replaced: it holds what was committed "
                "last. Keep cleaners away from it; the supervisor saves what it held by itself."
            )
        if not self.lock.intact():
            raise DatabaseLost(
                f"The lock file beside {self.path} was deleted or replaced: another process could "
                "own the database now. Keep cleaners away from it; the supervisor takes the lock "
                "again by itself if it is free."
            )

    def connected(self) -> None:
        """Remember which log the connections use, which are new, and how large the file is."""
        if self.identity is not None:
            self.size_bytes = self.identity.check(self.path).size_bytes
            self.log_identity = Identity.find(log_path_of(self.path))

    def log_is_there(self) -> bool:
        """Whether the log that the connections use still has its name.

        SQLite does not look: it would go on writing into a log without a name, and a crash would
        take along all that was acknowledged since.
        """
        return Identity.find(log_path_of(self.path)) == self.log_identity
