"""The live attempts: what runs here, and nothing else. Belongs to the root, so that it outlives a
restart of the supervisor actor."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from overseen.attempt import Attempt

__all__ = ["Live"]


class Live:
    """Attempts by job. A job has at most one: while an old body lives, it gets no new one."""

    def __init__(self) -> None:
        self._attempts: dict[int, Attempt] = {}
        self.stuck = 0
        """How many of them are in quarantine: they ignore their cancellation, hold no slot."""
        self._waiters: list[asyncio.Future[None]] = []

    def __len__(self) -> int:
        return len(self._attempts)

    def __iter__(self) -> Iterator[Attempt]:
        return iter(list(self._attempts.values()))

    def get(self, job_id: int) -> Attempt | None:
        """Return the attempt of a job, if one is live."""
        return self._attempts.get(job_id)

    def add(self, attempt: Attempt) -> None:
        """An attempt was started and its start is on disk."""
        self._attempts[attempt.claimed.id] = attempt

    def remove(self, attempt: Attempt) -> None:
        """Its end is on disk."""
        if self._attempts.pop(attempt.claimed.id, None) is not None and attempt.stuck:
            self.stuck -= 1
        attempt.drop_timers()
        self._tell_waiters()

    def quarantine(self, attempt: Attempt) -> None:
        """It ignores its cancellation past its grace."""
        attempt.stuck = True
        self.stuck += 1
        self._tell_waiters()

    @property
    def idle(self) -> bool:
        """Whether nothing runs but, perhaps, stuck bodies."""
        return len(self._attempts) == self.stuck

    async def wait_idle(self) -> None:
        """Return as soon as nothing runs but, perhaps, stuck bodies."""
        while not self.idle:
            await self._news()

    async def wait_written(self) -> None:
        """Return as soon as every end that was reported is on disk."""
        while any(attempt.ended is not None for attempt in self):
            await self._news()

    async def _news(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _tell_waiters(self) -> None:
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
