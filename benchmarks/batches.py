"""What does a batch of 100,000 jobs cost, and how soon is it summed up?

Two producers of the same work, in turn: one submits the jobs by themselves, the other as members of
a batch. Then, in one process with a full batch whose last member ends, other jobs are submitted one
by one without a pause: how long each submit takes while the batch is finalized, how long after the
last member's end that is done, and how long it takes to ask for the frozen summary.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import quantiles

from benchmarks.end_to_end import JUDGED
from benchmarks.figures import Bound, Figure
from benchmarks.sampling import Sample, answer, sample
from benchmarks.settings import Settings
from benchmarks.workload import Took, completed, cpu_seconds, noop, resident_mib

from overseen import Batch, Handle, Supervisor, job
from overseen_storage.lifecycle import EventType

RATIO = Bound(at_least=0.8)
FINALIZED = Bound(at_most=500.0)
SUBMIT_P99 = Bound(at_most=20.0)
SUMMARY = Bound(at_most=2.0)
ASKED = 200
"""How often the frozen summary is asked for."""
SUBMITTERS = 4
PACE_SECONDS = 0.001
"""Between two submits while a batch is finalized: the loop is not busy with them alone."""


@job(queue="last")
async def last(x: int) -> int:
    return x


def measure(*, folder: str, jobs: int, how: str) -> Sample:
    """Throughput ``alone`` or in a ``batch``; or what the end of a batch costs (``end``)."""
    path = Path(folder) / "jobs.db"
    if how == "end":
        return asyncio.run(_end(path, jobs))
    return asyncio.run(_throughput(path, jobs, in_batch=how == "batch"))


async def _throughput(path: Path, jobs: int, *, in_batch: bool) -> Sample:
    async with Supervisor(path, jobs=[noop], concurrency=JUDGED.concurrency) as supervisor:
        batch = await supervisor.batch("measured").open() if in_batch else None
        took = await _work(supervisor, batch, jobs)
        if batch is not None:
            await batch.seal()
            summary = await batch.summary()
            assert summary.completed == jobs, f"{summary.completed} of {jobs} completed"
    return {
        "jobs_per_second": jobs / took.seconds,
        "cpu_us_per_job": took.cpu_seconds * 1e6 / jobs,
    }


async def _work(supervisor: Supervisor, batch: Batch | None, jobs: int) -> Took:
    """Until the outcome of each is on disk."""
    submit_many = supervisor.submit_many if batch is None else batch.submit_many
    before = completed(supervisor)
    begun, cpu = time.perf_counter(), cpu_seconds()
    handles: list[Handle[int]] = []
    for first in range(0, jobs, JUDGED.group):
        handles = await submit_many(
            noop.call(x) for x in range(first, min(first + JUDGED.group, jobs))
        )
    for handle in handles:
        await handle.wait()
    took = Took(time.perf_counter() - begun, cpu_seconds() - cpu)
    assert completed(supervisor) - before >= jobs, "an outcome is missing"
    return took


async def _end(path: Path, jobs: int) -> Sample:
    """The last member waits in a paused queue until everything else has ended."""
    async with Supervisor(path, jobs=[noop, last], concurrency=JUDGED.concurrency) as supervisor:
        batch = await supervisor.batch("measured").open()
        await _work(supervisor, batch, jobs - 1)
        await supervisor.pause("last")
        final = await batch.submit(last, 0)
        await batch.seal()
        before = resident_mib()
        submits: list[float] = []
        for _ in range(ASKED):  # it runs smoothly before anything happens
            await supervisor.submit(noop, 0)
        others = [
            asyncio.create_task(_keep_submitting(supervisor, submits)) for _ in range(SUBMITTERS)
        ]
        await supervisor.resume("last")
        await final.wait()
        await batch.summary()
        asked = await _ask_again(batch)
        for other in others:
            other.cancel()
        await asyncio.wait(others)
        record = await batch.record()
        summary = await batch.summary()
        assert summary.total == jobs
        assert record.finalized_at is not None
        assert summary.last_ended_at is not None
        events = supervisor.figures.events[EventType.BATCH_FINALIZED]
        assert events == 1, f"finalized {events} times"
    return {
        "finalized_ms": (record.finalized_at - summary.last_ended_at) / 1e3,
        "submit_p99_ms": quantiles(submits, n=100)[98] * 1e3,
        "submit_max_ms": max(submits) * 1e3,
        "submits": len(submits),
        "summary_ms": sorted(asked)[len(asked) // 2] * 1e3,
        "grown_mib": resident_mib() - before,
    }


async def _keep_submitting(supervisor: Supervisor, took: list[float]) -> None:
    while True:
        begun = time.perf_counter()
        await supervisor.submit(noop, 0)
        took.append(time.perf_counter() - begun)
        await asyncio.sleep(PACE_SECONDS)


async def _ask_again(batch: Batch) -> list[float]:
    asked: list[float] = []
    for _ in range(ASKED):
        begun = time.perf_counter()
        await batch.summary()
        asked.append(time.perf_counter() - begun)
    return asked


def once(settings: Settings, how: str) -> Sample:
    """One sample."""
    with settings.scratch() as folder:
        jobs = settings.amounts.batch_jobs
        return sample("batches", folder=str(folder), jobs=jobs, how=how)


def ask(settings: Settings) -> list[Figure]:
    """With and without a batch in turn; then the end of one."""
    jobs = settings.amounts.batch_jobs
    alone: list[Sample] = []
    batch: list[Sample] = []
    ends: list[Sample] = []
    for _ in range(settings.amounts.repeats):
        alone.append(once(settings, "alone"))
        batch.append(once(settings, "batch"))
        ends.append(once(settings, "end"))
    rates = [tuple(run["jobs_per_second"] for run in runs) for runs in (alone, batch)]
    ratios = tuple(b / a for a, b in zip(*rates, strict=True))
    question = f"a batch of {jobs:,} jobs"

    def of_ends(key: str) -> tuple[float, ...]:
        return tuple(end[key] for end in ends)

    return [
        Figure(question, "the jobs by themselves", "jobs/s", rates[0]),
        Figure(question, "in a batch", "jobs/s", rates[1]),
        Figure(question, "in a batch, of those by themselves", "ratio", ratios, RATIO),
        Figure(
            question, "from the last end to the summary", "ms", of_ends("finalized_ms"), FINALIZED
        ),
        Figure(question, "submit meanwhile, p99", "ms", of_ends("submit_p99_ms"), SUBMIT_P99),
        Figure(question, "submit meanwhile, longest", "ms", of_ends("submit_max_ms")),
        Figure(question, "asking for the frozen summary", "ms", of_ends("summary_ms"), SUMMARY),
        Figure(question, "more memory", "MiB", of_ends("grown_mib")),
    ]


if __name__ == "__main__":
    answer(measure)
