"""Does a job cost the same whether the file holds ten thousand jobs or a million?

One supervisor, one file, from empty: the same work again and again, and the rate of each stretch.
Such a run takes long enough for a machine to change its speed, so what is judged is the grown file
beside fresh ones, in turn.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from benchmarks.end_to_end import JUDGED
from benchmarks.figures import Bound, Figure
from benchmarks.sampling import Sample, answer, sample
from benchmarks.settings import Settings
from benchmarks.workload import noop, resident_mib, work

from overseen import Supervisor

QUESTION = "growth: one file, from empty on"
FLAT = Bound(at_least=0.8)
"""Flat, but for deeper trees, colder caches and the noise of a measurement."""
SMALL = 10_000
"""Jobs in the file before the first stretch."""


def measure(*, folder: str, jobs: int, slices: int) -> Sample:
    """Jobs/s and CPU of each stretch, the memory after the first and after the last."""
    path = Path(folder) / "jobs.db"
    measured: Sample = {}

    async def run() -> None:
        async with Supervisor(path, jobs=[noop], concurrency=JUDGED.concurrency) as supervisor:
            await work(supervisor, jobs=SMALL, group=JUDGED.group)
            for part in range(slices):
                took = await work(supervisor, jobs=jobs // slices, group=JUDGED.group)
                measured[f"jobs_per_second_{part}"] = jobs // slices / took.seconds
                measured[f"cpu_us_{part}"] = took.cpu_seconds * 1e6 / (jobs // slices)
                measured.setdefault("resident_mib_first", resident_mib())
            measured["resident_mib_last"] = resident_mib()

    asyncio.run(run())
    connection = sqlite3.connect(path)
    completed = connection.execute("SELECT count(*) FROM job WHERE status = 8").fetchone()[0]
    connection.close()
    assert completed == SMALL + slices * (jobs // slices), completed
    measured["file_bytes_per_job"] = path.stat().st_size / completed
    return measured


def ask(settings: Settings) -> list[Figure]:
    """One long run; then the grown file and fresh ones, in turn."""
    amounts = settings.amounts
    jobs, slices = amounts.growth_jobs, amounts.growth_slices
    ratios: list[float] = []
    with settings.scratch() as folder:
        took = sample("growth", folder=str(folder), jobs=jobs, slices=slices)
        for n in range(amounts.repeats):
            paths = [str(folder / name) for name in ("jobs.db", f"fresh{n}.db")]
            grown, fresh = (sample("big_table", path=path, jobs=amounts.jobs) for path in paths)
            ratios.append(grown["jobs_per_second"] / fresh["jobs_per_second"])
    rates = [took[f"jobs_per_second_{part}"] for part in range(slices)]
    cpu = [took[f"cpu_us_{part}"] for part in range(slices)]
    figures = [
        Figure(QUESTION, f"jobs {SMALL + part * (jobs // slices):,} and on", "jobs/s", (rate,))
        for part, rate in enumerate(rates)
    ]
    return [
        *figures,
        Figure(QUESTION, "CPU, all stretches", "us/job", tuple(cpu)),
        Figure(QUESTION, "the grown file, of a fresh one", "ratio", tuple(ratios), FLAT),
        Figure(QUESTION, "memory after the first stretch", "MiB", (took["resident_mib_first"],)),
        Figure(QUESTION, "memory after the last", "MiB", (took["resident_mib_last"],)),
        Figure(QUESTION, "file", "bytes/job", (took["file_bytes_per_job"],)),
    ]


if __name__ == "__main__":
    answer(measure)
