"""Outcomes of the last jobs, and whoever waits for one.

Filled after COMMIT, so what is read here is on disk. Awaiting twenty thousand results then costs
no read (a read is a thread hop of 0.13 ms).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

import msgspec

from overseen_storage.lifecycle import Reason, Status
from overseen_storage.records import JobError

__all__ = ["End", "Recent"]

RESULT_BYTES_MAX: Final = 64 << 20
"""Results kept in memory; older ones are read from their rows."""


class End(msgspec.Struct, frozen=True, gc=False):
    """How a job ended, from memory or from its row."""

    kind: str
    status: Status
    attempts: int
    reason: Reason | None
    error: JobError | None
    result: str | None
    warnings: int


class Recent:
    """A bounded memory of ends, and the futures of those who wait for one."""

    def __init__(self, limit: int, known_from_id: int) -> None:
        self._limit = limit
        self._ends: OrderedDict[int, End | None] = OrderedDict()
        self._bytes = 0
        self._waiters: dict[int, list[asyncio.Future[None]]] = {}
        self._forgotten_to = known_from_id - 1
        """Ends of jobs up to this id may be unknown here; those of later ids are not."""

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def waiting(self) -> int:
        """Jobs somebody waits for."""
        return len(self._waiters)

    def get(self, job_id: int) -> End | None:
        """Return the end of a job that ended lately, if it is here."""
        return self._ends.get(job_id)

    def would_know(self, job_id: int) -> bool:
        """Whether the end of an existing job, had it ended, would be here: no need to read."""
        return job_id > self._forgotten_to and job_id not in self._ends

    def add(self, job_id: int, end: End) -> None:
        """A job's end is on disk: remember it and wake those who wait."""
        self._ends[job_id] = end
        if end.result is not None:
            self._bytes += len(end.result)
        while len(self._ends) > self._limit or self._bytes > RESULT_BYTES_MAX:
            self._forget_oldest()
        if self._waiters:
            self.nudge(job_id)

    def add_unseen(self, job_id: int) -> None:
        """A job has ended in a way that only its row tells: those who wait read it."""
        self._ends[job_id] = None
        while len(self._ends) > self._limit:
            self._forget_oldest()
        self.nudge(job_id)

    def _forget_oldest(self) -> None:
        job_id, end = self._ends.popitem(last=False)
        self._forgotten_to = max(self._forgotten_to, job_id)
        if end is not None and end.result is not None:
            self._bytes -= len(end.result)

    def distrust(self, up_to_id: int) -> None:
        """Ends of jobs up to this id may have been missed: their rows are to be read."""
        self._forgotten_to = max(self._forgotten_to, up_to_id)
        self.wake_all()

    def wait_for(self, job_id: int) -> asyncio.Future[None]:
        """Return a future that is done when there is news of the job, such as its end."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(job_id, []).append(future)
        return future

    def give_up(self, job_id: int, future: asyncio.Future[None]) -> None:
        """Its waiter went away."""
        waiters = self._waiters.get(job_id)
        if waiters is not None and future in waiters:
            waiters.remove(future)
            if not waiters:
                del self._waiters[job_id]

    def nudge(self, job_id: int) -> None:
        """There is news of a job (it ended, it is stuck): those who wait look."""
        waiters = self._waiters.pop(job_id, None)
        if waiters is not None:
            _wake(waiters)

    def wake_all(self) -> None:
        """Everybody who waits looks again."""
        waiters, self._waiters = self._waiters, {}
        for futures in waiters.values():
            _wake(futures)


def _wake(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
