"""The demo as a whole, in processes of its own, as somebody at a terminal runs it."""

from __future__ import annotations

import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import termios
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeAlias

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

    def told(self, done: subprocess.CompletedProcess[str], *patterns: str) -> list[str]:
        """What its output says, one text for each pattern."""
        found = [re.search(pattern, done.stdout) for pattern in patterns]
        assert all(found), done.stdout
        return [match[1] for match in found if match]

    def jobs(self, where: str = "1") -> int:
        return self.ask(f"select count(*) from job_view where {where}")


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    demo = Demo(tmp_path)
    demo.write_corpus(60)
    return demo


Finished: TypeAlias = tuple[Demo, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A demo that has run once; only looked at."""
    demo = Demo(tmp_path_factory.mktemp("finished"))
    demo.write_corpus(60)
    return demo, demo.run("--jobs", "150")


def wait_for_tenth(process: subprocess.Popen[str]) -> None:
    """Read what it says until some of its jobs have an outcome."""
    wait_for(process, r"[#.]+ [1-9]\d* % ")


def wait_for(process: subprocess.Popen[str], pattern: str) -> None:
    """Read what it says until a line begins so."""
    assert process.stderr is not None
    for line in process.stderr:
        if re.match(pattern, line):
            return
    pytest.fail(f"it never came so far; it said on stdout: {process.communicate()}")


def test_every_job_gets_an_outcome_although_the_process_is_killed_halfway(
    finished: Finished,
) -> None:
    """Broken files fail for good, flaky ones complete at the second attempt; the kill costs nothing
    but the attempts it cut off: nothing is lost, nothing recorded twice, exit code 0."""
    demo, done = finished

    assert (done.returncode, demo.jobs(f"status in ({ENDED})")) == (0, 150), done.stderr
    assert re.search(r"^Halfway: kill -9 \d+\.", done.stderr, re.MULTILINE)
    assert "150/150 ok 144 failed 6 " in done.stderr
    for part in (
        "Batch 1 is finalized, its summary frozen: completed with errors",
        "150 jobs: 144 completed, 6 failed",
        "150 outcomes in",
        "drafted, attached, ready, started, completed",
        "  0  of 150 acknowledged jobs without an outcome: nothing was lost",
        "  0  jobs were recorded complete twice",
        "Slowest files",
        "Failures by kind and error",
        f"Database: {demo.database}",
        "README",
    ):
        assert part in done.stdout


def test_the_figures_of_the_kill_are_those_of_the_ledger(finished: Finished) -> None:
    """What is printed about the death is what anybody can count: one life without an end, the
    attempts that recovery put back, each of them started again."""
    demo, done = finished

    running, again = demo.told(
        done,
        r"Killed with kill -9 after \d+ outcomes: (\d+) jobs? (?:was|were) running",
        r"  (\d+) (?:body|bodies) ran again",
    )
    lost = demo.ask("select count(*) from ledger_view where type = 'requeued'")
    assert demo.ask("select count(*) from epoch where stopped_at is null") == 1
    assert demo.ask("select count(*) from epoch") == 2
    assert (int(running), int(again)) == (lost, lost)
    assert demo.jobs("attempts > 1 + failures") == lost
    [events] = demo.told(done, r" ([\d,]+)  events")
    assert int(events.replace(",", "")) == demo.ask("select count(*) from ledger")
    twice = (
        "select count(*) from (select job_id from ledger_view"
        f" where type in ({ENDED}) group by job_id having count(*) <> 1)"
    )
    assert demo.ask(twice) == 0


def test_the_kill_comes_halfway(finished: Finished) -> None:
    """About half of the jobs have an outcome from before the death, the others from after it."""
    demo, done = finished

    [outcomes] = demo.told(done, r"after (\d+) outcomes")
    before = "completed_at < (select max(started_at) from epoch)"
    assert demo.ask(f"select count(*) from job where {before}") == int(outcomes)
    assert 75 <= int(outcomes) < 150


def test_the_hint_at_the_end_is_a_question_that_works(finished: Finished) -> None:
    """What the summary tells to look at next can be asked of the database as it stands."""
    demo, done = finished

    [question] = re.findall(r'"(select [^"]+)"', done.stdout)
    with closing(sqlite3.connect(demo.database)) as database:
        assert len(database.execute(question).fetchall()) == 5


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
    assert "180 jobs: 171 completed, 9 failed" in again.stdout
    assert "of 180 jobs without an outcome: nothing was lost" in again.stdout
    [outcomes] = demo.told(again, r"kill -9 after (\d+) outcomes")  # halfway through what was left
    assert int(outcomes) >= ended + (180 - ended) // 2
    assert demo.jobs("interruptions > 0") == 0


def test_a_demo_that_is_killed_from_outside_loses_nothing(demo: Demo) -> None:
    """kill -9 of all of it: the one that works ends with the one at the terminal, and the next run
    finds every job, and brings each to its outcome."""
    with demo.started("--jobs", "180") as process:
        wait_for_tenth(process)
        process.kill()
        process.communicate()
    assert demo.jobs() == 180

    again = demo.run("--jobs", "180")

    assert again.returncode == 0
    assert (demo.jobs(), demo.jobs(f"status in ({ENDED})")) == (180, 180)
    assert again.stdout.count("Killed with kill -9") == 2


def test_a_third_ctrl_c_leaves_at_once(demo: Demo) -> None:
    """It waits for nothing, and nothing is lost by it."""
    with demo.started("--jobs", "180") as process:
        wait_for_tenth(process)
        for answer in ("Stopping", "Cancelling", None):
            process.send_signal(signal.SIGINT)
            if answer is not None:
                wait_for(process, answer)
        process.communicate()
    assert process.returncode == 130

    assert demo.run("--jobs", "180").returncode == 0


def test_a_worker_that_somebody_else_kills_is_said_to_be(demo: Demo) -> None:
    """The one at the terminal says what happened and how to go on, and fails."""
    with demo.started("--jobs", "180") as process:
        wait_for_tenth(process)
        os.kill(demo.ask("select max(pid) from epoch"), signal.SIGKILL)
        _, answered = process.communicate()

    assert process.returncode == 1
    assert "ended by signal 9" in answered
    assert "Traceback" not in answered


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_a_tiny_demo_is_killed_and_finished_too(demo: Demo, jobs: int) -> None:
    """Where nothing is left to do by the time of the kill, that is what is told."""
    done = demo.run("--jobs", str(jobs))

    assert done.returncode == 0, done.stderr
    assert "Halfway" in done.stderr
    assert f"of {jobs} acknowledged jobs without an outcome: nothing was lost" in done.stdout


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


@pytest.mark.parametrize("columns", [24, 60, 120])
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
