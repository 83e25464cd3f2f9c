"""Times on record: in order, each written once, each attempt with its own."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from random import Random
from typing import Final

import pytest
from tests.storage.checkers import check_everything
from tests.supervisor.ledger import whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import (
    Abandon,
    Backoff,
    Context,
    EventType,
    JobRecord,
    Snooze,
    Supervisor,
    job,
)
from overseen_actors import LoopClock

HOUR: Final = Backoff(initial="1h", factor=1, maximum="1h", jitter="none")
HOUR_US: Final = 3_600_000_000


async def rows_of(supervisor: Supervisor) -> dict[int, JobRecord]:
    """All rows."""
    rows: list[JobRecord] = []
    while page := await supervisor.jobs(before_id=rows[-1].id if rows else None, limit=500):
        rows.extend(page)
    return {row.id: row for row in rows}


@job(retries=3, backoff=lambda failures, error: 0)
async def fast(ctx: Context, n: int) -> int:
    """Takes no time at all; every other one fails, snoozes or gives up on its way."""
    how = n % 8
    if how == 1 and ctx.attempt == 1:
        raise OSError(n)
    if how == 3 and ctx.attempt <= 3:
        raise OSError(n)
    if how == 5 and ctx.attempt == 1:
        raise Snooze(0)
    if how == 7:
        raise Abandon("no")
    return n


async def test_thousands_of_fast_jobs_and_retries_keep_their_times_in_order(make: Make) -> None:
    """Five thousand jobs that take no time, with retries that wait for nothing: created < started <
    completed strictly on each, no constraint is ever violated, the first start is kept, and every
    attempt has its own times. (R48, incident: Fast jobs and retries)"""
    async with make(fast, concurrency=1_000) as supervisor:
        handles = await supervisor.submit_many(fast.call(n) for n in range(2_000))
        handles += [await supervisor.submit(fast, n) for n in range(500)]
        handles += await supervisor.submit_many(fast.call(n) for n in range(2_500))
        for handle in handles:
            await handle.wait()
        rows = await rows_of(supervisor)
        events = await whole_ledger(supervisor)
        assert supervisor.figures.restarts == 0
        assert not supervisor.degraded

    check_everything(rows, events)
    starts: dict[int, list[int]] = {}
    for event in events:
        if event.type is EventType.STARTED:
            assert event.job_id is not None
            starts.setdefault(event.job_id, []).append(event.at)
    for row in rows.values():
        assert row.started_at is not None
        assert row.attempt_started_at is not None
        assert row.completed_at is not None
        assert row.created_at < row.started_at <= row.attempt_started_at < row.completed_at
        assert (row.started_at, row.attempt_started_at) == (starts[row.id][0], starts[row.id][-1])
    assert {row.attempts for row in rows.values()} == {1, 2, 4}


async def test_the_first_start_is_kept_whatever_follows(make: Make) -> None:
    """`started_at` is the first start of the first attempt through retries, snoozes and a restart
    of the program; each attempt's own start is its own. (R47, R49)"""

    @job(retries=2, backoff=HOUR)
    async def eventful(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise OSError("first")
        if ctx.attempt == 2:
            raise Snooze("1h")
        if ctx.attempt == 3:
            await asyncio.sleep(1e6)
        return ctx.attempt

    async with make(eventful, drain_timeout=1) as supervisor:
        handle = await supervisor.submit(eventful)
        await asyncio.sleep(2.5 * 3600)
        before = await handle.record()
        assert (before.attempts, before.interruptions) == (3, 0)
    async with make(eventful) as supervisor:
        again = supervisor.handle(handle.id, eventful)
        assert await again.result() == 4
        row = await again.record()
        starts = [e.at for e in await again.history() if e.type is EventType.STARTED]

    assert row.started_at == before.started_at == starts[0]
    assert row.attempt_started_at == starts[3]
    assert row.completed_at is not None
    assert row.created_at < starts[0] < starts[1] < starts[2] < starts[3] < row.completed_at
    assert starts[1] - starts[0] == pytest.approx(HOUR_US, abs=1_000)


async def test_the_wait_is_written_at_each_entry_and_durations_come_from_stamps(
    make: Make,
) -> None:
    """`ready_at` tells when the job last became pending: the wait of a retry does not count its
    first attempt. (R49)"""

    @job(retries=1, backoff=HOUR)
    async def twice(ctx: Context) -> int:
        await asyncio.sleep(600)
        if ctx.attempt == 1:
            raise OSError("first")
        return ctx.attempt

    async with make(twice) as supervisor:
        handle = await supervisor.submit(twice)
        await handle.result()
        row = await handle.record()

    assert row.ready_at is not None
    assert row.attempt_started_at is not None
    assert row.completed_at is not None
    assert row.ready_at - row.created_at == pytest.approx(600_000_000 + HOUR_US, abs=1_000)
    assert 0 < row.attempt_started_at - row.ready_at < 1_000
    assert row.completed_at - row.attempt_started_at == pytest.approx(600_000_000, abs=1_000)


@pytest.mark.parametrize("step", [-7200.0, 7200.0])
async def test_a_step_of_the_wall_clock_disturbs_no_order_and_no_duration(
    make: Make, clock: LoopClock, step: float
) -> None:
    """Somebody sets the wall clock while jobs run: durations are true, nothing goes backwards, no
    healthy attempt is judged, no retry comes early or late. (R48, R50)"""

    @job(timeout="1h", heartbeat="30m", retries=1, backoff=HOUR, queue_timeout="10m")
    async def long(ctx: Context) -> int:
        await asyncio.sleep(1_700)
        if ctx.attempt == 1:
            raise OSError("first")
        return ctx.attempt

    async with make(long) as supervisor:
        handle = await supervisor.submit(long)
        begun = asyncio.get_running_loop().time()
        for moment in (850, 1_000, 3_000):
            await asyncio.sleep(begun + moment - asyncio.get_running_loop().time())
            clock.step(step)

        assert await handle.result() == 2
        took = asyncio.get_running_loop().time() - begun
        assert took == pytest.approx(1_700 + 3_600 + 1_700, abs=1)
        row = await handle.record()
        assert row.completed_at is not None
        assert (row.completed_at - row.created_at) / 1e6 == pytest.approx(took, abs=1)
        assert all(one.at < two.at for one, two in pairwise(await whole_ledger(supervisor)))


async def test_stamps_go_on_rising_over_restarts_and_clocks_set_back(
    make: Make, clock: LoopClock
) -> None:
    """A clock that is hours behind at the next start does not send time back: every stamp of the
    new life is after every one of the old. (R50)"""
    random = Random(3)
    last = 0
    for _ in range(5):
        async with make(fast) as supervisor:
            handle = await supervisor.submit(fast, 0)
            await handle.result()
            events = await whole_ledger(supervisor)
            assert all(one.at < two.at for one, two in pairwise(events))
            assert events[-1].at > last
            last = events[-1].at
        clock.step(random.uniform(-7200, 7200))
