"""What time it is: elapsed seconds, wall microseconds, and stamps that never go back."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Protocol

from overseen_actors.errors import InvalidBound

VIRTUAL_WALL_START_US = 1_800_000_000_000_000
"""Where the wall of a `LoopClock` starts unless told otherwise: 15 January 2027, 08:00 UTC."""


class Clock(Protocol):
    """Two readings of time. Whoever needs one takes it as a parameter and never asks the host."""

    def monotonic(self) -> float:
        """Seconds of elapsed time from an arbitrary zero; never goes back, goes on in suspend."""
        ...

    def wall_us(self) -> int:
        """Microseconds since the Unix epoch; somebody may step it in either direction."""
        ...


class SystemClock:
    """The host's clocks. The only place in the product that reads them.

    `monotonic` goes on while the machine sleeps (CLOCK_BOOTTIME on Linux, where the usual
    monotonic clock stands still in suspend), so an hour of suspend is an hour here.
    """

    __slots__ = ("_elapsed_clock",)

    def __init__(self) -> None:
        self._elapsed_clock = _clock_that_goes_on_in_suspend()

    def monotonic(self) -> float:
        """Seconds since the machine started, the time it slept included."""
        if self._elapsed_clock is None:
            return time.monotonic()  # noqa: TID251  this class is where the host's clocks are read
        return time.clock_gettime(self._elapsed_clock)  # noqa: TID251

    def wall_us(self) -> int:
        """Microseconds since the Unix epoch, as the host believes."""
        return time.time_ns() // 1000  # noqa: TID251


def _clock_that_goes_on_in_suspend() -> int | None:
    """The clock's id for clock_gettime; None where time.monotonic() is already such a clock."""
    if sys.platform == "linux":
        return time.CLOCK_BOOTTIME
    elif sys.platform == "darwin":
        # time.monotonic() stands still in sleep there; clock_gettime's CLOCK_MONOTONIC goes on.
        return time.CLOCK_MONOTONIC
    else:
        return None


class LoopClock:
    """A clock that follows an event loop's time: for virtual time.

    The wall shows `wall_start_us` when the clock is made and moves with the loop. Give all parts
    of one test the same clock, or their walls differ.

        clock = LoopClock(asyncio.get_running_loop())
        await asyncio.sleep(600)      # both readings are ten minutes further
        clock.step(-3600)             # somebody set the wall clock back by an hour
    """

    __slots__ = ("_loop", "_loop_start", "_offset_us", "_suspended_seconds", "_wall_start_us")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, wall_start_us: int = VIRTUAL_WALL_START_US
    ) -> None:
        self._loop = loop
        self._loop_start = loop.time()
        self._wall_start_us = wall_start_us
        self._offset_us = 0
        self._suspended_seconds = 0.0

    def monotonic(self) -> float:
        """Seconds of the loop's time, the time suspended included."""
        return self._loop.time() + self._suspended_seconds

    def wall_us(self) -> int:
        """The start, what elapsed since, and every step."""
        elapsed_us = round((self.monotonic() - self._loop_start) * 1_000_000)
        return self._wall_start_us + elapsed_us + self._offset_us

    def step(self, seconds: float) -> None:
        """Move the wall alone, as time synchronisation or an operator does; may be negative."""
        self._offset_us += round(seconds * 1_000_000)

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep: elapsed time and wall go on, the loop's own time does not."""
        if not seconds >= 0:
            raise InvalidBound("seconds", seconds, "0 or more: nobody sleeps backwards")
        self._suspended_seconds += seconds


class Stamper:
    """The only source of persisted stamps: integer microseconds that strictly increase.

    The wall is read once, here. From then on a stamp is

        max(last + 1, anchor + microseconds elapsed),   anchor = max(wall at start, after_us)

    so every stamp is later than every earlier one and later than `after_us`, the last stamp that
    is on disk from an earlier life.

    Why not the usual `max(last + 1, wall)`? It keeps the order too, but it follows the wall when
    somebody steps it. After a step back time stands still (stamps crawl on by one microsecond
    each until the wall has caught up: backoffs of a minute took an hour); after a step forward an
    hour passes in an instant (healthy attempts are judged silent and killed). Elapsed time has
    neither. The price is that stamps drift from a wall that was corrected meanwhile: `drift_us`
    tells by how much, and the next life anchors anew. For the same reason the anchor is not below
    `after_us`: behind a wall that was set back between two lives, time goes on from the last stamp.

    It belongs to one thread: nothing here locks.

        stamper = Stamper(SystemClock(), after_us=last_stamp_on_disk)
        first = stamper.take(3)       # first, first + 1 and first + 2 are ours
    """

    __slots__ = ("_anchor_us", "_clock", "_elapsed_start", "_last")

    def __init__(self, clock: Clock, *, after_us: int = 0) -> None:
        self._clock = clock
        self._elapsed_start = clock.monotonic()
        self._anchor_us = max(clock.wall_us(), after_us)
        self._last = after_us

    @property
    def last(self) -> int:
        """The last stamp taken; `after_us` as long as there is none."""
        return self._last

    def take(self, count: int = 1) -> int:
        """Take `count` consecutive stamps and return the first of them."""
        if count < 1:
            raise InvalidBound("count", count, "1 or more")
        first = self.now()
        self._last = first + count - 1
        return first

    def give_back(self, last_used: int) -> None:
        """Of the block taken last, what comes after `last_used` was not needed.

        A group reserves as many stamps as it could need at most. Kept, the unneeded ones would let
        stamps run ahead of time under load.
        """
        if last_used < self._last:
            self._last = last_used

    def now(self) -> int:
        """What a stamp would be at this moment, without taking one."""
        return max(self._last + 1, self._anchor_us + self.elapsed_us())

    def elapsed_us(self) -> int:
        """Microseconds since this stamper was made."""
        return round((self._clock.monotonic() - self._elapsed_start) * 1_000_000)

    def drift_us(self) -> int:
        """Wall minus stamp: positive when the wall is ahead. Say so when it passes a minute."""
        return self._clock.wall_us() - self.now()
