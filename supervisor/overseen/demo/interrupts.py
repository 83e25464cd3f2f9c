"""What Ctrl-C does to a program that owns its process: drain, then cancel, then go at once.

A library never touches signals; the demo is a program. It takes SIGINT and SIGTERM for as long as
it works, hands them to the event loop, and gives them back.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended, as shells count it."""


class Interrupts:
    """What the person in front of it has asked for so far."""

    def __init__(self, say: Callable[[str], None], leave: Callable[[], None]) -> None:
        self.draining = asyncio.Event()
        """Set by the first: start nothing new, let what runs end."""
        self.cancelling = asyncio.Event()
        """Set by the second: cancel what runs."""
        self._say = say
        self._leave = leave

    def press(self) -> None:
        """Take one Ctrl-C. The third does not wait for anything: the ledger survives that."""
        if not self.draining.is_set():
            self.draining.set()
            self._say("Stopping: what runs may end. Ctrl-C again cancels it.")
        elif not self.cancelling.is_set():
            self.cancelling.set()
            self._say("Cancelling what runs. Ctrl-C again ends this at once.")
        else:
            self._leave()

    def terminate(self) -> None:
        """Take a SIGTERM: drain, and no matter how often it comes, no more than that."""
        if not self.draining.is_set():
            self.draining.set()
            self._say("Stopping: what runs may end.")

    @contextmanager
    def listening(self) -> Generator[None]:
        """Own SIGINT and SIGTERM inside the block; only in the main thread.

        By `signal.signal`, for `loop.add_signal_handler` does not exist on Windows. The handlers
        do nothing but wake the loop, so what they ask for happens between two callbacks.
        """
        loop = asyncio.get_running_loop()

        def interrupted(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.press)

        def terminated(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.terminate)

        before = {
            signal.SIGINT: signal.signal(signal.SIGINT, interrupted),
            signal.SIGTERM: signal.signal(signal.SIGTERM, terminated),
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
