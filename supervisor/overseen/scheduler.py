"""The scheduler: wakes the supervisor when a delayed or retrying job becomes due, or a waiting one
expires. It sleeps until the earliest of them; nothing is polled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from overseen.messages import Tick
from overseen_actors.alarm import Alarm
from overseen_actors.clock import Clock, Stamper
from overseen_storage.answers import Deadlines
from overseen_storage.errors import StoreError
from overseen_storage.store import Store

__all__ = ["Scheduler"]

WALL_SLEEP_SECONDS_MAX: Final = 60.0
"""Times given as wall time (``at=``) are looked at this often: somebody may step the clock."""
STORE_TROUBLE_SECONDS: Final = 1.0


class Scheduler:
    """One actor without a mailbox. `alarm` rings when the times in the store have changed."""

    def __init__(
        self,
        *,
        store: Store,
        alarm: Alarm,
        clock: Clock,
        stamper: Stamper,
        post: Callable[[Tick], None],
    ) -> None:
        self._store = store
        self._alarm = alarm
        self._clock = clock
        self._stamper = stamper
        self._post = post

    async def run(self) -> None:
        """Ask the store what comes next, sleep until then, tell the supervisor."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                deadlines = await self._store.deadlines()
            except StoreError:
                await self._alarm.sleep_until(loop.time() + STORE_TROUBLE_SECONDS)
                continue
            due, expire = self._seconds_left(deadlines)
            is_due = due is not None and due <= 0
            is_expired = expire is not None and expire <= 0
            if is_due or is_expired:
                self._post(Tick(due=is_due, expire=is_expired))
                await self._alarm.sleep_until(None)  # rung once the supervisor has acted
                continue
            waits = [seconds for seconds in (due, expire) if seconds is not None]
            await self._alarm.sleep_until(loop.time() + min(waits) if waits else None)

    def _seconds_left(self, deadlines: Deadlines) -> tuple[float | None, float | None]:
        """Return seconds until something becomes due, and until something expires."""
        now = self._stamper.now()
        due: list[float] = []
        if deadlines.due_at is not None:
            due.append((deadlines.due_at - now) / 1e6)
        if deadlines.due_wall_at is not None:
            left = (deadlines.due_wall_at - self._clock.wall_us()) / 1e6
            due.append(min(left, WALL_SLEEP_SECONDS_MAX))
        expires_at = deadlines.expires_at
        expire = None if expires_at is None else (expires_at - now) / 1e6
        return min(due, default=None), expire
