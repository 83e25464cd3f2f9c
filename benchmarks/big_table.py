"""Does a big database slow anything down?

A file with a million finished and a million pending jobs, beside an empty one, in turn. The pending
ones wait in the queue that is measured, at a lower priority. When a slot is free and no new job is
there, one of them runs: that is work too, so throughput is counted in ledger rows (a new job
writes three, a waiting one two).

Then a thousand of the jobs are left running by a dead process, and the clock runs from the start of
the supervisor until the body of a job submitted right after it begins.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from benchmarks.end_to_end import JUDGED
from benchmarks.figures import Bound, Figure
from benchmarks.sampling import Sample, answer, sample
from benchmarks.settings import Settings
from benchmarks.workload import completed, noop, resident_mib, work

from overseen import Supervisor, job

RATIO = Bound(at_least=0.7)
MEMORY = Bound(at_most=50.0)
FIRST_JOB = Bound(at_most=1.0)


@job
async def when(x: int) -> float:
    return time.perf_counter()


def measure(*, path: str, jobs: int) -> Sample:
    """Throughput and memory; without `jobs`, the time from start to the first new body."""
    return asyncio.run(_throughput(Path(path), jobs) if jobs else _first_job(Path(path)))


async def _throughput(path: Path, jobs: int) -> Sample:
    concurrency = JUDGED.concurrency
    async with Supervisor(path, jobs=[noop, when], concurrency=concurrency) as supervisor:
        took = await work(supervisor, jobs=jobs, group=JUDGED.group)
        rows = sum(supervisor.figures.events.values())
        done, memory = completed(supervisor), resident_mib()
    return {
        "jobs_per_second": jobs / took.seconds,
        "events_per_second": rows / took.seconds,
        "backlog_share": (done - jobs) / done,
        "resident_mib": memory,
    }


async def _first_job(path: Path) -> Sample:
    begun = time.perf_counter()
    async with Supervisor(path, jobs=[noop, when]) as supervisor:
        started = time.perf_counter()
        handle = await supervisor.submit(when.options(priority=1), 0)
        body = await handle.result()
        recovered = supervisor.recovered.jobs
    return {
        "start_seconds": started - begun,
        "first_job_seconds": body - begun,
        "recovered": recovered,
    }


def ask(settings: Settings) -> list[Figure]:
    """Both files, in turn."""
    amounts = settings.amounts
    question = f"big table: {amounts.big_rows:,} finished and {amounts.big_rows:,} pending jobs"
    empty: list[Sample] = []
    big: list[Sample] = []
    starts: list[Sample] = []
    with settings.scratch() as folder:
        path = str(folder / "big.db")
        sample("filling", path=path, rows=amounts.big_rows, orphans=0)
        for n in range(amounts.repeats):
            fresh = str(folder / f"empty{n}.db")
            empty.append(sample("big_table", path=fresh, jobs=amounts.big_jobs))
            big.append(sample("big_table", path=path, jobs=amounts.big_jobs))
        for _ in range(amounts.repeats):
            sample("filling", path=path, rows=0, orphans=amounts.orphans)
            starts.append(sample("big_table", path=path, jobs=0))
    assert all(one["recovered"] == amounts.orphans for one in starts), starts

    def figure(
        name: str, unit: str, samples: list[Sample], key: str, bound: Bound | None = None
    ) -> Figure:
        return Figure(question, name, unit, tuple(one[key] for one in samples), bound)

    pairs = list(zip(big, empty, strict=True))
    ratios = tuple(b["events_per_second"] / e["events_per_second"] for b, e in pairs)
    memory = tuple(b["resident_mib"] - e["resident_mib"] for b, e in pairs)
    after = f"{amounts.orphans:,} orphans"
    return [
        figure("empty file", "ledger rows/s", empty, "events_per_second"),
        figure("big file", "ledger rows/s", big, "events_per_second"),
        Figure(question, "big file: of the empty one", "ratio", ratios, RATIO),
        figure("empty file: new jobs", "jobs/s", empty, "jobs_per_second"),
        figure("big file: new jobs", "jobs/s", big, "jobs_per_second"),
        figure("big file: share of old jobs in the work", "of jobs", big, "backlog_share"),
        figure("empty file: memory", "MiB", empty, "resident_mib"),
        Figure(question, "big file: memory above that", "MiB", memory, MEMORY),
        figure(f"{after}: start", "s", starts, "start_seconds"),
        figure(f"{after}: first new body", "s", starts, "first_job_seconds", FIRST_JOB),
    ]


if __name__ == "__main__":
    answer(measure)
