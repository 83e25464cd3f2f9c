"""A committed group on its way from memory (`accounting.py`) to the world (`effects.py`)."""

from __future__ import annotations

from overseen.attempt import Attempt
from overseen.plan import Plan
from overseen.recent import End
from overseen_storage.answers import Committed

__all__ = ["Done"]


class Done:
    """A committed group, ready to be told: what `Effects.act` needs."""

    __slots__ = ("committed", "ends", "plan", "started", "times_changed", "unseen")

    def __init__(self, plan: Plan, committed: Committed) -> None:
        self.plan = plan
        self.committed = committed
        self.ends: list[tuple[int, End]] = []
        """Jobs that ended, and how."""
        self.unseen: list[int] = []
        """Jobs that ended in a way that only their rows tell."""
        self.started: list[Attempt] = []
        """Attempts whose bodies may begin."""
        self.times_changed = False
        """Something became due, or expires, at another time."""
