"""Which job goes first: priority, then readiness, then id; over all queues."""

from __future__ import annotations

import asyncio
from random import Random

from tests.supervisor.ledger import started, whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import Backoff, Context, Snooze, Supervisor, job


@job
async def step(seconds: float = 0.1) -> None:
    """Takes its time."""
    await asyncio.sleep(seconds)


@job(retries=1, backoff=Backoff(initial=0.25, maximum=1, jitter="none"))
async def again(ctx: Context, how: str) -> None:
    """Needs a second attempt."""
    await asyncio.sleep(0.1)
    if ctx.attempt > 1:
        return
    if how == "snooze":
        raise Snooze(0.25)
    raise RuntimeError("once")


async def test_the_higher_priority_goes_first_then_the_older(make: Make) -> None:
    """Among waiting jobs the one with the highest priority starts first, of equals the one that
    became ready first, over all queues."""
    draw = Random(3)
    async with make(step, concurrency=1) as supervisor:
        running = await supervisor.submit(step, 1.0)
        wanted: list[tuple[int, int]] = []
        for _ in range(40):
            priority = draw.randint(-3, 3)
            queue = draw.choice("abc")
            handle = await supervisor.submit(step.options(priority=priority, queue=queue))
            wanted.append((-priority, handle.id))
        for _, job_id in wanted:
            await supervisor.handle(job_id).wait()
        order = started(await whole_ledger(supervisor))

    assert order == [running.id, *(job_id for _, job_id in sorted(wanted))]


async def test_jobs_of_one_transaction_start_in_order_of_their_ids(make: Make) -> None:
    """Jobs submitted together start in the order in which they were given."""
    async with make(step, concurrency=1) as supervisor:
        handles = await supervisor.submit_many(step.call(0.0) for _ in range(300))
        await handles[-1].wait()
        assert started(await whole_ledger(supervisor)) == [handle.id for handle in handles]


async def test_ids_follow_the_order_of_submission(make_slow: Make) -> None:
    """Submits of one program get ids in the order in which they were made, even where a large one
    does not fit into the transaction of those before it."""
    async with make_slow(step, concurrency=1, queues={"q": 1}) as supervisor:
        calls = step.options(queue="q")
        await supervisor.pause("q")
        sizes = [1, 5_500, 5_500, 1, 1]
        batches = await asyncio.gather(
            *(supervisor.submit_many(calls.call() for _ in range(size)) for size in sizes)
        )
        ids = [handle.id for handles in batches for handle in handles]
    assert ids == sorted(ids)


async def _second_attempts(supervisor: Supervisor, how: str) -> list[int]:
    first = await supervisor.submit(again, how)
    others = [await supervisor.submit(step) for _ in range(6)]
    for handle in [first, *others]:
        await handle.wait()
    return started(await whole_ledger(supervisor))


async def test_a_retried_job_goes_behind_those_that_waited_longer(make: Make) -> None:
    """A retried job becomes ready anew when its delay is over: jobs that were ready before that
    go first."""
    async with make(step, again, concurrency=1) as supervisor:
        assert await _second_attempts(supervisor, "fail") == [1, 2, 3, 4, 5, 6, 7, 1]


async def test_a_snoozed_job_goes_behind_those_that_waited_longer(make: Make) -> None:
    """A snoozed job becomes ready anew when its delay is over: jobs that were ready before that
    go first."""
    async with make(step, again, concurrency=1) as supervisor:
        assert await _second_attempts(supervisor, "snooze") == [1, 2, 3, 4, 5, 6, 7, 1]


async def test_an_interrupted_job_goes_first_after_the_restart(make: Make) -> None:
    """A job that a stop interrupted keeps its place: it is the first to start at the next start,
    and nothing is counted against it. (R59)"""
    async with make(step, concurrency=1, drain_timeout=0) as supervisor:
        first = await supervisor.submit(step, 1.0)
        rest = [await supervisor.submit(step) for _ in range(5)]
        await asyncio.sleep(0.5)
    assert supervisor.report is not None
    assert supervisor.report.interrupted == 1

    async with make(step, concurrency=1) as supervisor:
        for handle in rest:
            await supervisor.handle(handle.id).wait()
        order = started(await whole_ledger(supervisor))
        record = await supervisor.job(first.id)

    assert order == [1, 1, 2, 3, 4, 5, 6]
    assert (record.failures, record.losses, record.interruptions) == (0, 0, 1)
