"""Shows on a terminal how far a batch is: one line, drawn again in place; in a log, lines."""

from __future__ import annotations

import os
from typing import Final, TextIO

from overseen.batches.progress import BatchProgress

__all__ = ["ProgressDisplay", "line"]

BAR_CELLS_MAX: Final = 30
BAR_CELLS_MIN: Final = 5
WIDTH_MIN: Final = 4
LOG_WIDTH: Final = 120
TERMINAL_WIDTH: Final = 80
"""Of a terminal that does not tell."""
NAME_CHARACTERS_MAX: Final = 40
TENTHS: Final = 10
"""A log gets a line for each tenth of the work."""
_BEGIN_AND_ERASE: Final = "\r\x1b[K"
_LONG_SECONDS: Final = 100 * 3600


class ProgressDisplay:
    """Writes to one stream, which must be a text file such as ``sys.stderr``.

    On a terminal `show` draws one line again and again, as wide as the terminal is then. Elsewhere
    it writes a line for each tenth of the work and each change of status, without control
    characters. `close` leaves the last line standing. `width` sets the width once and for all.
    """

    def __init__(self, stream: TextIO, width: int | None = None) -> None:
        self._stream = stream
        # TERM=dumb says that the terminal cannot draw in place.
        self._live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._width_given = width
        self._shown: object = None
        self._drawn = False

    def show(self, progress: BatchProgress) -> None:
        """Show how far it is."""
        if self._live:
            # One cell is left free: a full line makes some terminals wrap.
            self._stream.write(_BEGIN_AND_ERASE + line(progress, self._width() - 1))
            self._stream.flush()
            self._drawn = True
            return
        shown = progress.status, int(TENTHS * progress.fraction)
        if shown != self._shown:
            self._shown = shown
            self._stream.write(line(progress, self._width()) + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Go on below the line; closing twice is fine."""
        if self._drawn:
            self._stream.write("\n")
            self._stream.flush()
            self._drawn = False

    def _width(self) -> int:
        if self._width_given is not None:
            return self._width_given
        if not self._live:
            return LOG_WIDTH
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or TERMINAL_WIDTH
        except (OSError, ValueError):  # it says that it is a terminal, and is not a file
            return TERMINAL_WIDTH


def line(progress: BatchProgress, width: int) -> str:
    """Return one line that fits into `width` characters, with as much in it as does.

    No control characters, nothing but text.
    """
    width = max(width, WIDTH_MIN)
    percent = f"{int(100 * progress.fraction)} %"
    texts = [" | ".join(parts) for parts in _wordings(progress)]
    for text in texts:
        cells = min(BAR_CELLS_MAX, width - len(percent) - len(text) - 2)
        if cells >= BAR_CELLS_MIN:
            full = int(cells * progress.fraction)
            return f"{'#' * full}{'.' * (cells - full)} {percent} {text}"
    shortest = f"{percent} {texts[-1]}"
    return shortest if len(shortest) <= width else percent[:width]


def _wordings(progress: BatchProgress) -> list[list[str]]:
    """The same in ever fewer words."""
    done = f"{progress.ended:,}/{progress.total:,}" + ("" if progress.sealed else "+")
    outcomes = [
        f"ok {progress.completed:,}",
        f"failed {progress.failed:,}",
        *([f"cancelled {progress.cancelled:,}"] if progress.cancelled else []),
        f"running {progress.running:,}",
    ]
    counts = f"{done} {' '.join(outcomes)}"
    speed: list[str] = []
    if progress.rate_per_second is not None and not progress.over:
        speed.append(f"{_number(progress.rate_per_second)}/s")
    if progress.over:
        speed.append(progress.status.replace("_", " "))
    elif progress.seconds_left is not None:
        speed.append(f"{duration(progress.seconds_left)} left")
    name = [_printable(progress.name)] if progress.name else []
    return [
        [counts, *speed, *name],
        [counts, *speed],
        [counts],
        [f"{done} failed {progress.failed:,}"],
        [done],
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= TENTHS else f"{value:.1f}"


def _printable(name: str) -> str:
    """A name is the user's: it may hold anything."""
    cut = name if len(name) <= NAME_CHARACTERS_MAX else name[: NAME_CHARACTERS_MAX - 3] + "..."
    return "".join(character if character.isprintable() else "?" for character in cut)


def duration(seconds: float) -> str:
    """Return a time in words for people, never more exact than an estimate is.

    >>> duration(0.2), duration(75), duration(7_500)
    ('1 s', '1 min 15 s', '2 h 5 min')
    """
    if seconds >= _LONG_SECONDS:
        return "days"
    whole = max(1, round(seconds)) if seconds > 0 else 0
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
