"""The watchdog: looks at *state* on a schedule, so nothing depends on an event that did not come.

It judges nothing itself. It wakes the supervisor when an attempt's deadline has come, and at every
sweep; the supervisor drains its mailbox first and judges then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from overseen.committing import Committing
from overseen.counters import Counters
from overseen.messages import Tick
from overseen.settings import Settings
from overseen.watch import STALL_SECONDS, Watch
from overseen_actors.alarm import Alarm
from overseen_storage.errors import StoreError
from overseen_storage.groups import PruneRequest
from overseen_storage.store import Store

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Watchdog"]

PROBE_SECONDS: Final = 1.0
"""Distance of the questions to a store that does not work."""
PRUNE_JOBS: Final = 500
"""Jobs pruned in one transaction: small, so that nobody waits long behind it."""


class Watchdog:
    """One actor without a mailbox: its messages are moments."""

    def __init__(
        self,
        *,
        watch: Watch,
        alarm: Alarm,
        committing: Committing,
        store: Store,
        counters: Counters,
        settings: Settings,
        post: Callable[[Tick], None],
        busy: Callable[[], bool],
        stamp_now: Callable[[], int],
        log: FilteringBoundLogger,
    ) -> None:
        self._watch = watch
        self._alarm = alarm
        self._committing = committing
        self._store = store
        self._counters = counters
        self._settings = settings
        self._post = post
        self._busy = busy
        self._stamp_now = stamp_now
        self._log = log

    async def run(self) -> None:
        """Look, sleep until the next moment, look again."""
        loop = asyncio.get_running_loop()
        next_sweep = loop.time()
        asked_about: float | None = None
        while True:
            if loop.time() >= next_sweep:
                next_sweep = loop.time() + self._settings.sweep_interval
                await self._sweep()
            next_look = self._watch.next_at
            if next_look == asked_about:
                next_look = None  # the supervisor was told; it rings when it has looked
            moments = [next_sweep] if next_look is None else [next_sweep, next_look]
            if self._committing.degraded:
                moments.append(loop.time() + PROBE_SECONDS)
            moment = min(moments)
            if await self._alarm.sleep_until(moment):
                asked_about = None
                continue
            late = loop.time() - moment
            asked_about = next_look if moment == next_look else None
            self._post(Tick(late if late > STALL_SECONDS else 0.0))

    async def _sweep(self) -> None:
        self._post(Tick(due=True, expire=True))
        if self._committing.degraded:
            return
        try:
            await self._prune()
            self._counters.wal_bytes = await self._store.checkpoint(truncate=not self._busy())
        except StoreError as error:
            # The next commit meets it too and declares it; a sweep is only late.
            self._log.warning("sweep.failed", error=str(error), error_type=type(error).__name__)

    async def _prune(self) -> None:
        request = self._prune_request()
        pruned = 0
        while True:
            chunk = await self._store.prune(request)
            pruned += chunk.jobs
            if not chunk.remaining:
                break
        if pruned:
            self._log.info("jobs.pruned", jobs=pruned)

    def _prune_request(self) -> PruneRequest:
        now = self._stamp_now()
        retention = self._settings.retention
        completed = retention.microseconds("completed")
        failed = retention.microseconds("failed")
        cancelled = retention.microseconds("cancelled")
        return PruneRequest(
            None if completed is None else now - completed,
            None if failed is None else now - failed,
            None if cancelled is None else now - cancelled,
            PRUNE_JOBS,
        )
