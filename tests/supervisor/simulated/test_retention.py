"""Retention: each outcome its own, in small chunks, without ever using a number twice."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.supervisor.ledger import whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import (
    Context,
    Event,
    EventType,
    InvalidOption,
    Retention,
    Status,
    Supervisor,
    job,
)

HOUR = 3600


@job
async def work(ctx: Context, fails: bool = False) -> None:
    """Leaves rows of every sort."""
    ctx.progress(1)
    ctx.log("a line")
    await asyncio.sleep(0.01)
    if fails:
        raise RuntimeError


async def one_of_each(supervisor: Supervisor) -> dict[str, int]:
    """A completed, a failed, a cancelled and a waiting job."""
    completed = await supervisor.submit(work)
    failed = await supervisor.submit(work, fails=True)
    cancelled = await supervisor.submit(work.options(delay="90d"))
    waiting = await supervisor.submit(work.options(delay="90d"))
    await cancelled.cancel()
    await completed.wait()
    await failed.wait()
    return {
        "completed": completed.id,
        "failed": failed.id,
        "cancelled": cancelled.id,
        "waiting": waiting.id,
    }


def numbers(database: Path) -> tuple[int, int, int]:
    """Highest seq, rows of the ledger, and how many were pruned according to the database."""
    with closing(sqlite3.connect(database)) as connection:
        highest, rows = connection.execute("SELECT max(seq), count(*) FROM ledger").fetchone()
        query = "SELECT value FROM meta WHERE key = 'events_pruned'"
        pruned = connection.execute(query).fetchone()[0]
        lines = connection.execute(
            "SELECT count(*) FROM log_line WHERE job_id NOT IN (SELECT id FROM job)"
        ).fetchone()[0]
    assert lines == 0, "a log line outlived its job"
    return highest, rows, pruned


async def test_each_outcome_is_kept_for_its_own_time(make: Make) -> None:
    """Completed, failed and cancelled jobs go when their own time is over and not before; what has
    not ended is never pruned, however old."""
    keep = Retention(completed=HOUR / 2, failed=5 * HOUR / 2, cancelled=3 * HOUR / 2)
    async with make(work, retention=keep, sweep_interval="10m") as supervisor:
        ids = await one_of_each(supervisor)
        left: list[list[str]] = []
        for _ in range(4):
            records = {record.id for record in await supervisor.jobs()}
            left.append([name for name, job_id in ids.items() if job_id in records])
            await asyncio.sleep(HOUR)
        await asyncio.sleep(3 * 24 * HOUR)
        assert [record.id for record in await supervisor.jobs()] == [ids["waiting"]]
        assert (await supervisor.job(ids["waiting"])).status is Status.SCHEDULED
    assert left == [
        ["completed", "failed", "cancelled", "waiting"],
        ["failed", "cancelled", "waiting"],
        ["failed", "waiting"],
        ["waiting"],
    ]


async def test_none_means_for_ever(make: Make) -> None:
    """An outcome without a retention is kept for ever."""
    keep = Retention(completed=None, failed=None, cancelled=None)
    async with make(work, retention=keep, sweep_interval="1d") as supervisor:
        await one_of_each(supervisor)
        await asyncio.sleep(30 * 24 * HOUR)
        assert len(await supervisor.jobs()) == 4


async def test_numbers_are_never_used_again(make: Make, database: Path) -> None:
    """Ids and seqs go on after pruning everything and after a restart; the number of missing
    ledger rows is exactly the number of pruned ones."""
    keep = Retention(completed=HOUR, failed=HOUR, cancelled=HOUR)
    ids: list[int] = []
    for _ in range(3):
        async with make(work, retention=keep) as supervisor:
            handles = await supervisor.submit_many(work.call(fails=n % 3 == 0) for n in range(20))
            for handle in handles:
                await handle.wait()
            ids.extend(handle.id for handle in handles)
            await asyncio.sleep(2 * HOUR)
            assert await supervisor.jobs() == []
        highest, rows, pruned = numbers(database)
        assert highest - rows == pruned
        assert pruned > 0
    assert ids == list(range(1, 61))


async def test_a_subscriber_that_comes_too_late_is_told(make: Make) -> None:
    """Who reads from before the oldest kept event first gets one `history_pruned` frame, then what
    is kept."""
    async with make(work, retention=Retention(completed=HOUR)) as supervisor:
        for _ in range(10):
            await (await supervisor.submit(work)).wait()
        await asyncio.sleep(2 * HOUR)
        kept = await supervisor.submit(work)
        await kept.wait()
        frames: list[Event] = []
        async for event in supervisor.events(after="start"):
            frames.append(event)
            if event.job_id == kept.id and event.type is EventType.COMPLETED:
                break
        types = [frame.type for frame in frames]
        assert types[:2] == [EventType.SNAPSHOT, EventType.HISTORY_PRUNED]
        assert types.count(EventType.HISTORY_PRUNED) == 1
        assert {e.job_id for e in frames[2:] if e.job_id is not None} == {kept.id}
        assert [e.seq for e in frames[2:]] == [e.seq for e in await whole_ledger(supervisor)]


async def test_pruning_goes_in_small_chunks(make: Make) -> None:
    """Thousands of old jobs are pruned in chunks, so that a submit beside them waits for one chunk
    at most; nothing is left at the end."""
    async with make(work, retention=Retention(completed=HOUR), concurrency=500) as supervisor:
        handles = await supervisor.submit_many(work.call() for _ in range(1_800))
        await handles[-1].wait()
        await asyncio.sleep(HOUR - 60)
        mixed = [await supervisor.submit(work) for _ in range(50)]
        for handle in mixed:
            await handle.wait()
        await asyncio.sleep(600)
        assert {record.id for record in await supervisor.jobs(limit=100)} == {h.id for h in mixed}


async def test_a_retried_jobs_origin_may_go(make: Make) -> None:
    """An operator's retry outlives the pruning of the job it repeats."""
    async with make(work, retention=Retention(failed=HOUR, completed=None)) as supervisor:
        failed = await supervisor.submit(work, fails=True)
        await failed.wait()
        again = await supervisor.retry(failed.id)
        await again.wait()
        child = await supervisor.submit(work)
        await child.wait()
        await asyncio.sleep(2 * HOUR)
        left = await supervisor.jobs()
        assert failed.id not in {record.id for record in left}
        assert child.id in {record.id for record in left}


@pytest.mark.parametrize("wrong", [-1, "a while", True])
def test_a_retention_that_makes_no_sense_is_refused(make: Make, wrong: object) -> None:
    """A retention that is no duration is refused when the supervisor is made."""
    with pytest.raises(InvalidOption, match="failed"):
        make(work, retention=Retention(failed=wrong))  # type: ignore[arg-type] # the wrong use
