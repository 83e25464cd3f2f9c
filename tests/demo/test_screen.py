"""What the person in front of the demo sees while it works."""

from __future__ import annotations

import io

import pytest

from overseen.batches.progress import BatchProgress
from overseen.demo.screen import Screen
from overseen_storage.batch_lifecycle import BatchStatus


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def progress(ended: int, total: int = 200) -> BatchProgress:
    return BatchProgress(
        batch_id=1,
        name="demo",
        status=BatchStatus.PROCESSING,
        sealed=True,
        total=total,
        waiting=total - ended,
        running=0,
        completed=ended,
        failed=0,
        cancelled=0,
    )


def test_without_a_terminal_a_line_is_printed_for_each_tenth() -> None:
    """A log file gets some ten lines, and what is said, without a single control character."""
    file = io.StringIO()
    screen = Screen(file)

    for ended in range(201):
        screen.show(progress(ended))
    screen.say("by the way")
    screen.close()

    lines = file.getvalue().splitlines()
    assert len(lines) == 12
    assert all(line.isprintable() for line in lines)
    assert lines[-1] == "by the way"


def test_what_is_said_stands_below_what_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the progress is drawn in place, and words never overwrite it nor it them."""
    monkeypatch.setenv("TERM", "xterm")
    file = Terminal()
    screen = Screen(file)

    screen.show(progress(50))
    screen.show(progress(100))
    screen.say("by the way")
    screen.show(progress(200))
    screen.close()
    screen.close()

    above, below = file.getvalue().split("by the way\n")
    assert above.count("\n") == 1
    assert above.endswith("\n")
    assert "100/200" in above.splitlines()[-1]
    assert below.count("\n") == 1
    assert below.endswith("\n")
    assert "200/200" in below
