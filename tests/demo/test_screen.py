"""How the demo shows how far it is."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from overseen.demo.counts import Counts
from overseen.demo.screen import LiveBar, PlainLines, open_screen
from overseen_storage.lifecycle import Cause, EventType, Status
from overseen_storage.records import Event


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def event(job: int, status: Status, type_: EventType, seq: int = 1) -> Event:
    return Event(seq=seq, at=seq, type=type_, job_id=job, status=status, cause=Cause.BODY)


def counted(ended: int, total: int) -> Counts:
    counts = Counts(range(total))
    for job in range(ended):
        counts.follow(event(job, Status.COMPLETED, EventType.COMPLETED))
    return counts


def console(file: io.StringIO, width: int = 100, **options: bool) -> Console:
    return Console(file=file, width=width, legacy_windows=False, **options)  # type: ignore[arg-type]


def test_counts_follow_every_change_of_status() -> None:
    """Each job is counted once, where the last event put it; retries are counted apart."""
    counts = Counts([1, 2])
    for status, type_ in (
        (Status.PENDING, EventType.SUBMITTED),
        (Status.RUNNING, EventType.STARTED),
        (Status.RETRYING, EventType.RETRYING),
        (Status.PENDING, EventType.DUE),
        (Status.RUNNING, EventType.STARTED),
    ):
        counts.follow(event(1, status, type_))

    assert (counts.running, counts.retries, counts.ended, counts.total) == (1, 1, 0, 2)
    counts.follow(event(1, Status.COMPLETED, EventType.COMPLETED))
    counts.follow(event(2, Status.FAILED, EventType.FAILED))
    assert counts.all_ended
    assert (counts.running, counts[Status.FAILED]) == (0, 1)


def test_jobs_of_somebody_else_are_not_counted() -> None:
    """Other jobs in the same database, and events of no job, change nothing."""
    counts = Counts([1])
    counts.follow(event(99, Status.COMPLETED, EventType.COMPLETED))
    counts.follow(Event(seq=1, at=1, type=EventType.QUEUE_PAUSED, cause=Cause.OPERATOR))

    assert (counts.ended, counts.total) == (0, 1)


def test_what_earlier_runs_did_is_known_from_the_ledger() -> None:
    """What had ended when this process took over is not counted as its work."""
    counts = Counts([1])
    counts.follow(Event(seq=2, at=0, type=EventType.SNAPSHOT, cause=Cause.SUPERVISOR))
    counts.follow(event(1, Status.COMPLETED, EventType.COMPLETED, seq=1))
    too_early = counts.all_ended  # who has not read all does not know whose work it was

    counts.follow(Event(seq=2, at=2, type=EventType.EPOCH_STARTED, cause=Cause.SUPERVISOR))

    assert (too_early, counts.all_ended) == (False, True)
    assert (counts.ended_before, counts.ended_now) == (1, 0)


def test_without_a_terminal_a_line_is_printed_for_each_tenth() -> None:
    """A log file gets some ten lines, without a single control character."""
    file = io.StringIO()
    screen = open_screen(console(file))
    assert isinstance(screen, PlainLines)

    for ended in range(201):
        screen.show(counted(ended, 200), 50.0)
    screen.close()

    lines = file.getvalue().splitlines()
    assert len(lines) == 11
    assert lines[-1].startswith("200/200 jobs  200 completed  0 failed")
    assert "\x1b" not in file.getvalue()


def test_on_a_terminal_a_bar_is_drawn_and_the_cursor_given_back() -> None:
    """The bar is drawn in place; closing leaves a usable terminal, also when done twice."""
    file = Terminal()
    screen = open_screen(console(file, force_terminal=True))
    assert isinstance(screen, LiveBar)

    screen.show(counted(100, 200), 50.0)
    screen.say("by the way")
    screen.show(counted(200, 200), 50.0)
    screen.close()
    screen.close()

    shown = file.getvalue()
    assert "100/200 jobs" in shown
    assert "by the way" in shown
    assert "200/200 jobs" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is visible again


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """TERM=dumb cannot move its cursor, so nothing is drawn in place."""
    monkeypatch.setenv("TERM", "dumb")

    assert isinstance(open_screen(Console(file=Terminal())), PlainLines)


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR set no colour is sent, not even for the bar."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    file = Terminal()
    screen = open_screen(Console(file=file, force_terminal=True, width=100))

    screen.show(counted(100, 200), 50.0)
    screen.close()

    assert not re.search(r"\x1b\[(3[0-7]|38;|9[0-7])", file.getvalue())


@pytest.mark.parametrize("width", [1, 12, 25, 40, 79, 200])
def test_the_bar_stays_in_one_line_whatever_the_width(width: int) -> None:
    """A narrow terminal gets fewer words, never a second line."""
    file = Terminal()
    screen = open_screen(console(file, width=width, force_terminal=True))

    screen.show(counted(100, 200), 50.0)
    screen.close()

    assert file.getvalue().count("\n") <= 2  # when it is opened and closed, not when it is drawn
    assert "100/200" in file.getvalue() or width < 20
