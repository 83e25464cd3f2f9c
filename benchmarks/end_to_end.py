"""How many jobs a second go from submit to an outcome on disk?

One process: the supervisor, and one producer that submits in groups with `submit_many`. The clock
runs from the first submit until every job's completion is committed (synchronous=FULL); afterwards
plain SQL counts rows and ledger. Samples are taken in turn with the floor's.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import NamedTuple

from benchmarks import floor
from benchmarks.figures import Bound, Figure
from benchmarks.sampling import Sample, answer, sample
from benchmarks.settings import Settings
from benchmarks.workload import noop, work

from overseen import Supervisor


class Case(NamedTuple):
    """How it is driven."""

    group: int
    """Jobs in a submit."""
    concurrency: int
    ahead: int = 1
    """Submits the producer has under way at a time."""

    def __str__(self) -> str:
        ahead = f", {self.ahead} under way" if self.ahead > 1 else ""
        return f"submits of {self.group:,}{ahead}, concurrency {self.concurrency:,}"


JUDGED = Case(1_000, 1_000)
"""What the bounds are about: groups as large as the floor's."""
SWEEP = [
    Case(1_000, 1_000, ahead=2),
    Case(100, 1_000),
    Case(5_000, 1_000),
    Case(1_000, 100),
    Case(2_000, 2_000),
]
QUESTION = "end to end: submit to outcome on disk, synchronous=FULL"
JOBS_PER_SECOND = Bound(at_least=20_000)
OF_FLOOR = Bound(at_least=0.5)


def measure(*, folder: str, jobs: int, group: int, concurrency: int, ahead: int = 1) -> Sample:
    """Jobs/s, and CPU a job."""
    path = Path(folder) / "jobs.db"

    async def run() -> Sample:
        async with Supervisor(path, jobs=[noop], concurrency=concurrency) as supervisor:
            took = await work(supervisor, jobs=jobs, group=group, ahead=ahead)
            groups = supervisor.figures.groups
        return {
            "jobs_per_second": jobs / took.seconds,
            "cpu_us_per_job": took.cpu_seconds * 1e6 / jobs,
            "jobs_per_commit": jobs / groups,
        }

    measured = asyncio.run(run())
    check(path, jobs)
    return measured


def check(path: Path, jobs: int) -> None:
    """Every job is completed with its result, and told of three times."""
    connection = sqlite3.connect(path)
    right = connection.execute(
        "SELECT count(*) FROM job WHERE status = 8 AND json_extract(arguments, '$.x') = result"
    ).fetchone()[0]
    told = connection.execute("SELECT count(*) FROM ledger WHERE job_id IS NOT NULL").fetchone()[0]
    connection.close()
    assert (right, told) == (jobs, 3 * jobs), f"{right} jobs, {told} ledger rows of {jobs} jobs"


def once(settings: Settings, case: Case) -> Sample:
    """One sample of one case."""
    with settings.scratch() as folder:
        jobs = settings.amounts.jobs
        return sample("end_to_end", folder=str(folder), jobs=jobs, **case._asdict())


def ask(settings: Settings) -> list[Figure]:
    """The judged case in turn with the floor, then the others."""
    ways = list(floor.WAYS)
    floors: dict[str, list[float]] = {way: [] for way in ways}
    runs: list[Sample] = []
    for _ in range(settings.amounts.repeats):
        for way in ways:
            floors[way].append(floor.once(settings, way))
        runs.append(once(settings, JUDGED))
    for way in ways:
        floors[way].append(floor.once(settings, way))
    best = max(ways, key=lambda way: sorted(floors[way])[len(floors[way]) // 2])
    # Each run against what the floor was just before and just after it.
    around = [(a + b) / 2 for a, b in zip(floors[best], floors[best][1:], strict=False)]
    rates = tuple(run["jobs_per_second"] for run in runs)
    ratios = tuple(rate / near for rate, near in zip(rates, around, strict=True))
    figures = [
        Figure(QUESTION, f"floor beside it: three tx, {best}", "jobs/s", tuple(floors[best])),
        Figure(QUESTION, str(JUDGED), "jobs/s", rates, JOBS_PER_SECOND),
        Figure(QUESTION, f"{JUDGED}: of the floor", "ratio", ratios, OF_FLOOR),
        *_details(JUDGED, runs),
    ]
    for case in SWEEP if settings.amounts.sweep else []:
        taken = [once(settings, case) for _ in range(settings.amounts.repeats)]
        rates = tuple(run["jobs_per_second"] for run in taken)
        figures.append(Figure(QUESTION, str(case), "jobs/s", rates))
    return figures


def _details(case: Case, runs: list[Sample]) -> list[Figure]:
    shown = {"cpu_us_per_job": ("CPU", "us/job"), "jobs_per_commit": ("commit", "jobs")}
    return [
        Figure(QUESTION, f"{case}: {name}", unit, tuple(run[key] for run in runs))
        for key, (name, unit) in shown.items()
    ]


if __name__ == "__main__":
    answer(measure)
