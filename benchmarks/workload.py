"""The work that is measured: jobs that do nothing, from one producer, in groups."""

from __future__ import annotations

import asyncio
import resource
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

from overseen import Handle, Supervisor, job


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


async def work(supervisor: Supervisor, *, jobs: int, group: int, ahead: int = 1) -> Took:
    """Submit `jobs` jobs in groups, and wait until the outcome of each is on disk.

    The producer has at most `ahead` groups under way: with 1 it awaits each before it makes the
    next. Jobs of one queue are claimed in order and do nothing, so the last group's outcomes come
    last; the count of completed ones is looked at all the same.
    """
    before = completed(supervisor)
    begun, cpu = time.perf_counter(), cpu_seconds()
    under_way: deque[asyncio.Task[list[Handle[int]]]] = deque()
    last: list[Handle[int]] = []
    for first in range(0, jobs, group):
        under_way.append(asyncio.create_task(_submit(supervisor, first, min(first + group, jobs))))
        if len(under_way) == ahead:
            last = await under_way.popleft()
    for task in under_way:
        last = await task
    for handle in last:
        await handle.wait()
    took = Took(time.perf_counter() - begun, cpu_seconds() - cpu)
    done = completed(supervisor) - before
    assert done >= jobs, f"{done} of {jobs} jobs are completed"
    return took


async def _submit(supervisor: Supervisor, first: int, end: int) -> list[Handle[int]]:
    return await supervisor.submit_many(noop.call(x) for x in range(first, end))
