"""What a store knows while it is open: one epoch of one file."""

from __future__ import annotations

from dataclasses import dataclass

from overseen_storage.errors import DatabaseLost
from overseen_storage.sqlite.opening import Identity
from overseen_storage.sqlite.owner import OwnerLock
from overseen_storage.sqlite.writer import Heights


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

    def check(self) -> None:
        """Raise `DatabaseLost` if the file, or the lock file, is not the one that was opened."""
        if self.identity is None:
            return
        self.identity.check(self.path)
        if not self.lock.intact():
            raise DatabaseLost(
                f"The lock file beside {self.path} was deleted or replaced: another process could "
                "own the database now. Keep cleaners away from it; the supervisor takes the lock "
                "again by itself if it is free."
            )
