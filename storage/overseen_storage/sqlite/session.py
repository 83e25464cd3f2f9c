"""What a store knows while it is open: one epoch of one file."""

from __future__ import annotations

from dataclasses import dataclass

from overseen_storage.errors import DatabaseLost
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
    suspect: bool = False
    """A COMMIT failed, and nobody has looked at the disk since."""
    found_seq: int = 0
    """The ledger's height when the disk was last looked at again."""

    def check(self) -> None:
        """Before a write: raise `Suspect`, or `DatabaseLost` if the file, or the lock file, is not
        the one that was opened."""
        if self.suspect:
            raise Suspect
        if self.identity is None:
            return
        self.identity.check(self.path)
        if not self.lock.intact():
            raise DatabaseLost(
                f"The lock file beside {self.path} was deleted or replaced: another process could "
                "own the database now. Keep cleaners away from it; the supervisor takes the lock "
                "again by itself if it is free."
            )
