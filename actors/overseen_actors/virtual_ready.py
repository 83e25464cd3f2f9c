"""The queues of ready callbacks: which of them a virtual loop runs next.

asyncio runs callbacks first in, first out; so does FIFO here. A program may not lean on that where
tasks are concerned: whoever awaits something real is resumed at a moment that nobody chose. RANDOM
and PCT therefore let another ready *task* go first, drawn from the seed. Plain callbacks
(`call_soon`, timers, done callbacks) keep their order among themselves, which asyncio promises and
its own code leans on; shuffling them as well gives false alarms.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from random import Random
from typing import NoReturn, assert_never

from overseen_actors.errors import InvalidBound
from overseen_actors.virtual_order import NumberedTask, stepped_task

PCT_CHANGES = 3
"""How often within a span the task that is at its turn falls behind all others."""

PCT_SPAN_STEPS = 2000
"""Steps of tasks within which those changes come."""

PATIENCE_STEPS = 100
"""Steps in a row by one task while others are ready; then it falls behind them. A task that
yields until another one has done something would otherwise run for ever."""

BeforeStep = Callable[[asyncio.Handle], None]


class Schedule(StrEnum):
    """Which of the ready tasks runs next."""

    FIFO = "fifo"
    """The one that became ready first, as on a stock loop. Finds no interleaving bug."""

    RANDOM = "random"
    """Any of them, all alike. The best general choice."""

    PCT = "pct"
    """The one with the highest priority; priorities are random and change a few times (the
    probabilistic concurrency testing of Burckhardt et al., 2010). Finds what takes long
    stretches in which one task runs and another one does not."""


class FifoReady(deque[asyncio.Handle]):
    """First in, first out. `before` hears of each callback while that is still in here: when it
    raises, nothing is lost."""

    def __init__(self, before: BeforeStep | None) -> None:
        super().__init__()
        self.before = before

    def popleft(self) -> asyncio.Handle:
        """Take the callback that runs next."""
        if self.before is not None:
            self.before(self[0])
        return super().popleft()

    def _take(self, index: int) -> asyncio.Handle:
        handle = self[index]
        if self.before is not None:
            self.before(handle)
        del self[index]
        return handle


class RandomReady(FifoReady):
    """Any ready task; in the place of a plain callback the first of these."""

    def __init__(self, before: BeforeStep | None, draw: Random) -> None:
        super().__init__(before)
        self._draw = draw.random

    def popleft(self) -> asyncio.Handle:
        """Take the callback that runs next."""
        index = int(self._draw() * len(self)) if len(self) > 1 else 0
        if index and stepped_task(self[index]) is None:
            index = next(i for i, handle in enumerate(self) if stepped_task(handle) is None)
        return self._take(index)


class PctReady(FifoReady):
    """The ready task of the highest priority; a plain callback when it is the first of all."""

    def __init__(
        self,
        before: BeforeStep | None,
        draw: Random,
        changes: int = PCT_CHANGES,
        span_steps: int = PCT_SPAN_STEPS,
    ) -> None:
        super().__init__(before)
        if changes < 0:
            raise InvalidBound("pct_changes", changes, "0 or more")
        if span_steps < 1:
            raise InvalidBound("pct_span_steps", span_steps, "1 or more")
        self._draw = draw
        self._changes = changes
        self._span_steps = span_steps
        self._steps = 0  # within this span
        self._change_at: set[int] = set()
        self._lowest = 0.0
        self._last: NumberedTask | None = None
        self._in_a_row = 0

    def popleft(self) -> asyncio.Handle:
        """Take the callback that runs next."""
        index, task = 0, stepped_task(self[0])
        if task is not None:
            index, task = self._highest(task)
            self._count(task)
        return self._take(index)

    def _highest(self, first: NumberedTask) -> tuple[int, NumberedTask]:
        best, best_index, best_priority = first, 0, self._priority(first)
        for index, handle in enumerate(self):
            task = stepped_task(handle)
            if task is not None and (priority := self._priority(task)) > best_priority:
                best, best_index, best_priority = task, index, priority
        return best_index, best

    def _priority(self, task: NumberedTask) -> float:
        if task.priority is None:
            task.priority = self._draw.random()
        return task.priority

    def _count(self, task: NumberedTask) -> None:
        """Let `task` fall behind all others where it is time for a change, or where it hogs."""
        if self._steps % self._span_steps == 0:
            self._steps = 0
            steps = range(self._span_steps)
            self._change_at = set(self._draw.sample(steps, min(self._changes, len(steps))))
        self._in_a_row = self._in_a_row + 1 if task is self._last and len(self) > 1 else 0
        self._last = task
        if self._steps in self._change_at or self._in_a_row >= PATIENCE_STEPS:
            self._lowest -= 1
            task.priority = self._lowest
            self._in_a_row = 0
        self._steps += 1


class NothingRuns(deque[asyncio.Handle]):
    """After a crash: whoever wants the next callback gets the error."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def popleft(self) -> NoReturn:
        """Raise."""
        raise self._error


def ready_queue(
    schedule: Schedule,
    before: BeforeStep | None,
    draw: Random,
    pct_changes: int = PCT_CHANGES,
    pct_span_steps: int = PCT_SPAN_STEPS,
) -> FifoReady | None:
    """Make the queue of a schedule; `before` is called with each callback that is about to run.

    None where asyncio's own queue does, which is the fastest.
    """
    match schedule:
        case Schedule.FIFO:
            return None if before is None else FifoReady(before)
        case Schedule.RANDOM:
            return RandomReady(before, draw)
        case Schedule.PCT:
            return PctReady(before, draw, pct_changes, pct_span_steps)
    assert_never(schedule)
