"""How fast is a batch done while a thousand subscribers follow it?

Every subscriber joins before the first member and counts: it must see each event once, in order.
They share the loop with the work, so three thousand deliveries a job would be many times the work
itself; what is measured is how much of the throughput is left, until the last outcome is on disk,
and after how long the last subscriber has everything. Runs with and without them are taken in turn.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.end_to_end import JUDGED, check
from benchmarks.figures import Bound, Figure
from benchmarks.sampling import Sample, answer, sample
from benchmarks.settings import Settings
from benchmarks.workload import noop

from overseen import EventType, Handle, Supervisor
from overseen.batches.batch import Batch

QUESTION = "subscribers: all follow one batch from its start to its end"
SUBSCRIBERS = 1_000
LEFT = Bound(at_least=0.5)
JOBS_SHARE = 0.2
"""Of the jobs of an end-to-end sample: thirty million deliveries are enough of a measurement."""


class Subscriber:
    """Checks what it is given: seqs must rise, and in the end their number and their sum must be
    those of the ledger."""

    def __init__(self) -> None:
        self.seen = 0
        self.sum = 0
        self.seen_to = 0

    async def follow(self, batch: Batch, joined: asyncio.Semaphore) -> float:
        """Follow the batch to its end; return when that came."""
        async for event in batch.events("start"):
            if event.type is EventType.SNAPSHOT:
                joined.release()
                continue
            assert event.seq > self.seen_to, f"{event.seq} after {self.seen_to}"
            self.seen_to = event.seq
            self.seen += 1
            self.sum += event.seq
        return time.perf_counter()


def measure(*, folder: str, jobs: int, subscribers: int) -> Sample:
    """Jobs/s, and how long after the last outcome the last subscriber had everything."""
    path = Path(folder) / "jobs.db"

    async def run() -> Sample:
        async with Supervisor(path, jobs=[noop], concurrency=JUDGED.concurrency) as supervisor:
            batch = await supervisor.batch("followed").open()
            everybody = [Subscriber() for _ in range(subscribers)]
            joined = asyncio.Semaphore(0)
            tasks = [asyncio.create_task(one.follow(batch, joined)) for one in everybody]
            for _ in tasks:
                await joined.acquire()
            seconds = await fill(batch, jobs)
            worked = time.perf_counter()
            await batch.seal()
            await batch.summary()
            last = max(await asyncio.gather(*tasks), default=worked)
        right = ledger_of_batch(path)
        assert all((one.seen, one.sum) == right for one in everybody), right
        return {
            "jobs_per_second": jobs / seconds,
            "caught_up_seconds": last - worked,
            "deliveries_per_second": right[0] * subscribers / (last - worked + seconds),
        }

    measured = asyncio.run(run())
    check(path, jobs)
    return measured


async def fill(batch: Batch, jobs: int) -> float:
    """Submit members in groups; return the seconds until the outcome of each is on disk."""
    begun = time.perf_counter()
    handles: list[Handle[int]] = []
    for first in range(0, jobs, JUDGED.group):
        calls = (noop.call(x) for x in range(first, min(first + JUDGED.group, jobs)))
        handles = await batch.submit_many(calls)
    for handle in handles:
        await handle.wait()
    return time.perf_counter() - begun


def ledger_of_batch(path: Path) -> tuple[int, int]:
    """How many events of the batch and its members there are, and the sum of their seqs."""
    connection = sqlite3.connect(path)
    found: tuple[int, int] = connection.execute(
        "SELECT count(*), total(seq) FROM ledger LEFT JOIN job ON job.id = ledger.job_id"
        " WHERE coalesce(ledger.batch_id, job.batch_id) = 1"
    ).fetchone()
    connection.close()
    return found[0], int(found[1])


def once(settings: Settings, jobs: int, subscribers: int) -> Sample:
    """One sample, in a fresh process."""
    with settings.scratch() as folder:
        return sample("subscribers", folder=str(folder), jobs=jobs, subscribers=subscribers)


def ask(settings: Settings) -> list[Figure]:
    """Without, with, without, with, ..., without: each run beside its neighbours."""
    jobs = max(500, int(settings.amounts.jobs * JOBS_SHARE))
    alone = [once(settings, jobs, 0)]
    watched: list[Sample] = []
    for _ in range(settings.amounts.repeats):
        watched.append(once(settings, jobs, SUBSCRIBERS))
        alone.append(once(settings, jobs, 0))
    rates = [one["jobs_per_second"] for one in alone]
    around = [(a + b) / 2 for a, b in pairwise(rates)]
    ratios = tuple(one["jobs_per_second"] / near for one, near in zip(watched, around, strict=True))
    name = f"{SUBSCRIBERS:,} subscribers"
    return [
        Figure(QUESTION, f"nobody, {jobs:,} jobs", "jobs/s", tuple(rates)),
        Figure(QUESTION, name, "jobs/s", tuple(one["jobs_per_second"] for one in watched)),
        Figure(QUESTION, f"{name}: of that", "ratio", ratios, LEFT),
        _figure(f"{name}: had everything after", "s", watched, "caught_up_seconds"),
        _figure(f"{name}: deliveries", "1/s", watched, "deliveries_per_second"),
    ]


def _figure(name: str, unit: str, taken: list[Sample], key: str) -> Figure:
    return Figure(QUESTION, name, unit, tuple(one[key] for one in taken))


if __name__ == "__main__":
    answer(measure)
