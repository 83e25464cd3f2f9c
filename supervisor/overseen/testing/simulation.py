"""What a simulated test holds in its hand: time, crashes, faults, and what happened."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from overseen.durations import Duration, format_seconds, seconds
from overseen.testing.book import Book
from overseen.testing.clock import SimulatedClock
from overseen.testing.disk import Failure, SimulatedDisk
from overseen.testing.errors import NotIdle, SimulationError
from overseen.testing.loop import SimulatedLoop
from overseen.testing.submissions import Submissions
from overseen_storage.records import Event, JobRecord

if TYPE_CHECKING:
    from overseen.jobs import Job
    from overseen.supervisor import Supervisor
    from overseen.testing.stage import Stage

__all__ = ["Simulation"]

_STAMPS_AHEAD_SECONDS: Final = 0.01
"""Stamps of one instant are a microsecond apart, so what is due after an hour is due so many
microseconds later: up to ten thousand of them belong to `advance`."""


class Simulation:
    """One supervisor in simulated time; made by `simulate`.

    Time passes only while the test waits (`advance`, `until_idle`, `asyncio.sleep`, a result), and
    takes no real time.
    """

    def __init__(self, supervisor: Supervisor, stage: Stage, loop: SimulatedLoop) -> None:
        self.supervisor = supervisor
        """The supervisor that is simulated: the one that was given."""
        self._stage = stage
        self._loop = loop
        self._submissions = Submissions(stage.book)
        self._nominal = loop.time()

    # Time.

    @property
    def seed(self) -> int:
        """What everything that is left to chance was drawn from."""
        return self._loop.seed

    @property
    def clock(self) -> SimulatedClock:
        """The supervisor's clock. `clock.step("-1h")` sets the wall back by an hour."""
        return self._stage.clock

    @property
    def now(self) -> datetime:
        """What the simulated wall clock shows, in UTC."""
        return self.clock.now

    @property
    def elapsed(self) -> float:
        """Simulated seconds since the simulation began."""
        return self.clock.elapsed_seconds

    async def advance(self, duration: Duration) -> None:
        """Let time pass, and what is due by then happen: ``await sim.advance("10m")``.

        Returns when everybody waits for a later moment, ten milliseconds after the duration.
        """
        length = seconds(duration, name="duration")
        lag = self._loop.time() - self._nominal
        begin = self._nominal if 0 <= lag <= _STAMPS_AHEAD_SECONDS * 1.5 else self._loop.time()
        self._nominal = begin + length
        await self._sleep_until(self._nominal)
        await self._loop.settle()
        await self._sleep_until(self._nominal + _STAMPS_AHEAD_SECONDS)
        await self._loop.settle()

    async def _sleep_until(self, moment: float) -> None:
        # Not by asyncio.sleep: its duration would be a rounded difference.
        reached = asyncio.Event()
        self._loop.call_at(moment, reached.set)
        await reached.wait()

    async def until_idle(self, limit: Duration = "1d") -> None:
        """Let time pass until every job and every batch has ended that can end by itself.

        Drafts, held jobs, jobs in paused queues and open batches wait for somebody: they are not
        waited for. Delays and retries are. Raises `NotIdle` after `limit`.
        """
        most = seconds(limit, name="limit")
        end = self._loop.time() + most
        while True:
            await self._loop.settle()
            waiting = self._book.unfinished()
            if not waiting:
                return
            following = self._loop.next_timer_at
            if following is None or following > end:
                raise NotIdle(format_seconds(most), waiting)
            await self._sleep_until(following)

    def stall(self, duration: Duration) -> None:
        """Let time pass while the loop stands still, as in a job that blocks it."""
        self._loop.stall(seconds(duration, name="duration"))

    def suspend(self, duration: Duration) -> None:
        """Let the whole machine sleep: the wall goes on, the program's timers do not."""
        self.clock.suspend(duration)

    # Crashes.

    def crash(self) -> None:
        """Kill the supervisor as ``kill -9`` does: nothing of it runs any more, no `finally`.

        Only what was committed is kept. The test itself goes on; whoever waits in it for the
        supervisor gets `Crashed`. Then `await sim.restart()`.
        """
        if self._stage.crashed:
            raise SimulationError("it has crashed already: await sim.restart() first")
        self._stage.crash()

    async def restart(self) -> None:
        """Start the supervisor again on the same database: after a crash as the crash left it,
        else after an orderly stop, as in a deploy.

        Handles from before go on working. Raises what `Supervisor.start` does.
        """
        if self._stage.crashed:
            self._stage.rise()
        else:
            await self.supervisor.stop()
        await self.supervisor.start()
        await self._loop.settle()

    @property
    def database(self) -> Path:
        """Where the jobs are now; it is deleted when the simulation ends."""
        return self._stage.database

    # Faults.

    @property
    def disk(self) -> SimulatedDisk:
        """The disk: `disk.full()`, `disk.slow("200ms")`, `disk.works_again()`."""
        return self._stage.disk

    def fail_next(self, failure: Failure, times: int = 1) -> None:
        """Let the next `times` operations of the disk fail: ``sim.fail_next("commit")``.

        ``write``: a transaction, as it begins. ``commit``: its end; nothing of it is on disk.
        ``commit_unknown``: the same error, but all of it is on disk. ``read``: a look at it.
        """
        self.disk.fail_next(failure, times)

    # What happened.

    @property
    def events(self) -> list[Event]:
        """Every event of the ledger so far, over all lives, in order."""
        return list(self._book.events)

    def submitted(self, job: Job[..., Any]) -> list[JobRecord]:
        """Every job of this kind as it is now, in order of submission, from whomever."""
        return self._submissions.of(job)

    def assert_submitted(
        self, job: Job[..., Any], /, *arguments: object, **keywords: object
    ) -> JobRecord:
        """Return the last job of this kind with these arguments; AssertionError if there is none.

        Without any arguments: whatever they were. Defaults count: ``f(1)`` is ``f(1, mode="x")``
        where "x" is the default. Options of the job are not compared.

        >>> sim.assert_submitted(send_mail, "anna@example.org", subject="Hello")
        """
        return self._submissions.assert_one(job, arguments, keywords)

    def assert_not_submitted(
        self, job: Job[..., Any], /, *arguments: object, **keywords: object
    ) -> None:
        """AssertionError if there is a job of this kind with these arguments, or, without any
        arguments, one at all."""
        self._submissions.assert_none(job, arguments, keywords)

    @property
    def _book(self) -> Book:
        return self._stage.book

    def __repr__(self) -> str:
        return f"<Simulation of seed {self.seed}, {format_seconds(self.elapsed)} old>"
