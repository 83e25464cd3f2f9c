"""A program that touches whatever could make two runs differ, and what it leaves as evidence.

`python virtual_history.py SEED SCHEDULE THREADS` prints a digest of every callback and every row.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import sqlite3
import sys

import anyio
import anyio.to_thread

from overseen_actors import (
    GatedQueue,
    Schedule,
    Threads,
    Trace,
    VirtualOptions,
    run_virtual,
    running_virtual_loop,
)
from overseen_storage.sqlite.hop import InlineConnector, Link, ThreadLink, connect_sqlite

Log = list[tuple[float, str]]


class GatedConnector:
    """The real connections of aiosqlite, each with its thread, one function at a time."""

    blocks_the_loop = True

    async def connect(self, path: str, *, read_only: bool) -> Link:
        """Connect on a thread that works while the loop stands still."""
        link = ThreadLink(lambda: connect_sqlite(path, read_only=read_only), "gated")
        parts = vars(link)
        # The thread itself keeps the queue behind it.
        parts["_tx"] = GatedQueue[object](running_virtual_loop(), parts["_tx"])
        return await link.begin()


def note(connection: sqlite3.Connection, who: str, at: float) -> int:
    """Write a row in one transaction; rows are numbered in order of commit."""
    connection.execute("CREATE TABLE IF NOT EXISTS notes (n INTEGER PRIMARY KEY, who, at)")
    cursor = connection.execute("INSERT INTO notes (who, at) VALUES (?, ?)", (who, at))
    assert cursor.lastrowid is not None
    return cursor.lastrowid


async def history(threads: Threads) -> Log:
    """Sets of tasks, scopes, cancellations, timers, executors and a database, all at once."""
    loop = running_virtual_loop()
    log: Log = []
    connector = GatedConnector() if threads is Threads.GATED else InlineConnector(loop.work_pause)
    link = await connector.connect(":memory:", read_only=False)

    def tell(what: str) -> None:
        log.append((round(loop.time(), 9), what))

    async def worker(name: str) -> None:
        for turn in range(3):
            number = await link.run(functools.partial(note, who=name, at=round(loop.time(), 9)))
            tell(f"{name} {turn} is row {number}")
            await asyncio.sleep(0.001 * (number % 3))

    async def patient(name: str) -> None:
        try:
            with anyio.CancelScope():
                await anyio.sleep(1000)
        finally:
            tell(f"{name} ends")

    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(worker(f"worker {number}"))
    with anyio.move_on_after(0.5):
        async with anyio.create_task_group() as scopes:
            for number in range(12):
                scopes.start_soon(patient, f"scope {number}")
    with contextlib.suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            for number in range(12):
                group.create_task(patient(f"group {number}"))
            group.create_task(fail())
    done, _ = await asyncio.wait({asyncio.ensure_future(asyncio.sleep(1, n)) for n in range(12)})
    tell(f"waited {[task.result() for task in done]}")
    bare: list[asyncio.Future[int]] = [loop.create_future() for _ in range(12)]
    for number, future in enumerate(bare):
        loop.call_later(1, future.set_result, number)
    answered, _ = await asyncio.wait(bare)
    tell(f"futures {[future.result() for future in answered]}")
    for ended in asyncio.as_completed([asyncio.sleep(1, n) for n in range(12)]):
        tell(f"completed {await ended}")
    for run in (asyncio.to_thread, anyio.to_thread.run_sync):
        tell(f"thread {await run(sum, (1, 2, 3))}")
    rows = await link.run(lambda connection: connection.execute("SELECT * FROM notes").fetchall())
    tell(f"rows {rows}")
    await link.close()
    return log


async def fail() -> None:
    """Fail, so that a group cancels the others."""
    await asyncio.sleep(0.25)
    raise LookupError


def evidence(
    seed: int, schedule: Schedule, threads: Threads, *, costs: bool = True
) -> tuple[Log, Trace]:
    """Run it; `costs` let each callback take time and make timers late."""
    trace = Trace()
    options = VirtualOptions(
        seed=seed,
        schedule=schedule,
        threads=threads,
        latency=lambda draw: draw.uniform(0.0001, 0.005),
        step_cost_seconds=2e-5 if costs else 0,
        timer_slack_seconds=1e-3 if costs else 0,
        trace=trace,
    )
    return run_virtual(history(threads), **options), trace


def digest(seed: int, schedule: Schedule, threads: Threads) -> str:
    """Of everything that can be compared."""
    log, trace = evidence(seed, schedule, threads)
    return hashlib.blake2b(f"{trace.digest()} {log}".encode(), digest_size=16).hexdigest()


def main(first_seed: str, seeds: str, schedule: str, threads: str) -> None:
    """Print a line for each seed."""
    for seed in range(int(first_seed), int(first_seed) + int(seeds)):
        sys.stdout.write(f"{digest(seed, Schedule(schedule), Threads(threads))}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
