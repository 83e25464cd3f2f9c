"""Names for stored files: never used before, without randomness.

A name is the job's id, the epoch and a number that counts in this life: no other life has its
epoch, and no other file of this life its number.
"""

from __future__ import annotations

from itertools import count

__all__ = ["StoredNames", "epoch_of"]


class StoredNames:
    """Gives names out during one life."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._numbers = count(1)

    def new(self, job_id: int) -> str:
        """Return a name for a file of this job.

        >>> StoredNames(3).new(17)
        '17-3-1'
        """
        return f"{job_id}-{self._epoch}-{next(self._numbers)}"

    def is_of_this_life(self, name: str) -> bool:
        """Whether this life gave the name out: its file may be on the way to its row."""
        return epoch_of(name) == self._epoch


def epoch_of(name: str) -> int | None:
    """Return the life that gave a name out, also that of an unfinished file; None if none did.

    >>> epoch_of("17-3-1.part")
    3
    """
    parts = name.partition(".")[0].split("-")
    if len(parts) != len(("job", "epoch", "number")):
        return None
    return int(parts[1]) if parts[1].isascii() and parts[1].isdigit() else None
