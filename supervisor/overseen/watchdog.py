"""The watchdog: looks at *state* on a schedule, so nothing depends on an event that did not come.

It judges nothing itself. It wakes the supervisor when an attempt's deadline has come, and at every
sweep; the supervisor drains its mailbox first and judges then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from overseen.committing import Committing
from overseen.counters import Counters
from overseen.messages import StopMembers, Tick
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
WAKE_SECONDS_MAX: Final = 30.0
"""The watchdog sleeps no longer than this: it also notices when the store works no more."""
WAL_BYTES_KEPT: Final = 16 << 20
"""A write-ahead log up to this size keeps its length: a commit that overwrites it takes 0.2 ms, one
that makes it longer 0.4 ms (measured with raw sqlite3)."""
BATCHES_MAX: Final = 1_000
"""Batches looked at in one sweep, of each sort."""
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
        post: Callable[[Tick | StopMembers], None],
        busy: Callable[[], bool],
        stamp_now: Callable[[], int],
        batches_due: Callable[[list[int]], None],
        files_freed: Callable[[list[str]], None],
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
        self._batches_due = batches_due
        self._files_freed = files_freed
        self._log = log

    async def run(self) -> None:
        """Look, sleep until the next moment, look again."""
        loop = asyncio.get_running_loop()
        asked_about: float | None = None
        while True:
            look_at = self._watch.next_at
            if look_at == asked_about:
                look_at = None  # the supervisor was told; it rings when it has looked
            wake_at = self._wake_at(loop.time(), look_at)
            rung = await self._alarm.sleep_until(wake_at)
            now = loop.time()
            if rung:
                asked_about = None
            if now - wake_at > STALL_SECONDS:
                # Give the time back now and look at the next wake: one stall may follow another.
                self._post(Tick(now - wake_at))
            elif not rung and look_at is not None and now >= look_at:
                asked_about = look_at
                self._post(Tick(look=True))
            elif self._committing.degraded:
                self._post(Tick())

    def _wake_at(self, now: float, look_at: float | None) -> float:
        """Return when to wake: at the next look, and on the way there now and then, each time
        after an eighth of what is left. So a stall is noticed whenever it comes, up to an eighth of
        the time that an attempt had left."""
        longest = PROBE_SECONDS if self._committing.degraded else WAKE_SECONDS_MAX
        if look_at is None:
            return now + longest
        step = min(max((look_at - now) / 8, STALL_SECONDS), longest)
        return max(min(now + step, look_at), now)

    async def run_sweeps(self) -> None:
        """Look at the whole state, again and again. An actor of its own: pruning may take long,
        and nobody's deadline shall wait for it."""
        while True:
            await self._sweep()
            await asyncio.sleep(self._settings.sweep_interval)

    async def _sweep(self) -> None:
        self._post(Tick(due=True, expire=True))
        if self._committing.degraded:
            return
        try:
            await self._look_at_batches()
            await self._prune()
            large = self._counters.wal_bytes > WAL_BYTES_KEPT
            truncate = large and not self._busy()
            self._counters.wal_bytes = await self._store.checkpoint(truncate=truncate)
        except StoreError as error:
            # The next commit meets it too and declares it; a sweep is only late.
            self._log.warning("sweep.failed", error=str(error), error_type=type(error).__name__)

    async def _look_at_batches(self) -> None:
        """Whatever was missed: a crash after the last member's end, or while members were being
        cancelled, leaves rows that say so."""
        to_do = await self._store.batches_to_do(limit=BATCHES_MAX)
        self._batches_due(to_do.due)
        for batch_id, reason in to_do.stopped.items():
            self._post(StopMembers(batch_id, reason))

    async def _prune(self) -> None:
        request = self._prune_request()
        pruned = 0
        while True:
            chunk = await self._store.prune(request)
            pruned += chunk.jobs
            self._files_freed(chunk.freed_files)
            if not chunk.remaining:
                break
            request = msgspec.structs.replace(request, after=chunk.looked_to)
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
