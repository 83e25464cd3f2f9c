"""How far a run may go, and who was the busiest when it went too far."""

from __future__ import annotations

import asyncio
import math
from collections import Counter

from overseen_actors.deadlock import set_timers, waiting_tasks
from overseen_actors.errors import InvalidBound, VirtualStepLimit, VirtualTimeLimit
from overseen_actors.virtual_order import stepped_task
from overseen_actors.virtual_trace import step_name

TIDYING_STEPS = 100_000
"""Callbacks allowed after a limit was reached, for tasks to be cancelled in order."""

COUNTED_SHARE = 0.1
"""Of a limit: so much of its end is counted."""

COUNTED_STEPS_MAX = 10_000
"""Callbacks before the step limit that are counted: enough to tell, too few to be felt."""

BUSIEST_SHOWN = 3


class Limits:
    """Bounds of one run. From `near_steps` and `near_time` on they want to be asked."""

    def __init__(self, step_limit: int, start: float, time_limit_seconds: float) -> None:
        if not time_limit_seconds > 0:
            raise InvalidBound("time_limit_seconds", time_limit_seconds, "more than 0")
        self._step_limit = step_limit
        self._time_limit_seconds = time_limit_seconds
        self._time_limit_at = start + time_limit_seconds
        self._counts: Counter[str] | None = None
        counted_steps = min(int(step_limit * COUNTED_SHARE), COUNTED_STEPS_MAX)
        self.near_steps = step_limit - counted_steps
        self.near_time = start + time_limit_seconds * (1 - COUNTED_SHARE)

    @property
    def counts(self) -> bool:
        """Whether `count` wants to hear of each callback."""
        return self._counts is not None

    def count(self, handle: asyncio.Handle) -> None:
        """A callback is about to run."""
        if self._counts is not None:
            task = stepped_task(handle)
            name = step_name(handle, task)
            self._counts[f"{task.get_name()} ({name})" if task is not None else name] += 1

    def check_steps(self, loop: asyncio.AbstractEventLoop, steps: int) -> None:
        """Raise VirtualStepLimit if these are too many; else begin to count."""
        if steps <= self._step_limit:
            self._begin_to_count()
            return
        limit = self._step_limit
        self._allow_tidying(steps)
        raise VirtualStepLimit(
            f"more than {limit} callbacks, at {loop.time()} s. Something runs without ever "
            "waiting (see: its next turn), or the run is long: then pass a higher step_limit.\n"
            f"{self._busiest()}\nThe tasks:\n{described_tasks(loop)}"
        )

    def check_time(self, loop: asyncio.AbstractEventLoop, steps: int, now: float) -> None:
        """Raise VirtualTimeLimit if this is too late; else begin to count."""
        if now <= self._time_limit_at:
            self._begin_to_count()
            return
        self._allow_tidying(steps)
        timers = "\n".join(f"  {line}" for line in set_timers(loop))
        raise VirtualTimeLimit(
            f"more than {self._time_limit_seconds} virtual seconds, after {steps} callbacks. "
            "Something comes back for ever, or the run is long: then pass a higher "
            f"time_limit_seconds.\n{self._busiest()}\nThe next timers:\n{timers}\n"
            f"The tasks:\n{described_tasks(loop)}"
        )

    def _begin_to_count(self) -> None:
        self.near_steps, self.near_time = self._step_limit, self._time_limit_at
        self._counts = Counter()

    def _allow_tidying(self, steps: int) -> None:
        self._step_limit = self.near_steps = steps + TIDYING_STEPS
        self._time_limit_at = self.near_time = math.inf

    def _busiest(self) -> str:
        if not self._counts:
            return "Who was the busiest is not known: the limit was passed within one turn."
        shares = ", ".join(f"{who} {n}" for who, n in self._counts.most_common(BUSIEST_SHOWN))
        return f"The busiest of the last {self._counts.total()} callbacks: {shares}."


def described_tasks(loop: asyncio.AbstractEventLoop) -> str:
    """A line for each task, for the end of a message."""
    return "\n".join(f"  {line}" for line in waiting_tasks(loop)) or "  (there is none)"
