"""Whose turn it is to be given events, and how much of the loop's time that may take.

Subscribers run on the loop that also runs the work. A thousand of them cost a thousand deliveries
for each event, which is many times the work itself. So whoever wants a page takes its turn: turns
come in slices of half a millisecond, and while commits follow each other slices get a share of the
loop's time, no more. Subscribers then lag and catch up as soon as the work leaves room. While
nothing is committed there is no limit, and who has waited on an idle supervisor gets its turn in
the very callback that brings the event.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Final

__all__ = ["Pacer"]

SLICE_SECONDS: Final = 0.0005
"""Loop time of one slice: so long does the work wait for subscribers at most."""
SHARE: Final = 0.2
"""Of the loop's time while commits follow each other."""
BURST_SECONDS: Final = 0.02
"""Loop time saved up while nobody is given anything: a few subscribers are never held back."""
DEBT_SECONDS: Final = 0.01
"""A reader that blocks the loop is charged no more: the next ones are not to pay for it."""
QUIET_SECONDS: Final = 0.3
"""So long after the last commit the work is taken to have ended. Much longer than the distance of
two commits: subscribers stretch that distance, and if it ever passed for quiet they would get the
whole loop, stretch it further, and the work would stay slow (at 0.05 s it did: measured)."""
TURNS_MAX: Final = 16
"""Turns in one slice."""


class Pacer:
    """Two queues of those who wait for a turn, taken from alternately.

    Those who had everything and wait for news are in one, those who are behind in the other.
    However many are behind, news come soon; however much news there is, nobody starves.
    """

    def __init__(self) -> None:
        self._fresh: deque[asyncio.Future[int]] = deque()
        self._behind: deque[asyncio.Future[int]] = deque()
        self._fresh_first = True
        self._hints: dict[asyncio.Future[int], int] = {}
        self._allowance = BURST_SECONDS
        self._refilled_at = 0.0
        self._committed_at = -QUIET_SECONDS
        self._turns = 1
        """How many turns fill a slice, by what the last ones took."""
        self._begun_at = 0.0
        self._at_work = False
        """A slice is under way, or the next one is planned."""
        self._pause: asyncio.TimerHandle | None = None
        self._unlimited = False

    def committed(self, now: float) -> None:
        """A commit was made: work is under way."""
        self._committed_at = now

    def give(self, waiting: Iterable[tuple[asyncio.Future[int], int]]) -> None:
        """There is news for these; each gets its number with its turn. On an idle supervisor the
        first have their turn at once."""
        for future, hint in waiting:
            self._hints[future] = hint
            self._fresh.append(future)
        if self._fresh and not self._at_work:
            self._at_work = True
            self._next_slice()

    async def turn(self) -> None:
        """Wait for a turn, behind all who came before."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self._behind.append(future)
        if not self._at_work:
            self._at_work = True
            loop.call_soon(self._next_slice)
        await future

    def lift(self) -> None:
        """No limit from here on: nothing is worked any more."""
        self._unlimited = True
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
            self._next_slice()

    def _next_slice(self) -> None:
        """Give the next turns, or plan to do so when there is loop time for them."""
        self._pause = None
        loop = asyncio.get_running_loop()
        pause = self._pause_seconds(loop.time())
        if pause > 0:
            self._pause = loop.call_later(pause, self._next_slice)
            return
        turns = list(islice(iter(self._pop, None), self._turns))
        if not turns:
            self._at_work = False
            return
        # Callbacks run in the order in which they are planned: between these two lie exactly the
        # steps of those who have the turn.
        loop.call_soon(self._begin)
        for future in turns:
            future.set_result(self._hints.pop(future, 0))
        loop.call_soon(self._end, len(turns))

    def _pop(self) -> asyncio.Future[int] | None:
        """The next who waits; those who went away are passed over."""
        while self._fresh or self._behind:
            self._fresh_first = not self._fresh_first
            first, second = self._fresh, self._behind
            if not self._fresh_first:
                first, second = second, first
            future = (first or second).popleft()
            if not future.done():
                return future
            self._hints.pop(future, None)
        return None

    def _begin(self) -> None:
        self._begun_at = asyncio.get_running_loop().time()

    def _end(self, turns: int) -> None:
        took = asyncio.get_running_loop().time() - self._begun_at
        self._allowance = max(self._allowance - took, -DEBT_SECONDS)
        fitting = int(SLICE_SECONDS * turns / took) if took > 0 else TURNS_MAX
        self._turns = max(1, min(fitting, 2 * self._turns, TURNS_MAX))
        self._next_slice()

    def _pause_seconds(self, now: float) -> float:
        """How long subscribers must leave the loop to the work now; not at all if not above 0."""
        earned = SHARE * (now - self._refilled_at)
        self._refilled_at = now
        self._allowance = min(self._allowance + earned, BURST_SECONDS)
        if self._unlimited or self._allowance > 0:
            return 0.0
        quiet_in = self._committed_at + QUIET_SECONDS - now
        return min((SLICE_SECONDS - self._allowance) / SHARE, quiet_in)
