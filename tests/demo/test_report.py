"""What the demo says at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from overseen.demo.counts import Counts
from overseen.demo.report import (
    Run,
    Summary,
    clipped,
    fault_of,
    shortened,
    summarize,
    words,
    words_of_interruption,
)
from overseen_storage.lifecycle import Cause, Reason, Status
from overseen_storage.records import JobError, JobRecord

SECOND = 1_000_000


def record(number: int, status: Status, **known: object) -> JobRecord:
    fields: dict[str, object] = {
        "id": number,
        "kind": "imports",
        "queue": "files",
        "priority": 0,
        "status": status,
        "cause": Cause.BODY,
        "arguments": f'{{"path":"/src/{number}.py"}}',
        "created_at": 0,
        "fence": 1,
        **known,
    }
    return JobRecord(**fields)  # type: ignore[arg-type]  # the fields are given by name


def ended(number: int, status: Status, seconds: float = 1.0, **known: object) -> JobRecord:
    return record(
        number,
        status,
        attempt_started_at=0,
        completed_at=int(seconds * SECOND),
        **known,
    )


def summary() -> Summary:
    syntax = {"reason": Reason.ERROR, "error": JobError("SyntaxError", "bad (a.py, line 3)")}
    other = {"reason": Reason.ERROR, "error": JobError("SyntaxError", "bad (b.py, line 77)")}
    return summarize(
        [
            ended(1, Status.COMPLETED, 3.0),
            ended(2, Status.COMPLETED, 0.5, fence=2, failures=1, warnings=2),
            ended(3, Status.FAILED, 2.0, **syntax),
            ended(4, Status.FAILED, 1.0, **other),
            ended(5, Status.FAILED, 1.0, reason=Reason.TIMEOUT, fence=3, failures=3),
            record(6, Status.PENDING, fence=0),
        ]
    )


def test_jobs_are_summed_by_outcome_and_attempts_counted() -> None:
    """Every number of the summary is what the records say."""
    summed = summary()

    assert dict(summed.outcomes) == {Status.COMPLETED: 2, Status.FAILED: 3, Status.PENDING: 1}
    assert (summed.jobs, summed.ended, summed.attempts) == (6, 5, 8)
    assert (summed.retried, summed.rescued, summed.warned) == (2, 1, 1)


def test_the_slowest_files_come_first() -> None:
    """Files are ordered by what their questions took."""
    assert summary().slowest[:2] == (("/src/1.py", 3 * SECOND), ("/src/3.py", 2 * SECOND))


def test_failures_are_grouped_by_what_they_died_of() -> None:
    """The same fault in different files is one group; a timeout is called so."""
    assert summary().failures == (("SyntaxError: bad", 2), ("timeout", 1))


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (("UnicodeDecodeError", "'utf-8' codec can't decode byte 0xe9 in position 7: x"), None),
        (("FileNotFoundError", "[Errno 2] No such file or directory: '/a/b.py'"), None),
        (("IndentationError", "after function definition on line 12 (x.py, line 13)"), None),
        (("builtins.ValueError", "one\ntwo"), "ValueError: one"),
    ],
)
def test_a_fault_says_nothing_of_its_place(error: tuple[str, str], fault: str | None) -> None:
    """Positions, bytes, lines and names of files are taken out of messages."""
    said = fault_of(JobError(*error))

    assert said == (fault or said)
    assert not any(character.isdigit() for character in said.replace("utf-8", "").replace("2]", ""))
    assert "/a/b" not in said


def run_of(seconds: float = 2.0, ended_before: int = 0) -> Run:
    return Run(Path("/cache/demo.db"), ended_before, seconds)


def test_the_summary_tells_everything_that_was_promised() -> None:
    """Outcomes, attempts, slowest, failures, time, speed, the database and the way on are said."""
    said = "\n".join(words(summary(), run_of(), 80))

    for part in (
        "6 jobs: 2 completed, 3 failed, 1 pending",
        "8 attempts; 2 jobs retried, 1 of them completed; 1 completed with warnings",
        "5 outcomes in 2.0 s, 2 jobs/s",
        "3,000 ms  /src/1.py",
        "2  SyntaxError: bad",
        "Every job has an outcome",
        "Database: /cache/demo.db",
        "from job_view limit 5",
        "README",
    ):
        assert part in said


def test_a_second_run_says_that_all_is_done() -> None:
    """Where every job has an outcome already, no speed is invented."""
    done = summarize([ended(1, Status.COMPLETED)])

    said = "\n".join(words(done, run_of(seconds=0.0, ended_before=1), 80))

    assert "nothing was left to do" in said
    assert "jobs/s" not in said


@pytest.mark.parametrize("width", [1, 10, 20, 40, 80, 200])
def test_tables_fit_any_width(width: int) -> None:
    """No line of a table is wider than the terminal; what one copies is never cut."""
    lines = words(summary(), run_of(), width)

    tables = lines[3 : lines.index(next(line for line in lines if "Every job" in line))]
    if width >= 20:
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
    said = "\n".join(words_of_interruption(Counts(range(2000)), run_of()))

    assert "0 of 2,000 jobs have an outcome, 2,000 are left" in said
    assert "The same command goes on" in said
