"""The demo as a whole, in processes of its own, as somebody at a terminal runs it."""

from __future__ import annotations

import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [str(ROOT / name) for name in ("supervisor", "actors", "storage")]
ENDED = "'completed', 'failed', 'cancelled'"


class Demo:
    """One demo: its corpus, its database, and how to run it."""

    def __init__(self, folder: Path) -> None:
        self.corpus = folder / "corpus"
        self.database = folder / "demo.db"
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(SOURCES),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "COLUMNS": "100",
        }

    def write_corpus(self, files: int) -> None:
        """Write good files, each long enough to take a moment."""
        body = "".join(f"def function_{n}(a, b):\n    return a if b else {n}\n" for n in range(120))
        self.corpus.mkdir()
        for number in range(files):
            (self.corpus / f"good_{number}.py").write_text(body)

    def command(self, *options: str) -> list[str]:
        named = ["--database", str(self.database), *options]
        return [sys.executable, "-m", "overseen", "demo", str(self.corpus), *named]

    def run(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        known = {**self.environment, **environment}
        return subprocess.run(
            self.command(*options), capture_output=True, text=True, check=False, env=known
        )

    @contextmanager
    def started(self, *options: str) -> Generator[subprocess.Popen[str]]:
        """Run it and look at it while it runs."""
        command = self.command(*options)
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, stdout=pipe, stderr=pipe, text=True, env=self.environment
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def ask(self, question: str) -> int:
        """One number from the database."""
        with closing(sqlite3.connect(self.database)) as database:
            return int(database.execute(question).fetchone()[0])

    def jobs(self, where: str = "1") -> int:
        return self.ask(f"select count(*) from job_view where {where}")


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    demo = Demo(tmp_path)
    demo.write_corpus(60)
    return demo


def wait_for_tenth(process: subprocess.Popen[str]) -> None:
    """Read what it says until some of its jobs have an outcome."""
    assert process.stderr is not None
    for line in process.stderr:
        if re.match(r"[1-9][\d,]*/", line):
            return
    pytest.fail(f"it never came so far; it said on stdout: {process.communicate()}")


def test_every_job_gets_an_outcome_and_the_summary_tells_them(demo: Demo) -> None:
    """Broken files fail for good, flaky ones complete at the second attempt, exit code 0."""
    done = demo.run("--jobs", "150")

    assert (done.returncode, demo.jobs(f"status in ({ENDED})")) == (0, 150), done.stderr
    assert "150 jobs: 144 completed, 6 failed" in done.stdout
    assert "156 attempts; 6 jobs retried, 6 of them completed" in done.stdout
    for part in ("Slowest files", "Failures by error", "150 outcomes in", "jobs/s", "README"):
        assert part in done.stdout
    assert f"Database: {demo.database}" in done.stdout
    assert "150/150 jobs" in done.stderr


def test_the_hint_at_the_end_is_a_question_that_works(demo: Demo) -> None:
    """What the summary tells to look at next can be asked of the database as it stands."""
    done = demo.run("--jobs", "30")

    [question] = re.findall(r'"(select [^"]+)"', done.stdout)
    with closing(sqlite3.connect(demo.database)) as database:
        assert len(database.execute(question).fetchall()) == 5


def test_running_it_again_says_that_all_is_done(demo: Demo) -> None:
    """The second run submits nothing twice and starts no body."""
    demo.run("--jobs", "24")
    attempts = demo.ask("select sum(attempts) from job_view")

    again = demo.run("--jobs", "24")

    assert again.returncode == 0
    assert "All 24 already had an outcome" in again.stdout
    assert (demo.jobs(), demo.ask("select sum(attempts) from job_view")) == (24, attempts)


def test_asking_for_more_goes_on_with_what_is_new(demo: Demo) -> None:
    """A larger number keeps what is done and adds the rest."""
    demo.run("--jobs", "12")
    more = demo.run("--jobs", "24")

    assert more.returncode == 0
    assert "had one from earlier runs" in more.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_an_interrupted_demo_drains_and_the_next_run_goes_on(
    demo: Demo, number: signal.Signals
) -> None:
    """Ctrl-C lets running jobs end and says so; no job that was completed is done again."""
    with demo.started("--jobs", "180") as process:
        wait_for_tenth(process)
        process.send_signal(number)
        said, answered = process.communicate()
    assert process.returncode == 130, answered
    assert "what runs may end" in answered
    assert "The same command goes on with them" in said
    assert demo.jobs("status = 'running'") == 0
    ended = demo.jobs(f"status in ({ENDED})")
    assert 0 < ended < 180

    again = demo.run("--jobs", "180")

    assert again.returncode == 0
    assert f"{ended} had one from earlier runs" in again.stdout
    assert demo.jobs("status = 'completed' and attempts > 1 and failures = 0") == 0


def test_a_killed_demo_loses_nothing(demo: Demo) -> None:
    """kill -9 in the middle: the next run finds every job, and brings each to its outcome."""
    with demo.started("--jobs", "180") as process:
        wait_for_tenth(process)
        process.kill()
        process.communicate()
    assert demo.jobs() == 180

    again = demo.run("--jobs", "180")

    assert again.returncode == 0
    assert (demo.jobs(), demo.jobs(f"status in ({ENDED})")) == (180, 180)


def test_fresh_forgets_what_was_done(demo: Demo) -> None:
    """--fresh begins with an empty database."""
    demo.run("--jobs", "24")
    fresh = demo.run("--jobs", "12", "--fresh")

    assert fresh.returncode == 0
    assert demo.jobs() == 12
    assert "12 outcomes in" in fresh.stdout


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
    assert str(process.pid) in done.stderr
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


@pytest.mark.parametrize("columns", [24, 60, 120])
def test_on_a_terminal_a_bar_is_drawn_at_any_width(demo: Demo, columns: int) -> None:
    """A real terminal gets the bar and, when all is done, its cursor back."""
    ours, theirs = pty.openpty()
    known = {**demo.environment, "COLUMNS": str(columns), "TERM": "xterm-256color"}
    process = subprocess.Popen(
        demo.command("--jobs", "12"), stdout=subprocess.DEVNULL, stderr=theirs, env=known
    )
    os.close(theirs)
    shown = read_all(ours)

    assert process.wait() == 0
    assert b"12/12" in shown
    assert shown.count(b"\x1b[?25h") >= 1
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")


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
