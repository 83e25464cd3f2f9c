"""The numbers of a batch: right against the rows, adding up at any moment, frozen for good."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.supervisor.batch_checks import audit, check_summary
from tests.supervisor.simulated.conftest import Make

from overseen import (
    Abandon,
    Backoff,
    BatchStatus,
    Context,
    InvalidOption,
    MembersPruned,
    Retention,
    Snooze,
    Supervisor,
    job,
)
from overseen.batches.progress import BatchProgress
from overseen_actors import LoopClock, run_virtual
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore

HOUR = 3600
WAYS = ("returns", "warns", "raises", "other", "abandons", "snoozes", "slow", "second", "waits")


@job(retries=1, backoff=Backoff(initial="1s", jitter="none"), timeout="10s")
async def any_end(ctx: Context, way: str) -> str:
    """Ends in the way it is told."""
    await asyncio.sleep(0.5)
    match way:
        case "warns":
            ctx.warn("one")
            ctx.warn("two")
        case "raises":
            raise OSError(ctx.job_id)
        case "other":
            raise LookupError("other")
        case "abandons":
            raise Abandon("hopeless")
        case "snoozes" if ctx.attempt == 1:
            raise Snooze("1m")
        case "second" if ctx.attempt == 1:
            raise OSError("once")
        case "slow":
            await asyncio.sleep(HOUR)
        case _:
            pass
    return way


@job
async def work(seconds: float = 1.0) -> None:
    await asyncio.sleep(seconds)


async def sum_up(database: Path, ways: list[str], policy: str, concurrency: int) -> None:
    supervisor = Supervisor(
        lambda: SqliteStore(
            database, synchronous="normal", connector=InlineConnector(), owner_wait_seconds=0
        ),
        jobs=[any_end],
        clock=LoopClock(asyncio.get_running_loop()),
        random=Random(1).random,
        concurrency=concurrency,
    )
    async with supervisor:
        threshold = {"few": 3, "half": 0.5}.get(policy)
        named = "threshold" if threshold else policy
        options: dict[str, Any] = {"name": "any", "policy": named, "threshold": threshold}
        async with supervisor.batch(**options) as batch:
            for way in ways:
                handle = await batch.submit(
                    any_end.options(delay="1h" if way == "waits" else 0), way
                )
                if way == "waits":
                    await handle.cancel()
        summary = await batch.summary(timeout=2 * HOUR)
        assert summary.total == len(ways)
        await audit(supervisor)


@settings(max_examples=40, deadline=None)
@given(
    ways=st.lists(st.sampled_from(WAYS), max_size=25),
    policy=st.sampled_from(["continue", "continue", "fail_fast", "few", "half"]),
    concurrency=st.sampled_from([1, 3, 50]),
)
def test_a_summary_is_what_the_rows_say(ways: list[str], policy: str, concurrency: int) -> None:
    """Whatever becomes of the members, every number of the frozen summary is what their rows add up
    to: outcomes, attempts, retries, warnings, durations, first start and last end, failures. (I28)
    """
    with tempfile.TemporaryDirectory() as folder:
        run_virtual(sum_up(Path(folder, "jobs.db"), ways, policy, concurrency))


async def test_ranks_of_durations(make: Make) -> None:
    """Of 20 members that took 1 to 20 seconds, the median took 10, 19 of 20 no more than 19."""
    async with make(work) as supervisor:
        async with supervisor.batch("ranks") as batch:
            await batch.submit_many(work.call(seconds) for seconds in range(20, 0, -1))
        summary = await batch.summary()
        took = (summary.duration_p50_us, summary.duration_p95_us, summary.duration_max_us)
        assert [round((one or 0) / 1e6) for one in took] == [10, 19, 20]
        await audit(supervisor)


async def test_failures_are_grouped(make: Make) -> None:
    """Members that failed alike are one group, with how many and the first of them; the most
    frequent comes first, and what is beyond the hundredth group is counted."""

    @job
    async def fails(number: int) -> None:
        raise type(f"Error{number}", (Exception,), {})(f"number {number}")

    async with make(fails, any_end) as supervisor:
        async with supervisor.batch("grouped") as batch:
            first = await batch.submit(any_end, "abandons")
            await batch.submit_many(fails.call(n) for n in range(120))
            again = await batch.submit_many(fails.call(7) for _ in range(4))
        summary = await batch.summary()
        assert (summary.failed, len(summary.failures), summary.failures_beyond) == (125, 100, 21)
        most = summary.failures[0]
        assert (most.error_type, most.count, most.message) == (f"{__name__}.Error7", 5, "number 7")
        assert most.first_job_id < again[0].id
        assert summary.failures[1].first_job_id == first.id
        await supervisor.stop()


async def test_the_summary_survives_pruning(make: Make) -> None:
    """When its members are pruned, the summary, the progress and the record stay as they were."""
    retention = Retention(completed="1h", failed="1h", cancelled="1h")
    async with make(any_end, retention=retention) as supervisor:
        async with supervisor.batch("kept") as batch:
            await batch.submit_many(any_end.call(way) for way in ("returns", "raises", "warns"))
        before = await batch.summary()
        progress, record = await batch.progress(), await batch.record()
        await audit(supervisor)
        await asyncio.sleep(3 * HOUR)
        assert await supervisor.jobs() == []
        assert await batch.summary() == before
        assert await batch.progress() == progress
        assert await batch.record() == record
        with pytest.raises(MembersPruned):
            _ = [one async for one in batch.results()]
    async with make(any_end) as later:
        assert await later.find_batch(batch.id).summary() == before


async def test_no_member_of_an_unfinalized_batch_is_pruned(make: Make) -> None:
    """However long ago they ended, members stay while their batch has not ended, and count."""
    retention = Retention(completed="1h", failed="1h", cancelled="1h")
    async with make(any_end, work, retention=retention) as supervisor:
        async with supervisor.batch("long") as batch:
            await batch.submit_many(any_end.call("returns") for _ in range(3))
            await batch.submit(work.options(delay="5h"))
            await asyncio.sleep(2 * HOUR)
        await supervisor.submit(any_end, "returns")
        await asyncio.sleep(2 * HOUR)
        assert len(await supervisor.jobs()) == 4, "the stranger was pruned, they were not"
        summary = await batch.summary()
        assert (summary.total, summary.completed) == (4, 4)
        check_summary(await batch.record(), await supervisor.jobs(batch=batch))
        await asyncio.sleep(2 * HOUR)
        assert await supervisor.jobs() == []


async def test_progress_adds_up_at_any_moment(make_slow: Make) -> None:
    """While members are added, start, end and are tried again, the numbers of the progress add up
    to the total, what has ended never becomes less, and the last one shows the end."""
    seen: list[BatchProgress] = []
    async with make_slow(any_end, concurrency=7) as supervisor:
        batch = await supervisor.batch("watched").open()

        async def watch() -> None:
            seen.extend([one async for one in batch.watch(every=0.05)])

        watching = asyncio.create_task(watch())
        for n in range(100):
            await batch.submit(any_end, WAYS[n % 6])
        await batch.seal()
        await watching

        assert len(seen) > 100
        for one in seen:
            parts = one.waiting + one.running + one.completed + one.failed + one.cancelled
            assert parts == one.total
            assert one.running <= 7
            assert 0 <= one.fraction <= 1
        assert sorted(one.ended for one in seen) == [one.ended for one in seen]
        assert not any(one.over for one in seen[:-1])
        last = seen[-1]
        assert (last.over, last.seconds_left, last.total) == (True, 0.0, 100)
        assert last.status is BatchStatus.COMPLETED_WITH_ERRORS
        assert any(one.rate_per_second for one in seen)
        await audit(supervisor)


async def test_the_time_left_is_about_right(make: Make) -> None:
    """Two of a hundred members a second: after half of them, about 25 seconds are left."""
    async with make(work, concurrency=2) as supervisor:
        async with supervisor.batch("steady") as batch:
            await batch.submit_many(work.call(1.0) for _ in range(100))
        lefts = [one.seconds_left async for one in batch.watch(every=1) if one.ended == 50]
        assert lefts[0] == pytest.approx(25, abs=2)
        with pytest.raises(InvalidOption):
            await anext(batch.watch(every="soon"))
