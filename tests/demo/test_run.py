"""The demo as a whole, in processes of its own, as somebody at a terminal runs it."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from tests.demo.demos import ENDED, Demo, wait_for_tenth


def test_running_it_again_says_that_all_is_done(demo: Demo) -> None:
    """The second run finds the batch finalized: it submits nothing twice and starts no body."""
    demo.run("--jobs", "24")
    attempts = demo.ask("select sum(attempts) from job_view")

    again = demo.run("--jobs", "24")

    assert again.returncode == 0
    assert "Batch 1 was finalized by an earlier run, so nothing was left to do" in again.stdout
    assert "24 jobs: " in again.stdout
    assert "Halfway" not in again.stderr
    assert (demo.jobs(), demo.ask("select sum(attempts) from job_view")) == (24, attempts)


def test_asking_for_more_goes_on_with_what_is_new(demo: Demo) -> None:
    """A larger number keeps what is done; what is new is another batch."""
    demo.run("--jobs", "12")
    more = demo.run("--jobs", "24")

    assert more.returncode == 0
    assert "Batch 2 is finalized" in more.stdout
    assert demo.ask("select total from batch where id = 2") < 24
    assert demo.jobs(f"status in ({ENDED})") == demo.jobs() == 24 + 1  # both lists were uploaded


def test_fresh_forgets_what_was_done(demo: Demo) -> None:
    """--fresh begins with an empty database, and without the files of the one before."""
    demo.run("--jobs", "24")
    fresh = demo.run("--jobs", "12", "--fresh")

    assert fresh.returncode == 0
    assert demo.jobs() == 12
    assert "12 outcomes in" in fresh.stdout
    assert len(list(demo.database.with_name("demo.db.files").iterdir())) == 1


@pytest.mark.parametrize("options", [[], ["--fresh"]], ids=["plain", "fresh"])
def test_a_database_that_is_not_a_demo_is_left_alone(demo: Demo, options: list[str]) -> None:
    """A mistyped --database costs nobody their work, not even when it is typed twice."""
    demo.database.write_bytes(b"precious")

    for done in (demo.run(), demo.run(*options)):
        assert done.returncode == 1
        assert "was not made by" in done.stderr
    assert demo.database.read_bytes() == b"precious"


def test_a_folder_that_cannot_be_is_a_message(demo: Demo, tmp_path: Path) -> None:
    """What the system refuses is said in one line."""
    (tmp_path / "file").touch()
    demo.database = tmp_path / "file" / "demo.db"

    done = demo.run()

    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_database_somebody_works_on_is_conflict(demo: Demo) -> None:
    """A second demo on the same database says who has it: exit code 4, also with --fresh."""
    with demo.started("--jobs", "180") as process:
        wait_for_tenth(process)
        process.send_signal(signal.SIGSTOP)
        try:
            done = demo.run("--fresh")
        finally:
            process.send_signal(signal.SIGCONT)

    assert done.returncode == 4
    assert str(demo.ask("select max(pid) from epoch")) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_python_files_is_wrong_use(demo: Demo, tmp_path: Path) -> None:
    """Nothing is planted or submitted where there is nothing to ask about."""
    (tmp_path / "empty").mkdir()
    demo.corpus = tmp_path / "empty"

    done = demo.run()

    assert done.returncode == 2
    assert "no Python file" in done.stderr
    assert not demo.database.exists()


def test_without_options_the_database_is_in_the_cache_folder(demo: Demo, tmp_path: Path) -> None:
    """The summary names the file, and nothing appears in the current folder."""
    here = tmp_path / "here"
    here.mkdir()
    command = [sys.executable, "-m", "overseen", "demo", str(demo.corpus), "--jobs", "12"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=demo.environment, cwd=here
    )

    [database] = re.findall(r"Database: (.*)", done.stdout)
    assert Path(database).is_relative_to(tmp_path / "cache" / "overseen" / "demo")
    assert Path(database).is_file()
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("columns", [24, 120])
def test_on_a_terminal_a_bar_is_drawn_at_any_width(demo: Demo, columns: int) -> None:
    """A real terminal gets one line that fits it, drawn in place, and words between its states."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    known = {**demo.environment, "TERM": "xterm-256color"}
    process = subprocess.Popen(
        demo.command("--jobs", "12"), stdout=subprocess.DEVNULL, stderr=theirs, env=known
    )
    os.close(theirs)
    shown = read_all(ours).decode()

    assert process.wait() == 0
    assert "12/12" in shown
    drawn = re.findall(r"\x1b\[K([^\r]*)", shown)
    assert all(len(line) < columns for line in drawn)
    assert re.search(r"\r\nHalfway: [^\r]*\r\n", shown)
    assert shown.endswith("\r\n")


def read_all(terminal: int) -> bytes:
    """Read a terminal until whoever writes to it is gone."""
    parts: list[bytes] = []
    try:
        while part := os.read(terminal, 4096):
            parts.append(part)
    except OSError:  # Linux says "input/output error" when the other side is closed
        pass
    finally:
        os.close(terminal)
    return b"".join(parts)


def test_output_has_no_colour_where_there_is_no_terminal(demo: Demo) -> None:
    """A log file gets plain text, and ASCII where the locale knows no more."""
    done = demo.run("--jobs", "12", PYTHONIOENCODING="ascii", NO_COLOR="1")

    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert (done.stdout + done.stderr).isascii()
