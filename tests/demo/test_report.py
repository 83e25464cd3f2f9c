"""What the demo says at the end."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from overseen.demo.evidence import Death, Evidence, Upload
from overseen.demo.jobs import Inventory
from overseen.demo.parent import Course
from overseen.demo.place import Place
from overseen.demo.report import (
    clipped,
    failure_rows,
    fault_of,
    proof_rows,
    shortened,
    words,
    words_of_interruption,
)
from overseen.demo.run import report
from overseen.demo.screen import Screen
from overseen_storage.batch_lifecycle import BatchStatus
from overseen_storage.batch_records import BatchSummary, FailureGroup
from overseen_storage.lifecycle import Reason

DATABASE = Path("/cache/demo.db")
SUMMARY = BatchSummary(
    batch_id=3,
    name="demo",
    status=BatchStatus.COMPLETED_WITH_ERRORS,
    total=2_000,
    completed=1_997,
    completed_with_warnings=14,
    failed=3,
    cancelled=0,
    warnings=15,
    attempts=2_026,
    retried=26,
    created_at=1,
    sealed_at=2,
    duration_p50_us=6_512,
    duration_p95_us=38_000,
    duration_max_us=7_714_000,
    failures=(
        FailureGroup("imports", Reason.ERROR, "SyntaxError", 2, 99, "bad (a.py, line 3)"),
        FailureGroup("imports", Reason.TIMEOUT, None, 1, 7, None),
    ),
)
UPLOAD = Upload(1, 289_900, "b0326e3ca5a3" + "0" * 52, "drafted, ready", Inventory(9, 3, 7_500_000))
EVIDENCE = Evidence(
    total=2_000,
    ended=2_000,
    summary=SUMMARY,
    worked_us=10_000_000,
    deaths=(Death(outcomes=1_001, running=2, again=1, recovery_us=1_840, first_body_us=7_000),),
    upload=UPLOAD,
    slowest=(("/src/1.py", 3_000_000), ("/src/2.py", 2_000)),
    acknowledged=2_000,
    lost=0,
    twice=0,
    events=6_098,
)


def said(evidence: Evidence = EVIDENCE, width: int = 100, *, was_over: bool = False) -> list[str]:
    return words(evidence, SUMMARY, DATABASE, width, was_over=was_over)


def test_everything_that_was_promised_is_said() -> None:
    """The frozen summary, the upload, the death, the proof, the tables and the way on."""
    everything = "\n".join(said())

    for part in (
        "Batch 3 is finalized, its summary frozen: completed with errors",
        "2,000 jobs: 1,997 completed, 3 failed",
        "2,026 attempts; 26 jobs started more than once; 14 completed with warnings",
        "2,000 outcomes in 10.0 s of work, 200 jobs/s",
        "half took up to 6.5 ms, 19 of 20 up to 38 ms, the longest 7,714 ms",
        "289,900 bytes, sha256 b0326e3ca5a3..., to job 1, a draft until",
        "drafted, ready",
        "9 questions about 3 files, 7.5 MB",
        "Killed with kill -9 after 1,001 outcomes: 2 jobs were running",
        "recovery took 1.8 ms",
        "after 7.0 ms the first body ran",
        "1 body ran again, because",
        "    0  of 2,000 acknowledged jobs without an outcome: nothing was lost",
        "    0  jobs were recorded complete twice",
        "6,098  events",
        "3,000 ms  /src/1.py",
        "2  imports: SyntaxError, such as job 99: bad",
        "1  imports: timeout, such as job 7",
        "Database: /cache/demo.db",
        "from job_view limit 5",
        "README",
    ):
        assert part in everything


def test_a_loss_would_be_said_as_one() -> None:
    """The proof is no decoration: what is lost or doubled is called so."""
    rows = proof_rows(replace(EVIDENCE, lost=2, twice=1))

    assert rows[0] == ("2", "of 2,000 acknowledged jobs without an outcome: THESE ARE LOST")
    assert rows[1] == ("1", "jobs were recorded complete twice: THIS MUST NOT BE")


def test_the_exit_code_counts_what_came_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """0 only when all is well; a loss is a failure, an interruption 130, an unknown death 1."""
    screen, place = Screen(sys.stderr), Place(DATABASE)
    unfinished = replace(EVIDENCE, summary=None)

    assert report(Course(), place, EVIDENCE, screen) == 0
    assert report(Course(), place, replace(EVIDENCE, lost=1), screen) == 1
    assert report(Course(interrupted=True), place, unfinished, screen) == 130
    assert report(Course(code=4), place, None, screen) == 4
    assert report(Course(code=-9), place, unfinished, screen) == 1
    assert "signal 9" in capsys.readouterr().err


def test_what_nobody_saw_acknowledged_is_not_called_so() -> None:
    """A run that only went on counts all members, and does not say that it has seen them come."""
    rows = proof_rows(replace(EVIDENCE, acknowledged=0))

    assert rows[0] == ("0", "of 2,000 jobs without an outcome: nothing was lost")


def test_a_second_run_says_that_it_was_finalized_before() -> None:
    """Nothing was left to do, and the summary is the frozen one."""
    first = said(was_over=True)[0]

    assert "was finalized by an earlier run, so nothing was left to do" in first


def test_a_run_that_nobody_killed_tells_of_no_death() -> None:
    """Where nothing happened, nothing is told; where nothing ran, no recovery is."""
    assert not any("kill" in line for line in said(replace(EVIDENCE, deaths=(), upload=None)))

    nothing_ran = Death(outcomes=1, running=0, again=0, recovery_us=None, first_body_us=None)
    everything = "\n".join(said(replace(EVIDENCE, deaths=(nothing_ran,))))
    assert "0 jobs were running" in everything
    assert "recovery" not in everything


def test_many_sorts_of_failures_are_cut_to_the_most_frequent() -> None:
    """The rest is counted in one line, with what the summary itself had left out."""
    groups = tuple(
        FailureGroup(f"kind_{n}", Reason.ERROR, "ValueError", 10 - n, n + 1, "no")
        for n in range(10)
    )
    rows = failure_rows(msgspec.structs.replace(SUMMARY, failures=groups, failures_beyond=4))

    assert len(rows) == 9
    assert rows[-1] == ("7", "of other sorts")


def test_a_fault_is_told_by_its_first_line_without_its_place() -> None:
    """The place is one file's, the fault is many's."""
    group = FailureGroup("k", Reason.ERROR, "builtins.ValueError", 1, 5, "one (x.py, line 9)\ntwo")

    assert fault_of(group) == "k: ValueError, such as job 5: one"


@pytest.mark.parametrize("width", [1, 10, 20, 40, 80, 200])
def test_tables_fit_any_width(width: int) -> None:
    """No line of a table is wider than the terminal; what one copies is never cut."""
    lines = said(width=width)

    tables = lines[lines.index("On the ledger") : lines.index("Database: /cache/demo.db") - 2]
    if width >= 30:
        assert all(len(line) <= width for line in tables)
    assert "Database: /cache/demo.db" in lines


def test_a_long_path_keeps_both_ends() -> None:
    """What is cut out is the middle, and the length is exactly what was asked for."""
    for width in range(1, 30):
        cut = shortened("/usr/lib/python3/ast.py", width)
        assert len(cut) == min(width, 23)
        assert len(clipped("/usr/lib/python3/ast.py", width)) == min(width, 23)


def test_an_interrupted_run_says_what_is_left_and_how_to_go_on() -> None:
    """Whoever pressed Ctrl-C learns that nothing is lost."""
    lines = words_of_interruption(replace(EVIDENCE, ended=500, summary=None), DATABASE)

    assert "500 of 2,000 jobs have an outcome, 1,500 are left" in lines[0]
    assert "The same command goes on" in lines[1]
    assert "before anything was submitted" in words_of_interruption(None, DATABASE)[0]
