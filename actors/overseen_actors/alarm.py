"""Wait until a moment, or until somebody rings: what every timed actor sleeps on."""

from __future__ import annotations

import asyncio

__all__ = ["Alarm"]


class Alarm:
    """One sleeper, who is woken by time or by a ring, whichever comes first.

    A ring while nobody sleeps is remembered, so none is lost between looking and sleeping. It
    follows the running loop's time, so it works in virtual time.

        alarm = Alarm()
        rung = await alarm.sleep_until(loop.time() + 30)   # or: alarm.ring() from elsewhere
    """

    __slots__ = ("_rung", "_sleeper")

    def __init__(self) -> None:
        self._sleeper: asyncio.Future[bool] | None = None
        self._rung = False

    def ring(self) -> None:
        """Wake the sleeper, or the next one at once."""
        if self._sleeper is None or self._sleeper.done():
            self._rung = True  # it is awake, or about to be: for its next sleep
        else:
            self._sleeper.set_result(True)

    async def sleep_until(self, when: float | None) -> bool:
        """Sleep until loop time `when` (None: for ever) or a ring; whether it was a ring."""
        if self._rung:
            self._rung = False
            return True
        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[bool] = loop.create_future()
        self._sleeper = sleeper
        timer = None if when is None else loop.call_at(when, _time_is_up, sleeper)
        try:
            return await sleeper
        except asyncio.CancelledError:
            # Rung and cancelled in one turn of the loop: for its next sleep, or its successor's.
            if sleeper.done() and not sleeper.cancelled() and sleeper.result():
                self._rung = True
            raise
        finally:
            self._sleeper = None
            if timer is not None:
                timer.cancel()


def _time_is_up(sleeper: asyncio.Future[bool]) -> None:
    if not sleeper.done():
        sleeper.set_result(False)
