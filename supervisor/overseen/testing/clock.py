"""The clock of a simulated supervisor: it follows the loop, and somebody may set its wall."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from overseen.durations import Duration, seconds
from overseen.errors import InvalidOption
from overseen_actors.clock import VIRTUAL_WALL_START_US, LoopClock

__all__ = ["SimulatedClock", "signed_seconds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SimulatedClock:
    """What a simulated supervisor takes for the host's clocks."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start: datetime | None) -> None:
        self._clock = LoopClock(loop, VIRTUAL_WALL_START_US if start is None else _us(start))
        self._loop = loop
        self._loop_start = loop.time()

    def monotonic(self) -> float:
        """Seconds of elapsed time; goes on in suspend."""
        return self._clock.monotonic()

    def wall_us(self) -> int:
        """Microseconds since the Unix epoch."""
        return self._clock.wall_us()

    @property
    def now(self) -> datetime:
        """What the wall shows, in UTC."""
        return _EPOCH + timedelta(microseconds=self.wall_us())

    @property
    def elapsed_seconds(self) -> float:
        """Simulated seconds since the simulation began, without those in suspend."""
        return self._loop.time() - self._loop_start

    def step(self, by: Duration) -> None:
        """Set the wall forward, or back: ``step("1h")``, ``step("-1h")``, ``step(-3600)``.

        As an operator or time synchronisation does. Nothing else moves: no time passes.
        """
        self._clock.step(signed_seconds(by))

    def suspend(self, duration: Duration) -> None:
        """Let the machine sleep; see `Simulation.suspend`."""
        self._clock.suspend(seconds(duration, name="duration"))


def signed_seconds(by: Duration) -> float:
    """A duration in seconds that may be negative."""
    if isinstance(by, str) and by.strip().startswith("-"):
        return -seconds(by.strip()[1:], name="by")
    if isinstance(by, timedelta):
        return by.total_seconds()
    if isinstance(by, int | float) and not isinstance(by, bool) and by < 0:
        return -seconds(-by, name="by")
    return seconds(by, name="by")


def _us(start: datetime) -> int:
    if start.tzinfo is None:
        raise InvalidOption("start", start, "a moment with a time zone: datetime(..., tzinfo=UTC)")
    return (start - _EPOCH) // timedelta(microseconds=1)
