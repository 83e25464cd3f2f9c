"""How long does one job wait when nothing else is going on, and what does an idle supervisor cost?

Pickup is from the call of `submit` to the first line of the body, one job at a time, each when the
supervisor has come to rest; between the two lies a commit. A round trip is submit and await the
result, one after another: two commits. Idle is an open supervisor that has run jobs and now has
none: nothing may poll.
"""

from __future__ import annotations

import asyncio
import resource
import time
from pathlib import Path
from statistics import median, quantiles

from benchmarks.figures import Bound, Figure
from benchmarks.sampling import Sample, answer, sample
from benchmarks.settings import Settings
from benchmarks.workload import cpu_seconds, noop

from overseen import Supervisor, job

QUESTION = "latency: one job at a time, synchronous=FULL"
REST_SECONDS = 0.002
BOUNDS = {
    "pickup_p50_ms": ("submit to body start, p50", "ms", Bound(at_most=1.0)),
    "pickup_p99_ms": ("submit to body start, p99", "ms", Bound(at_most=5.0)),
    "round_trip_p50_ms": ("submit and await the result, p50", "ms", Bound(at_most=2.0)),
    "round_trip_p99_ms": ("submit and await the result, p99", "ms", None),
    "idle_cpu_percent": ("CPU of an idle supervisor", "% of a core", Bound(at_most=0.5)),
    "idle_switches": ("times it woke, all threads", "1/s", None),
    "fsync_p50_ms": ("the disk: append 4 KiB and fsync, p50", "ms", None),
}


@job
async def when(x: int) -> float:
    return time.perf_counter()


def measure(*, folder: str, samples: int, idle_seconds: float) -> Sample:
    """All of it, in one life of a supervisor."""
    return asyncio.run(_measure(Path(folder), samples, idle_seconds))


async def _measure(folder: Path, samples: int, idle_seconds: float) -> Sample:
    async with Supervisor(folder / "jobs.db", jobs=[noop, when]) as supervisor:
        await _pickups(supervisor, 10)  # the first ones load modules and fill caches
        pickups = await _pickups(supervisor, samples)
        trips = await _round_trips(supervisor, samples)
        idle = await _idle(idle_seconds)
    return {
        "pickup_p50_ms": median(pickups),
        "pickup_p99_ms": quantiles(pickups, n=100)[-1],
        "round_trip_p50_ms": median(trips),
        "round_trip_p99_ms": quantiles(trips, n=100)[-1],
        "fsync_p50_ms": _fsync(folder / "probe", samples),
        **idle,
    }


async def _pickups(supervisor: Supervisor, samples: int) -> list[float]:
    taken: list[float] = []
    for x in range(samples):
        submitted = time.perf_counter()
        handle = await supervisor.submit(when, x)
        taken.append((await handle.result() - submitted) * 1e3)
        await asyncio.sleep(REST_SECONDS)
    return taken


async def _round_trips(supervisor: Supervisor, samples: int) -> list[float]:
    taken: list[float] = []
    for x in range(samples):
        submitted = time.perf_counter()
        handle = await supervisor.submit(noop, x)
        await handle.result()
        taken.append((time.perf_counter() - submitted) * 1e3)
    return taken


async def _idle(seconds: float) -> Sample:
    before, cpu, begun = _switches(), cpu_seconds(), time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - begun
    return {
        "idle_cpu_percent": (cpu_seconds() - cpu) / took * 100,
        "idle_switches": (_switches() - before) / took,
    }


def _switches() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw


def _fsync(path: Path, samples: int) -> float:
    import os

    taken: list[float] = []
    with path.open("wb", buffering=0) as file:
        for _ in range(samples):
            begun = time.perf_counter()
            file.write(b"\0" * 4096)
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - begun) * 1e3)
    return median(taken)


def ask(settings: Settings) -> list[Figure]:
    """A few lives, each with its own samples."""
    amounts = settings.amounts
    taken: list[Sample] = []
    for _ in range(amounts.repeats):
        with settings.scratch() as folder:
            taken.append(
                sample(
                    "latency",
                    folder=str(folder),
                    samples=amounts.latency_samples,
                    idle_seconds=amounts.idle_seconds,
                )
            )
    return [
        Figure(QUESTION, name, unit, tuple(one[key] for one in taken), bound)
        for key, (name, unit, bound) in BOUNDS.items()
    ]


if __name__ == "__main__":
    answer(measure)
