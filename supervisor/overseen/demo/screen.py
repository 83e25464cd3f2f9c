"""Shows how far it is: a live bar on a terminal, else a line now and then. All on stderr.

Colour obeys NO_COLOR and TERM, the bar fits any width, and nothing here has a thread of its own:
whoever owns the screen calls `show` as often as it likes.
"""

from __future__ import annotations

from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from overseen.demo.counts import Counts
from overseen_storage.lifecycle import Status

BAR_CELLS_MIN = 10
TENTHS = 10


class Screen(Protocol):
    """What is told to the person in front of it while the work goes on."""

    def say(self, text: str) -> None:
        """Tell something once."""
        ...

    def show(self, counts: Counts, jobs_per_second: float) -> None:
        """Show how far it is now."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was found; closing twice is fine."""
        ...


def open_screen(console: Console) -> Screen:
    """Choose what suits the place where stderr goes."""
    if console.file.isatty() and not console.is_dumb_terminal:
        return LiveBar(console)
    return PlainLines(console)


class LiveBar:
    """One line that is drawn again in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            BarColumn(bar_width=None, complete_style="green", finished_style="green"),
            TextColumn("{task.fields[tail]}", markup=False),
            console=console,
            auto_refresh=False,
            expand=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=None, tail="")
        self._bar.start()

    def say(self, text: str) -> None:
        """Print above the bar."""
        self._console.print(text, markup=False, highlight=False)

    def show(self, counts: Counts, jobs_per_second: float) -> None:
        """Draw the bar anew."""
        room = self._console.width - max(BAR_CELLS_MIN, self._console.width // 4) - 1
        tail = fitting(wordings(counts, jobs_per_second), room)
        self._bar.update(self._task, total=counts.total, completed=counts.ended, tail=tail)
        self._bar.refresh()

    def close(self) -> None:
        """Keep the last state of the bar on the terminal and give the cursor back."""
        self._bar.stop()


class PlainLines:
    """A line for each tenth of the work."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tenths = -1

    def say(self, text: str) -> None:
        """Print it, in one line whatever the width."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show(self, counts: Counts, jobs_per_second: float) -> None:
        """Print a line if another tenth is done."""
        tenths = TENTHS * counts.ended // counts.total if counts.total else TENTHS
        if tenths > self._tenths:
            self._tenths = tenths
            self.say(wordings(counts, jobs_per_second)[0])

    def close(self) -> None:
        """Nothing is open."""


def wordings(counts: Counts, jobs_per_second: float) -> list[str]:
    """Say the same in ever fewer words.

    >>> wordings(Counts([1]), 0.0)[-1]
    '0/1'
    """
    done = f"{counts.ended:,}/{counts.total:,}"
    completed, failed = (
        f"{counts[Status.COMPLETED]:,} completed",
        f"{counts[Status.FAILED]:,} failed",
    )
    retrying, speed = f"{counts[Status.RETRYING]:,} to retry", f"{jobs_per_second:,.0f} jobs/s"
    return [
        f"{done} jobs  {completed}  {failed}  {retrying}  {counts.running:,} running  {speed}",
        f"{done} jobs  {failed}  {retrying}  {speed}",
        f"{done} jobs  {failed}",
        done,
    ]


def fitting(wordings: list[str], width: int) -> str:
    """The first that fits into `width` cells, or the last.

    >>> fitting(["a long one", "short"], 7)
    'short'
    """
    return next((text for text in wordings if len(text) <= width), wordings[-1])
