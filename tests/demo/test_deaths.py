"""The demo is killed and interrupted, by itself and by others: real processes, real signals."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.demo.demos import ENDED, Demo, wait_for, wait_for_tenth

from overseen.demo.evidence import Evidence, gather_evidence

Finished: TypeAlias = tuple[Demo, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A demo that has run once; only looked at."""
    demo = Demo(tmp_path_factory.mktemp("finished"))
    demo.write_corpus(60)
    return demo, demo.run("--jobs", "150")


def test_every_job_gets_an_outcome_although_the_process_is_killed_halfway(
    finished: Finished,
) -> None:
    """Broken files fail for good, flaky ones complete at the second attempt; the kill costs nothing
    but the attempts it cut off: nothing is lost, nothing recorded twice, exit code 0. (R41)"""
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


def test_a_body_that_did_not_run_again_is_not_counted_as_one_that_did(
    finished: Finished, tmp_path: Path
) -> None:
    """Without its second start on the ledger, an attempt that was cut off is only that."""
    demo, _ = finished
    copy = tmp_path / "demo.db"
    shutil.copy(demo.database, copy)
    [questions] = demo.database.with_name("demo-planted").glob("*.jsonl")
    [real] = evidence_of(copy, questions.stem).deaths
    with closing(sqlite3.connect(copy)) as database, database:
        database.execute(
            "delete from ledger where seq in (select later.seq from ledger_view as later"
            " join ledger_view as lost using (job_id)"
            " where lost.type = 'requeued' and later.type = 'started'"
            " and later.attempt > lost.attempt)"
        )

    [death] = evidence_of(copy, questions.stem).deaths

    assert (real.again, death.running, death.again) == (real.running, real.running, 0)


def evidence_of(database: Path, questions: str) -> Evidence:
    evidence = gather_evidence(database, questions)
    assert evidence is not None
    return evidence


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


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_tiny_demo_is_killed_and_finished_too(demo: Demo, jobs: int) -> None:
    """Where nothing is left to do by the time of the kill, that is what is told."""
    done = demo.run("--jobs", str(jobs))

    assert done.returncode == 0, done.stderr
    assert "Halfway" in done.stderr
    assert f"of {jobs} acknowledged jobs without an outcome: nothing was lost" in done.stdout
