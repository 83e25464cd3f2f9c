"""Signals of a virtual loop: nobody outside sends any, a test delivers them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import TypeVarTuple

from overseen_actors.errors import VirtualTimeError

Ts = TypeVarTuple("Ts")


class SimulatedSignals(asyncio.SelectorEventLoop):
    """Handlers are kept, not installed in the process: any thread may, and none is left behind."""

    _handlers: dict[int, Callable[[], object]]  # of signals, by number

    def add_signal_handler(self, sig: int, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """Keep a handler for `deliver_signal`, in the place of an earlier one."""
        self._handlers[sig] = lambda: callback(*args)

    def remove_signal_handler(self, sig: int) -> bool:
        """Forget it; False if there is none."""
        return self._handlers.pop(sig, None) is not None

    def deliver_signal(self, sig: int) -> None:
        """Let the handler of a signal run as the next callback.

        VirtualTimeError if there is none: then the signal would end the process, or do nothing.
        """
        handler = self._handlers.get(sig)
        if handler is None:
            raise VirtualTimeError(
                f"nobody handles {signal.Signals(sig).name}: where it would kill the process, "
                "call crash() instead"
            )
        self.call_soon(handler)
