"""What the person in front of it sees while the work goes on: the batch's progress, on stderr."""

from __future__ import annotations

from typing import TextIO

from overseen.batches.progress import BatchProgress
from overseen.batches.terminal import ProgressDisplay


class Screen:
    """A line that is drawn again in place; where there is no terminal, a line now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._display = ProgressDisplay(stream)

    def say(self, text: str) -> None:
        """Tell something once; what was drawn stays above it."""
        self._display.close()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def show(self, progress: BatchProgress) -> None:
        """Show how far it is now."""
        self._display.show(progress)

    def close(self) -> None:
        """Leave the terminal as it was found; closing twice is fine."""
        self._display.close()
