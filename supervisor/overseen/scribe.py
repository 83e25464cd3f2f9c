"""The scribe: stores the lines of ``ctx.log``. Droppable: a full disk costs lines, never a job."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from overseen.counters import Counters
from overseen_actors.alarm import Alarm
from overseen_storage.errors import StoreError
from overseen_storage.records import LogLine
from overseen_storage.store import Store

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Scribe"]

FLUSH_SECONDS: Final = 0.5
LINES_WAITING_MAX: Final = 10_000


class Scribe:
    """One actor without a mailbox: lines gather, and are written together."""

    def __init__(
        self, store: Store, counters: Counters, keep_per_job: int, log: FilteringBoundLogger
    ) -> None:
        self._store = store
        self._counters = counters
        self._keep_per_job = keep_per_job
        self._log = log
        self._lines: list[LogLine] = []
        self._alarm = Alarm()
        self._writing = asyncio.Lock()

    def write(self, line: LogLine) -> None:
        """Take a line. It is on disk within a second, if the store works."""
        self._log.log(_LEVELS[line.level], line.message, job_id=line.job_id, fields=line.data)
        if len(self._lines) >= LINES_WAITING_MAX:
            self._counters.logs_dropped += 1
            return
        self._lines.append(line)
        if len(self._lines) == 1:
            self._alarm.ring()

    async def run(self) -> None:
        """Wait for a line, give others the time to join it, write them."""
        while True:
            await self._alarm.sleep_until(None)
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what has gathered; returns when all lines of before are on disk, or dropped."""
        async with self._writing:
            lines, self._lines = self._lines, []
            if not lines:
                return
            try:
                await self._store.write_logs(lines, keep_per_job=self._keep_per_job)
            except StoreError as error:
                self._counters.logs_dropped += len(lines)
                self._log.warning("logs.dropped", lines=len(lines), error=str(error))


_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
