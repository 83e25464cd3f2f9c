"""Programs with one job each, for tests of signals, owners and files.

python household.py PROGRAM DATABASE [ARGUMENT]
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import threading
from typing import Any

from overseen import Context, Degraded, Job, Supervisor, job


def say(*words: object) -> None:
    """One line, at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def told() -> str:
    """The next line of standard input."""
    line: str = await asyncio.to_thread(sys.stdin.readline)
    return line.strip()


@job
async def wait_long(seconds: float) -> str:
    say("running", os.getpid())
    await asyncio.sleep(seconds)
    return "done"


@job(losses=2)
async def poison() -> None:
    """Takes its process with it."""
    say("poisoned")
    os.kill(os.getpid(), signal.SIGKILL)


@job(heartbeat="0.3s", timeout="60s")
async def beating(ctx: Context, beats: int) -> int:
    """Beats twenty times a second."""
    for beat in range(beats):
        ctx.heartbeat()
        if beat == 5:
            say("beating")
        await asyncio.sleep(0.05)
    return beats


@job(grace="0.1s")
def hang_in_a_thread() -> None:
    """Never comes back, and cannot be told to."""
    say("hanging")
    threading.Event().wait()


@job
async def large(size: int) -> str:
    return "x" * size


JOBS: list[Job[..., Any]] = [wait_long, poison, beating, hang_in_a_thread, large]


async def own(database: str, _: str) -> None:
    """Own the database until told to stop."""
    async with Supervisor(database, jobs=JOBS):
        say("owns", os.getpid())
        await told()


async def run_long(database: str, _: str) -> None:
    """Run a job for an hour, inside the block, as a program does that waits for Ctrl-C."""
    async with Supervisor(database, jobs=JOBS, drain_timeout=0, cancel_timeout=5) as supervisor:
        await (await supervisor.submit(wait_long, 3600)).result()


async def swallow_poison(database: str, _: str) -> None:
    """Submit the job that kills, if it is not there yet, and wait for what becomes of it."""
    async with Supervisor(database, jobs=JOBS) as supervisor:
        handle = await supervisor.submit(poison.options(idempotency_key="once"))
        outcome = await handle.wait()
        say("outcome", outcome.answer, outcome.reason, outcome.attempts)


async def beat(database: str, _: str) -> None:
    """Run a job that promises a sign of life every 0.3 s."""
    async with Supervisor(database, jobs=JOBS, sweep_interval=0.05) as supervisor:
        outcome = await (await supervisor.submit(beating, 20)).wait()
        say("outcome", outcome.answer, outcome.reason, outcome.attempts)


async def hang(database: str, _: str) -> None:
    """Leave the block while a thread hangs for ever."""
    supervisor = Supervisor(database, jobs=JOBS, drain_timeout=0, cancel_timeout=1)
    async with supervisor:
        await supervisor.submit(hang_in_a_thread)
        await told()
    assert supervisor.report is not None
    say("stuck", *supervisor.report.stuck)


async def fill(database: str, size: str) -> None:
    """Write until the disk has no space for more (a limit of the process stands for the disk),
    make room, go on."""
    supervisor = Supervisor(database, jobs=JOBS, sweep_interval=3600)
    async with supervisor:
        running = await supervisor.submit(wait_long, 0)
        await running.result()
        kept = await supervisor.submit(wait_long, 0.2)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), hard))
        stored = 0
        try:
            while True:
                await supervisor.submit(large.options(delay="1d", labels={"n": "1"}), 1 << 10)
                stored += 1
        except Degraded as error:
            say("degraded", supervisor.degraded, type(error.__cause__).__name__)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        say("result", await kept.result())
        handle = await supervisor.submit(large, 10)
        await handle.result()
        say("recovered", supervisor.degraded, stored)
        counts = await supervisor.counts()
        say("counts", counts["default"].get("scheduled", 0), counts["default"].get("failed", 0))


PROGRAMS = {
    program.__name__: program for program in (own, run_long, swallow_poison, beat, hang, fill)
}

if __name__ == "__main__":
    # As from a terminal; what a script starts in the background is made to ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    name, database, *rest = sys.argv[1:]
    asyncio.run(PROGRAMS[name](database, rest[0] if rest else ""))
