"""The work that is measured: jobs that do nothing, from one producer, in groups."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import NamedTuple

from overseen import Handle, Supervisor, job

MIB = 1 << 20


@job
async def noop(x: int) -> int:
    return x


class Took(NamedTuple):
    """What a stretch of work took."""

    seconds: float
    cpu_seconds: float
    """Of this process, all threads."""


def cpu_seconds() -> float:
    """What this process has used of all cores."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident_mib() -> float:
    """Memory of this process now (Linux; elsewhere the most it ever had)."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def completed(supervisor: Supervisor) -> int:
    """Jobs whose completion is on disk."""
    return supervisor.figures.events.get("completed", 0)


async def work(supervisor: Supervisor, *, jobs: int, group: int) -> Took:
    """Submit `jobs` jobs in groups, and wait until the outcome of each is on disk.

    Jobs of one queue are claimed in order and do nothing, so the last group's outcomes come last;
    the count of completed ones is looked at all the same.
    """
    before = completed(supervisor)
    begun, cpu = time.perf_counter(), cpu_seconds()
    last: list[Handle[int]] = []
    for first in range(0, jobs, group):
        last = await supervisor.submit_many(
            noop.call(x) for x in range(first, min(first + group, jobs))
        )
    for handle in last:
        await handle.wait()
    took = Took(time.perf_counter() - begun, cpu_seconds() - cpu)
    done = completed(supervisor) - before
    assert done >= jobs, f"{done} of {jobs} jobs are completed"
    return took
