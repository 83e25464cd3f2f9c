"""What the demo says at the end: a summary of the records, and the words for it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from overseen.demo.counts import Counts
from overseen_storage.lifecycle import TERMINAL, Reason, Status
from overseen_storage.records import JobError, JobRecord

SLOWEST = 5
GROUPS = 8
QUESTION = "select id, kind, status, attempts, reason from job_view limit 5"
US_PER_SECOND = 1_000_000

# What differs from file to file in messages that mean the same.
PLACES = (
    (re.compile(r" \([^()]*, line \d+\)$"), ""),
    (re.compile(r"\bline \d+"), "a line"),
    (re.compile(r"\bposition \d+(-\d+)?"), "a position"),
    (re.compile(r"\bbyte 0x[0-9a-f]{2}"), "a byte"),
    (re.compile(r"'[^']*[/\\][^']*'"), "a file"),
)


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of the jobs."""

    jobs: int
    """How many there are."""
    outcomes: tuple[tuple[Status, int], ...]
    """How many jobs are where, the ended ones first."""
    attempts: int
    """How often a body was started."""
    retried: int
    """How many jobs were started more than once because an attempt failed."""
    rescued: int
    """How many of those completed in the end."""
    warned: int
    """How many completed with warnings."""
    slowest: tuple[tuple[str, int], ...]
    """Files by the time their questions took, longest first, in microseconds."""
    failures: tuple[tuple[str, int], ...]
    """What failed jobs died of, most frequent first."""

    @property
    def ended(self) -> int:
        """How many jobs have an outcome."""
        return sum(count for status, count in self.outcomes if status in TERMINAL)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the demo did, beside what came of the jobs."""

    database: Path
    """Where everything is kept."""
    ended_before: int
    """How many jobs had an outcome already."""
    seconds: float
    """How long this run worked."""


def summarize(records: Iterable[JobRecord]) -> Summary:
    """Sum the jobs up."""
    kept = list(records)
    where = Counter(record.status for record in kept)
    order = [*(status for status in Status if status in TERMINAL), *Status]
    retried = [record for record in kept if record.failures and record.attempts > 1]
    return Summary(
        jobs=len(kept),
        outcomes=tuple((one, where[one]) for one in dict.fromkeys(order) if where[one]),
        attempts=sum(record.attempts for record in kept),
        retried=len(retried),
        rescued=sum(record.status is Status.COMPLETED for record in retried),
        warned=sum(record.status is Status.COMPLETED and record.warnings > 0 for record in kept),
        slowest=tuple(time_by_file(kept).most_common(SLOWEST)),
        failures=tuple(Counter(map(cause_of, failed(kept))).most_common()),
    )


def failed(records: Iterable[JobRecord]) -> Iterable[JobRecord]:
    """The failed ones among them."""
    return (record for record in records if record.status is Status.FAILED)


def time_by_file(records: Iterable[JobRecord]) -> Counter[str]:
    """Add up how long the last attempts took, in microseconds, for each file."""
    times: Counter[str] = Counter()
    for record in records:
        if record.completed_at is not None and record.attempt_started_at is not None:
            times[file_of(record)] += record.completed_at - record.attempt_started_at
    return times


def file_of(record: JobRecord) -> str:
    """The file a job asks about."""
    arguments = msgspec.json.decode(record.arguments, type=dict[str, object])
    return str(arguments.get("path", "?"))


def cause_of(record: JobRecord) -> str:
    """What a job died of, in words that are the same for every file with the same fault."""
    if record.error is not None and record.reason in (None, Reason.ERROR):
        return fault_of(record.error)
    return str(record.reason or "unknown")


def fault_of(error: JobError) -> str:
    """An error without the place it happened at.

    >>> fault_of(JobError("SyntaxError", "invalid syntax (a.py, line 3)"))
    'SyntaxError: invalid syntax'
    """
    message = error.message.partition("\n")[0]
    for pattern, word in PLACES:
        message = pattern.sub(word, message)
    return f"{error.type.removeprefix('builtins.')}: {message}"


def words(summary: Summary, run: Run, width: int) -> list[str]:
    """The whole summary; its tables in lines of at most `width` cells."""
    return [
        *words_of_outcomes(summary),
        *words_of_speed(summary, run),
        *table("Slowest files", slowest_rows(summary), width, shortened),
        *table("Failures by error", failure_rows(summary), width, clipped),
        "",
        *words_of_the_way_on(run),
    ]


def words_of_interruption(counts: Counts, run: Run) -> list[str]:
    """What there is to say when somebody stopped it: that nothing is lost."""
    left = counts.total - counts.ended
    return [
        f"Stopped: {counts.ended:,} of {counts.total:,} jobs have an outcome, {left:,} are left.",
        "The same command goes on with them.",
        f"Database: {run.database}",
    ]


def words_of_outcomes(summary: Summary) -> list[str]:
    """How many jobs are where, and what it took."""
    outcomes = ", ".join(f"{count:,} {status.value}" for status, count in summary.outcomes)
    lines = [f"{summary.jobs:,} jobs: {outcomes}"]
    extra = [f"{summary.attempts:,} attempts"]
    if summary.retried:
        extra.append(f"{summary.retried:,} jobs retried, {summary.rescued:,} of them completed")
    if summary.warned:
        extra.append(f"{summary.warned:,} completed with warnings")
    return [*lines, "; ".join(extra)]


def words_of_speed(summary: Summary, run: Run) -> list[str]:
    """What this run did, and how fast."""
    ended = summary.ended - run.ended_before
    earlier = f"; {run.ended_before:,} had one from earlier runs" if run.ended_before else ""
    if not ended and summary.ended == summary.jobs:
        return [f"All {summary.jobs:,} already had an outcome: nothing was left to do."]
    speed = ended / run.seconds if run.seconds > 0 else 0.0
    return [f"{ended:,} outcomes in {run.seconds:.1f} s, {speed:,.0f} jobs/s{earlier}"]


def slowest_rows(summary: Summary) -> list[tuple[str, str]]:
    """The slowest files, as rows of a table."""
    return [(f"{us / 1000:,.0f} ms", path) for path, us in summary.slowest]


def failure_rows(summary: Summary) -> list[tuple[str, str]]:
    """The most frequent failures, as rows of a table."""
    rows = [(f"{count:,}", fault) for fault, count in summary.failures[:GROUPS]]
    rest = summary.failures[GROUPS:]
    if rest:
        rows.append((f"{sum(count for _, count in rest):,}", f"of {len(rest):,} other sorts"))
    return rows


def words_of_the_way_on(run: Run) -> list[str]:
    """Where everything is, and what to do next; never cut, for one copies it."""
    return [
        "Every job has an outcome; run again, it knows that. To begin anew: --fresh",
        f"Database: {run.database}",
        f'Look in: sqlite3 "{run.database}" "{QUESTION}"',
        "Embed it: README.md and examples/hello.py",
    ]


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
