"""Names for stored files, without randomness.

A name is the job's id, the epoch and a number that counts in this life: no other life of this
database has its epoch, and no other file of this life its number. The folder may still hold files
of another database that was in this place, or of lives after a backup that was restored; their
names come again, so whoever writes passes over those that are there.
"""

from __future__ import annotations

from itertools import count

from overseen.attachments.names import PART_SUFFIX

__all__ = ["StoredNames", "epoch_of"]


class StoredNames:
    """Gives names out during one life, and remembers them until the folder was searched."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._numbers = count(1)
        self._given: set[str] | None = set()

    def new(self, job_id: int) -> str:
        """Return a name for a file of this job.

        >>> StoredNames(3).new(17)
        '17-3-1'
        """
        name = f"{job_id}-{self._epoch}-{next(self._numbers)}"
        if self._given is not None:
            self._given.add(name)
        return name

    def was_given(self, name: str) -> bool:
        """Whether this life gave the name out: its file, or a part of it, may be on the way to its
        row. The epoch in a name does not tell, for epochs come again with a new database."""
        return self._given is None or name.removesuffix(PART_SUFFIX) in self._given

    def forget(self) -> None:
        """The folder was searched: nobody will ask any more."""
        self._given = None


def epoch_of(name: str) -> int | None:
    """Return the life that gave a name out, also that of an unfinished file; None if none did.

    >>> epoch_of("17-3-1.part")
    3
    """
    parts = name.partition(".")[0].split("-")
    if len(parts) != len(("job", "epoch", "number")):
        return None
    return int(parts[1]) if parts[1].isascii() and parts[1].isdigit() else None
