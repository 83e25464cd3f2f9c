"""Deadlines of live attempts: when to look at one again, and what is then to be said of it.

An attempt without a timeout and without a heartbeat never gets in here. A sign of life does not
touch the heap: when the time comes, the attempt is looked at, found to have beaten, and filed
again under its next deadline. So a heartbeat costs one store of a float.

Looking is not judging by a timer: a timer only makes the supervisor look after it has drained its
mailbox. After a stall of the loop all timers are late together with the beats they guard; a timer
that is late by more than `STALL_SECONDS` therefore first gives every attempt the time back.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from enum import Enum
from itertools import count
from typing import Final

from overseen.attempt import Attempt
from overseen_storage.lifecycle import Reason

__all__ = ["STALL_SECONDS", "Verdict", "Watch", "judge"]

STALL_SECONDS: Final = 0.1
"""A timer later than this means that the loop, or the whole machine, stood still."""
RECANCEL_SECONDS: Final = (1.0, 5.0)
"""A body that goes on is told again after the first of these, then at the distance of the second
(each delivery costs a wake-up; some bodies swallow one cancellation, few swallow several)."""


TIDY_LOOKS: Final = 256
"""Looks that may be filed before those of ended attempts are thrown out."""


class Verdict(Enum):
    """What is to be done about an attempt now."""

    FINE = "fine"
    TIMEOUT = "timeout"
    """Past its run timeout: to be told to stop."""
    SILENT = "silent"
    """Past its heartbeat: to be told to stop."""
    TELL_AGAIN = "tell_again"
    """It was told to stop and goes on."""
    STUCK = "stuck"
    """It was told to stop and its grace is over."""

    @property
    def reason(self) -> Reason:
        """The reason written on the ledger; only for the first two."""
        return Reason(self.value)


def judge(attempt: Attempt, now: float) -> tuple[Verdict, float | None]:
    """Return what is to be done at loop time `now`, and when to look again (None: never)."""
    if attempt.ended is not None:
        return Verdict.FINE, None
    if attempt.stopping_since is not None:
        return _judge_stopping(attempt, attempt.stopping_since, now)
    if attempt.waits_for_thread:
        return Verdict.FINE, None
    if attempt.body_deadline is not None and now >= attempt.body_deadline:
        return Verdict.TIMEOUT, None
    silence = None if attempt.waits_for_files else attempt.heartbeat_seconds
    if silence is not None and now >= attempt.last_beat + silence:
        return Verdict.SILENT, None
    looks = [] if attempt.body_deadline is None else [attempt.body_deadline]
    if silence is not None:
        looks.append(attempt.last_beat + silence)
    return Verdict.FINE, min(looks, default=None)


def _judge_stopping(attempt: Attempt, since: float, now: float) -> tuple[Verdict, float | None]:
    first, distance = RECANCEL_SECONDS
    # Compared as a moment: `now - since` may round to less than `first` at that very moment, and
    # then the next look would be now, again and again.
    told_again = now >= since + first
    again = now + distance if told_again else since + first
    grace_over = since + attempt.grace_seconds
    if attempt.stuck:
        return Verdict.TELL_AGAIN, again
    if now >= grace_over:
        return Verdict.STUCK, again
    verdict = Verdict.TELL_AGAIN if told_again else Verdict.FINE
    return verdict, min(again, grace_over)


class Watch:
    """Which attempts to look at, and when. `on_change` is called when the next look moved."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._looks: list[tuple[float, int, Attempt]] = []
        self._tie = count()
        self._on_change = on_change
        self._tidy_at = TIDY_LOOKS

    def __len__(self) -> int:
        return len(self._looks)

    @property
    def next_at(self) -> float | None:
        """Loop time of the next look; None: nothing to look at."""
        return self._looks[0][0] if self._looks else None

    def follow(self, attempt: Attempt, now: float) -> None:
        """Look at `attempt` when its state says so. Harmless if it is followed already."""
        verdict, when = judge(attempt, now)
        self._file(attempt, now if verdict is not Verdict.FINE else when)

    def look_later(self, attempt: Attempt, now: float) -> None:
        """Look at `attempt` again after a while: what was to be done about it did not succeed."""
        self._file(attempt, now + RECANCEL_SECONDS[1])

    def take_due(self, now: float) -> list[tuple[Attempt, Verdict]]:
        """Return the attempts about which something is to be done; files the others again."""
        found: dict[Attempt, Verdict] = {}
        if not self._looks or self._looks[0][0] > now:
            return []
        while self._looks and self._looks[0][0] <= now:
            look, _, attempt = heapq.heappop(self._looks)
            if look != attempt.look_at:
                continue  # it was filed anew since
            verdict, when = judge(attempt, now)
            self._file(attempt, when)
            if verdict is not Verdict.FINE:
                found[attempt] = verdict
        self._on_change()
        return list(found.items())

    def give_back(self, late_seconds: float, live: Iterable[Attempt], now: float) -> None:
        """Nobody could give a sign of life for so long: extend what is measured."""
        stalled_since = now - late_seconds
        for attempt in live:
            if attempt.began_at > stalled_since:
                continue
            attempt.last_beat = now
            if attempt.body_deadline is not None:
                attempt.body_deadline += late_seconds
            if attempt.stopping_since is not None and not attempt.stuck:
                attempt.stopping_since += late_seconds

    def _file(self, attempt: Attempt, when: float | None) -> None:
        """Look at it then, and at no other time."""
        attempt.look_at = when
        if when is None:
            return
        if len(self._looks) >= self._tidy_at:
            self._tidy()
        earlier = not self._looks or when < self._looks[0][0]
        heapq.heappush(self._looks, (when, next(self._tie), attempt))
        if earlier:
            self._on_change()

    def _tidy(self) -> None:
        """Forget what has ended: else a fast job with a timeout of a day would stay for a day."""
        self._looks = [
            entry
            for entry in self._looks
            if entry[0] == entry[2].look_at and entry[2].ended is None
        ]
        heapq.heapify(self._looks)
        self._tidy_at = max(TIDY_LOOKS, 2 * len(self._looks))
