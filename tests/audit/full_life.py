"""A database in which everything there is has happened, made by the real supervisor in virtual
time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

from overseen import BatchSummary, Context, Job, Snooze, Supervisor, job
from overseen_actors import LoopClock, VirtualLoop
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore


@job
async def work(ctx: Context, number: int) -> int:
    ctx.progress(1, 2, message="halfway")
    ctx.log("a line")
    return number


@job(retries=1)
async def fails_once(ctx: Context) -> int:
    if ctx.attempt == 1:
        raise ValueError("not yet")
    ctx.warn("late")
    return 1


@job
async def fails(ctx: Context) -> int:
    raise ValueError("never")


@job
async def snoozes(ctx: Context) -> int:
    if ctx.attempt == 1:
        raise Snooze("10s")
    return 1


@job
async def reads(ctx: Context) -> int:
    return len(ctx.attachments)


@job
async def hangs(ctx: Context) -> None:
    await asyncio.Event().wait()


@job
async def report(summary: BatchSummary) -> str:
    return "done"


JOBS: list[Job[..., Any]] = [work, fails_once, fails, snoozes, reads, hangs, report]


def supervisor_of(path: Path, clock: LoopClock) -> Supervisor:
    connector = InlineConnector()
    return Supervisor(
        lambda: SqliteStore(path, synchronous="normal", connector=connector, owner_wait_seconds=0),
        jobs=JOBS,
        clock=clock,
        random=Random(7).random,
        cancel_timeout="1s",
        drain_timeout="1s",
    )


async def live_fully(path: Path) -> None:
    """Two lives: attempts of every kind, a batch with callbacks, files, keys, a paused queue."""
    clock = LoopClock(asyncio.get_running_loop())
    async with supervisor_of(path, clock) as first:
        await first.pause("paused")
        handles = [
            await first.submit(work, 1),
            await first.submit(fails_once),
            await first.submit(fails),
            await first.submit(snoozes),
        ]
        async with first.batch("all", on_finish=report) as batch:
            await batch.submit(work, 2)
            await batch.submit(fails)
        await batch.summary()
        async with first.draft(reads) as draft:
            await draft.attach("input", b"content")
        for handle in [*handles, draft.handle]:
            await handle.wait()
        await first.submit(work.options(queue="paused", key="one"), 3)
        await first.submit(work.options(delay="1h", idempotency_key="once"), 4)
        hanging = await first.submit(hangs)
        await hanging.cancel()
    async with supervisor_of(path, clock) as second:
        again = await second.retry(3)
        await again.wait()
        await second.submit(work.options(queue="paused", key="two"), 5)


def make_full_life(path: Path) -> None:
    """Make the database at `path`."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(live_fully(path))
