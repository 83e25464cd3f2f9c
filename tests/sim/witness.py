"""What really ran in one life, seen by the bodies themselves and not by the supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tests.sim.book import Book
from tests.sim.options import Options

from overseen import Context

NARROW = "narrow"
GROUP_SECONDS_MAX = 3.0
"""A group that was on its way when the stop began may start bodies so much later."""


@dataclass(slots=True, eq=False)
class Run:
    """One body at work."""

    ctx: Context
    job_id: int
    attempt: int
    queue: str
    ignores: bool = False
    """It swallows cancellations: it may be stuck, and its slot with somebody else."""


class Witness:
    """What bodies get as ``ctx.state``: they say when they begin, return and end."""

    def __init__(self, book: Book, options: Options, life: int) -> None:
        self.book = book
        self.life = life
        self._options = options
        self._alive: dict[int, Run] = {}
        self.dead = False
        """The process was killed: what coroutines do while they are dropped is not seen."""
        self.stamp_now: Callable[[], int | None] = lambda: None
        """What a stamp would be now, if the program runs."""
        self.stop_asked_at: float | None = None
        """Loop time at which the program was told to stop for good."""

    @property
    def alive(self) -> list[Run]:
        """Bodies at work."""
        return list(self._alive.values())

    def begin(self, ctx: Context) -> Run:
        """A body begins."""
        run = Run(ctx, ctx.job_id, ctx.attempt, ctx.queue)
        if self.dead:
            return run
        book = self.book
        before = self._alive.get(run.job_id)
        if before is not None:
            what = f"attempt {run.attempt} of job {run.job_id} begins beside {before.attempt}"
            book.broken("I10 one body of a job at a time", what)
        self._alive[run.job_id] = run
        book.begun.add((run.job_id, run.attempt))
        self._check_not_stopping(run)
        self._count_running(run.queue)
        book.sometimes.reach_if(len(self._alive) > 1, "two bodies ran at once")
        return run

    def _check_not_stopping(self, run: Run) -> None:
        asked_at = self.stop_asked_at
        if asked_at is not None:
            late = asyncio.get_running_loop().time() - asked_at
            if late > GROUP_SECONDS_MAX:
                what = f"attempt {run.attempt} of job {run.job_id} begins {late} s after stop()"
                self.book.broken("L4 nothing is started once it stops", what)

    def _count_running(self, queue: str) -> None:
        counted = [one for one in self._alive.values() if not one.ignores and not one.ctx.cancelled]
        limit = self._options.concurrency
        if len(counted) > limit:
            what = f"{len(counted)} bodies at work, {limit} allowed"
            self.book.broken("I12 no more than the common limit", what)
        self.book.sometimes.reach_if(len(counted) == limit, "all slots were taken")
        narrow = [one for one in counted if one.queue == NARROW]
        if queue == NARROW and len(narrow) > self._options.narrow_limit:
            what = f"{[one.job_id for one in narrow]} at work in {queue}"
            self.book.broken("I12 no more than the queue's limit", what)

    def returned(self, run: Run, value: int) -> None:
        """A body is about to return a value."""
        if not self.dead:
            self.book.returned[run.job_id, run.attempt] = value
            now = self.stamp_now()
            if now is not None:
                self.book.returned_at[run.job_id, run.attempt] = now

    def ended(self, run: Run) -> None:
        """A body ends, however."""
        if not self.dead and self._alive.get(run.job_id) is run:
            del self._alive[run.job_id]
