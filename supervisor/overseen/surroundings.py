"""What a supervisor takes from the world outside: where jobs are kept, time, and chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from overseen.lives import Lives
from overseen.running import Running
from overseen_actors.clock import Clock
from overseen_storage.store import Store

__all__ = ["Surroundings"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One set of them. `overseen.testing` gives a supervisor another one for a while."""

    make_store: Callable[[], Store]
    """Called at each start."""
    clock: Clock
    """Where stamps come from."""
    random: Callable[[], float]
    """What the jitter of retries is drawn from: numbers from 0 up to 1."""
    make_lives: Callable[[Callable[[], Running]], Lives] = Lives
    """Makes what starts and stops; it is told how a life is made."""
