"""One life of a supervisor after the other: starting, stopping, and which one may be asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from overseen.errors import NotStarted, StillRunning, SupervisorStopped, WrongLoop
from overseen.life import Life
from overseen.running import Running
from overseen.stopping import StopReport, refuse_bodies

__all__ = ["Lives"]


class Lives:
    """The life that is under way, and the last one that ended. `make` prepares the next."""

    def __init__(self, make: Callable[[], Running]) -> None:
        self._make = make
        self._now: Life | None = None
        self._last: Life | None = None
        self._thread: int | None = None
        self.report: StopReport | None = None
        """How the last stop went; None before the first."""

    @property
    def started(self) -> bool:
        """Whether one is under way, be it opening or stopping."""
        return self._now is not None

    async def start(self) -> None:
        """Begin a life; see `Supervisor.start`."""
        while (life := self._now) is not None:
            self._require_own_loop(life)
            if life.running.failure is not None:
                raise life.running.failure
            if not life.is_stopping:
                await asyncio.shield(life.opened)
                return
            await life.over()
            self._leave(life)
        if self._last is not None and self._last.running.survivors:
            survivors = self._last.running.survivors
            raise StillRunning([attempt.claimed.id for attempt in survivors])
        self._thread = threading.get_ident()
        life = self._now = Life(self._make())
        try:
            await life.start()
        except BaseException:
            if self._now is life:
                self._now = None
            raise

    async def stop(self) -> StopReport:
        """End the life under way; see `Supervisor.stop`."""
        life = self._now
        if life is None:
            return self.report or StopReport(drained=0, interrupted=0, seconds=0.0)
        self._require_own_loop(life)
        refuse_bodies(life.running.live)
        try:
            return await life.stop()
        finally:
            self._leave(life)

    def running(self) -> Running:
        """Return what runs, if it runs, and if this is its loop."""
        life = self._now
        if life is None:
            raise NotStarted if self._last is None else SupervisorStopped()
        self._require_own_loop(life)
        if not life.is_open:
            raise NotStarted(starting=True)
        if life.running.failure is not None:
            raise life.running.failure
        return life.running

    def remembered(self) -> Running:
        """As `running`; once stopped, what ran last: it still remembers recent outcomes."""
        if self._now is None and self._last is not None:
            return self._last.running
        return self.running()

    def _leave(self, life: Life) -> None:
        if self._now is life:  # else another waiter was first, and may have started again
            self._now, self._last = None, life
            self.report = life.report

    def _require_own_loop(self, life: Life) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is not life.running.loop:
            raise WrongLoop(in_thread=threading.get_ident() != self._thread)
