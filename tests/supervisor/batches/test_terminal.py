"""One line that tells how far a batch is, on terminals and in logs."""

from __future__ import annotations

import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overseen.batches.progress import BatchProgress
from overseen.batches.terminal import ProgressDisplay, duration, line
from overseen_storage.batch_lifecycle import BatchStatus

HALF_WAY = BatchProgress(
    batch_id=1,
    name="nightly",
    status=BatchStatus.PROCESSING,
    sealed=True,
    total=1_000,
    waiting=380,
    running=8,
    completed=600,
    failed=12,
    cancelled=0,
    rate_per_second=1_203.4,
    seconds_left=0.3,
)
AT_THE_END = msgspec.structs.replace(
    HALF_WAY,
    status=BatchStatus.COMPLETED_WITH_ERRORS,
    waiting=0,
    running=0,
    completed=988,
    seconds_left=0.0,
)


class Terminal(io.StringIO):
    """Text that goes to a terminal, or says so."""

    def isatty(self) -> bool:
        return True


@st.composite
def anything(draw: st.DrawFn) -> BatchProgress:
    """A batch that is somewhere."""
    parts = [draw(st.integers(0, 10**7)) for _ in range(5)]
    rate = draw(st.none() | st.floats(0, 1e7))
    return BatchProgress(
        batch_id=1,
        name=draw(st.text(max_size=60)),
        status=draw(st.sampled_from(BatchStatus)),
        sealed=draw(st.booleans()),
        total=sum(parts),
        waiting=parts[0],
        running=parts[1],
        completed=parts[2],
        failed=parts[3],
        cancelled=parts[4],
        rate_per_second=rate,
        seconds_left=draw(st.none() | st.floats(0, 1e12)),
    )


def test_a_line_tells_everything_where_there_is_room() -> None:
    """Bar, share, counts, speed, time left, name."""
    assert line(HALF_WAY, 120) == (
        "##################............ 61 % 612/1,000 ok 600 failed 12 running 8"
        " | 1,203/s | 1 s left | nightly"
    )
    assert line(HALF_WAY, 75) == (
        "#######..... 61 % 612/1,000 ok 600 failed 12 running 8 | 1,203/s | 1 s left"
    )
    assert line(HALF_WAY, 30) == "###.. 61 % 612/1,000 failed 12"
    assert line(HALF_WAY, 25) == "######.... 61 % 612/1,000"
    assert line(HALF_WAY, 4) == "61 %"
    assert line(AT_THE_END, 100).endswith(
        " 1,000/1,000 ok 988 failed 12 running 0 | completed with errors | nightly"
    )


@given(anything(), st.integers(0, 300))
def test_a_line_fits_and_is_nothing_but_text(progress: BatchProgress, width: int) -> None:
    """It is one line of printable text, however little room there is and whatever the name, and
    it is done exactly when all are."""
    text = line(progress, width)
    assert 0 < len(text) <= max(width, 4)
    assert text.isprintable()
    assert ("100 %" in text) == (progress.fraction == 1) or width < 5


def test_a_terminal_has_one_line_that_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each drawing goes to the beginning of the line and erases it; the last one stands when it
    is closed, once."""
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    display = ProgressDisplay(terminal, width=80)
    display.show(HALF_WAY)
    display.show(AT_THE_END)
    display.close()
    display.close()
    written = terminal.getvalue()
    assert written.count("\n") == 1
    drawn = written.removesuffix("\n").split("\r\x1b[K")
    assert drawn == ["", line(HALF_WAY, 79), line(AT_THE_END, 79)]


def test_a_log_has_a_line_for_each_tenth_and_no_control_characters() -> None:
    """A stream that is no terminal gets few lines, whatever the number of readings: each tenth and
    each change of status once."""
    log = io.StringIO()
    display = ProgressDisplay(log)
    for ended in range(1_001):
        counts = {"waiting": 1_000 - ended, "running": 0, "completed": ended, "failed": 0}
        display.show(msgspec.structs.replace(HALF_WAY, **counts))
    display.show(AT_THE_END)
    display.close()
    lines = log.getvalue().splitlines()
    assert len(lines) == 12
    assert all(one.isprintable() for one in lines)
    assert lines[-1] == line(AT_THE_END, 120)


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """TERM=dumb cannot go back in its line, so nothing is drawn in place."""
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    ProgressDisplay(terminal, width=80).show(HALF_WAY)
    assert terminal.getvalue() == line(HALF_WAY, 80) + "\n"


def test_times_are_told_as_people_do() -> None:
    """No digits that an estimate does not have."""
    told = [duration(seconds) for seconds in (0, 0.2, 1.4, 59.4, 59.6, 61, 3_599, 3_600, 1e9)]
    assert told == [
        "0 s",
        "1 s",
        "1 s",
        "59 s",
        "1 min 0 s",
        "1 min 1 s",
        "59 min 59 s",
        "1 h 0 min",
        "days",
    ]
