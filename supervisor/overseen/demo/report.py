"""What the demo says at the end: the frozen summary of the batch, and what the ledger proves."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from overseen.demo.evidence import Death, Evidence, Upload
from overseen_storage.batch_records import BatchSummary, FailureGroup

GROUPS = 8
DIGEST_SHOWN = 12
QUESTION = "select id, kind, status, attempts, reason from job_view limit 5"
US_PER_SECOND = 1_000_000

# The place of a fault is that of one file; the group has many.
PLACE = re.compile(r" \([^()]*, line \d+\)$")


def words(
    evidence: Evidence, summary: BatchSummary, database: Path, width: int, *, was_over: bool
) -> list[str]:
    """Everything, once the batch is finalized; tables in lines of at most `width` cells."""
    return [
        *words_of_summary(summary, evidence, was_over=was_over),
        *words_of_upload(evidence.upload),
        *words_of_deaths(evidence.deaths),
        *table("On the ledger", proof_rows(evidence), width, clipped),
        *table("Slowest files", slowest_rows(evidence), width, shortened),
        *table("Failures by kind and error", failure_rows(summary), width, clipped),
        "",
        *words_of_the_way_on(database),
    ]


def words_of_interruption(evidence: Evidence | None, database: Path) -> list[str]:
    """What there is to say when it was stopped before the end: that nothing is lost."""
    if evidence is None:
        return ["Stopped before anything was submitted. The same command begins again."]
    left = evidence.total - evidence.ended
    return [
        f"Stopped: {evidence.ended:,} of {evidence.total:,} jobs have an outcome, "
        f"{left:,} are left.",
        "The same command goes on with them.",
        f"Database: {database}",
    ]


def words_of_summary(summary: BatchSummary, evidence: Evidence, *, was_over: bool) -> list[str]:
    """What was frozen when the last member had ended."""
    seconds = evidence.worked_us / US_PER_SECOND
    speed = summary.total / seconds if seconds else 0.0
    counts = {
        "completed": summary.completed,
        "failed": summary.failed,
        "cancelled": summary.cancelled,
    }
    outcomes = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
    earlier = (
        "was finalized by an earlier run, so nothing was left to do. Its" if was_over else "is"
    )
    verdict = "summary says:" if was_over else "finalized, its summary frozen:"
    lines = [
        f"Batch {summary.batch_id} {earlier} {verdict} {summary.status.replace('_', ' ')}",
        f"{summary.total:,} jobs: {outcomes}",
        f"{summary.attempts:,} attempts; {summary.retried:,} jobs started more than once; "
        f"{summary.completed_with_warnings:,} completed with warnings",
        f"{summary.total:,} outcomes in {seconds:.1f} s of work, {speed:,.0f} jobs/s",
    ]
    if summary.duration_max_us is not None:
        lines.append(
            f"from first start to end: half took up to {milliseconds(summary.duration_p50_us)}, "
            f"19 of 20 up to {milliseconds(summary.duration_p95_us)}, the longest "
            f"{milliseconds(summary.duration_max_us)}"
        )
    return lines


def words_of_upload(upload: Upload | None) -> list[str]:
    """How the draft became a job."""
    if upload is None:
        return []
    lines = [
        "",
        f"Uploaded: {upload.size_bytes:,} bytes, sha256 {upload.digest[:DIGEST_SHOWN]}..., "
        f"to job {upload.job_id}, a draft until the file was on disk",
        f"  {upload.story}",
    ]
    if upload.inventory is not None:
        found = upload.inventory
        lines.append(
            f"  it counted {found.questions:,} questions about {found.files:,} files, "
            f"{found.size_bytes / US_PER_SECOND:,.1f} MB"
        )
    return lines


def words_of_deaths(deaths: Sequence[Death]) -> list[str]:
    """What each death cost."""
    lines: list[str] = []
    for death in deaths:
        bodies = counted(death.running, "job was", "jobs were")
        lines += ["", f"Killed with kill -9 after {death.outcomes:,} outcomes: {bodies} running"]
        if death.recovery_us is not None:
            lines.append(
                f"  recovery took {milliseconds(death.recovery_us)}, from opening the database to "
                "the last of them put back"
            )
        if death.first_body_us is not None:
            lines.append(f"  after {milliseconds(death.first_body_us)} the first body ran")
        again = counted(death.again, "body", "bodies")
        lines.append(f"  {again} ran again, because their end was not yet on disk")
    return lines


def proof_rows(evidence: Evidence) -> list[tuple[str, str]]:
    """What must be nothing, and is, unless it says so."""
    lost = "THESE ARE LOST" if evidence.lost else "nothing was lost"
    twice = ": THIS MUST NOT BE" if evidence.twice else ""
    of = (
        f"{evidence.acknowledged:,} acknowledged"
        if evidence.acknowledged
        else f"{evidence.total:,}"
    )
    return [
        (f"{evidence.lost:,}", f"of {of} jobs without an outcome: {lost}"),
        (f"{evidence.twice:,}", f"jobs were recorded complete twice{twice}"),
        (f"{evidence.events:,}", "events tell it all"),
    ]


def slowest_rows(evidence: Evidence) -> list[tuple[str, str]]:
    """The slowest files, as rows of a table."""
    return [(milliseconds(us), path) for path, us in evidence.slowest]


def failure_rows(summary: BatchSummary) -> list[tuple[str, str]]:
    """The most frequent failures, as rows of a table."""
    rows = [(f"{group.count:,}", fault_of(group)) for group in summary.failures[:GROUPS]]
    rest = summary.failures[GROUPS:]
    beyond = sum(group.count for group in rest) + summary.failures_beyond
    return [*rows, (f"{beyond:,}", "of other sorts")] if beyond else rows


def fault_of(group: FailureGroup) -> str:
    """What a group died of, with the words of its first.

    >>> from overseen_storage.lifecycle import Reason
    >>> fault_of(FailureGroup("imports", Reason.ERROR, "SyntaxError", 2, 7, "bad (a.py, line 3)"))
    'imports: SyntaxError, such as job 7: bad'
    """
    died = (group.error_type or group.reason.value).removeprefix("builtins.")
    message = PLACE.sub("", (group.message or "").partition("\n")[0])
    return f"{group.kind}: {died}, such as job {group.first_job_id}" + (message and f": {message}")


def words_of_the_way_on(database: Path) -> list[str]:
    """Where everything is, and what to do next; never cut, for one copies it."""
    return [
        "Every job has an outcome; run again, it knows that. To begin anew: --fresh",
        f"Database: {database}",
        f'Look in: sqlite3 "{database}" "{QUESTION}"',
        "Embed it: README.md and examples/hello.py",
    ]


def counted(number: int, one: str, more: str) -> str:
    """Say how many.

    >>> counted(1, "job", "jobs"), counted(2_000, "job", "jobs")
    ('1 job', '2,000 jobs')
    """
    return f"{number:,} {one if number == 1 else more}"


def milliseconds(us: int | None) -> str:
    """Say how long; what takes less than ten of them with a decimal.

    >>> milliseconds(1_840), milliseconds(866_300)
    ('1.8 ms', '866 ms')
    """
    value = (us or 0) / 1_000
    return f"{value:,.1f} ms" if value < 10 else f"{value:,.0f} ms"


def table(
    title: str, rows: Sequence[tuple[str, str]], width: int, cut: Callable[[str, int], str]
) -> list[str]:
    """Some rows under a title, the first column to the right; nothing without rows."""
    if not rows:
        return []
    column = max(len(first) for first, _ in rows)
    room = width - column - 4
    lines = [f"  {first:>{column}}  {cut(second, room)}" for first, second in rows]
    return ["", title, *lines]


def shortened(text: str, width: int) -> str:
    """Cut out of the middle what is too long; both ends of a path tell something.

    >>> shortened("/usr/lib/python3/ast.py", 12)
    '/usr…/ast.py'
    """
    if len(text) <= max(width, 1):
        return text
    tail = max(0, (2 * width - 1) // 3)
    return f"{text[: max(0, width - tail - 1)]}…{text[len(text) - tail :]}"


def clipped(text: str, width: int) -> str:
    """Cut off the end of what is too long.

    >>> clipped("SyntaxError: invalid syntax", 12)
    'SyntaxError…'
    """
    return text if len(text) <= max(width, 1) else f"{text[: max(0, width - 1)]}…"
