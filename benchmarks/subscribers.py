"""How fast are jobs done while a thousand subscribers follow them?

Every subscriber joins before the first job and counts: it must see each event once, in order. They
share the loop with the work, so three thousand deliveries a job would be many times the work
itself; what is measured is how much of the throughput is left, until the last outcome is on disk,
and after how long the last subscriber has everything. Runs with and without them are taken in turn.
"""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.end_to_end import JUDGED, check
from benchmarks.figures import Bound, Figure
from benchmarks.sampling import Sample, answer, sample
from benchmarks.settings import Settings
from benchmarks.workload import noop, work

from overseen import Event, EventType, Supervisor

QUESTION = "subscribers: each follows every job from the start"
SUBSCRIBERS = 1_000
LEFT = Bound(at_least=0.5)
JOBS_SHARE = 0.2
"""Of the jobs of an end-to-end sample: a million deliveries are enough of a measurement."""


class Subscriber:
    """Counts what it is given; anything but the next event is an error."""

    def __init__(self) -> None:
        self.seen_to = 0

    async def follow(self, supervisor: Supervisor, joined: asyncio.Semaphore, until: int) -> float:
        """Return when it had the last end of `until` jobs."""
        ends = 0
        async for event in supervisor.events(after="now"):
            if event.type is EventType.SNAPSHOT:
                self.seen_to = event.seq
                joined.release()
                continue
            self._count(event)
            ends += event.type is EventType.COMPLETED
            if ends == until:
                return time.perf_counter()
        raise AssertionError(f"the stream ended after {ends} of {until} jobs")

    def _count(self, event: Event) -> None:
        assert event.seq == self.seen_to + 1, f"{event.seq} after {self.seen_to}"
        self.seen_to = event.seq


def measure(*, folder: str, jobs: int, subscribers: int) -> Sample:
    """Jobs/s, and how long after the last end the last subscriber had everything."""
    path = Path(folder) / "jobs.db"

    async def run() -> Sample:
        async with Supervisor(path, jobs=[noop], concurrency=JUDGED.concurrency) as supervisor:
            everybody = [Subscriber() for _ in range(subscribers)]
            joined = asyncio.Semaphore(0)
            tasks = [asyncio.create_task(one.follow(supervisor, joined, jobs)) for one in everybody]
            for _ in tasks:
                await joined.acquire()
            took = await work(supervisor, jobs=jobs, group=JUDGED.group)
            worked = time.perf_counter()
            last = max(await asyncio.gather(*tasks), default=worked)
            assert len({one.seen_to for one in everybody}) <= 1
        return {
            "jobs_per_second": jobs / took.seconds,
            "caught_up_seconds": max(0.0, last - worked),
            "deliveries_per_second": 3 * jobs * subscribers / (last - worked + took.seconds),
        }

    measured = asyncio.run(run())
    check(path, jobs)
    return measured


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
