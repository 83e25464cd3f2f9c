"""The second clock: how long one attempt may run."""

from __future__ import annotations

import asyncio
import contextlib
import gc

import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import Backoff, Context, Event, EventType, Handle, Reason, Status, job
from overseen.attempt import Attempt
from overseen_actors import VirtualLoop
from overseen_storage.lifecycle import Cause

FLAT = Backoff(initial="1m", factor=1, maximum="1m", jitter="none")


def now() -> float:
    return asyncio.get_running_loop().time()


async def types(handle: Handle[object]) -> list[EventType]:
    return [event.type for event in await handle.history()]


async def the(type: EventType, handle: Handle[object]) -> Event:
    found = [event for event in await handle.history() if event.type is type]
    assert len(found) == 1, found
    return found[0]


@job(timeout="10m")
async def sleeps(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slept"


async def test_an_attempt_that_runs_too_long_is_told_to_stop_and_fails(make: Make) -> None:
    """At its timeout the body is cancelled for real, and its job fails as `timeout`. (R31)"""
    ended: list[float] = []

    @job(timeout="10m")
    async def endless() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append(now())

    async with make(endless) as supervisor:
        handle = await supervisor.submit(endless)
        begun = now()
        outcome = await handle.wait()

        assert (outcome.answer, outcome.reason) == ("failed", Reason.TIMEOUT)
        assert outcome.error is not None
        assert outcome.error.type == "TimeoutError"
        assert ended == [pytest.approx(begun + 600, abs=0.01)]
        assert await types(handle) == ["submitted", "started", "stopping", "failed"]
        stopping = await the(EventType.STOPPING, handle)
        assert (stopping.status, stopping.reason) == (None, Reason.TIMEOUT)
        assert stopping.cause is Cause.WATCHDOG


async def test_an_attempt_that_ends_in_time_is_not_touched(make: Make) -> None:
    """A body that ends a moment before its timeout completes, and nothing of it is left behind."""
    async with make(sleeps) as supervisor:
        handle = await supervisor.submit(sleeps, 599.99)

        assert await handle.result() == "slept"
        await asyncio.sleep(3600)
        assert await types(handle) == ["submitted", "started", "completed"]


async def test_a_timeout_given_at_submit_counts_for_that_job(make: Make) -> None:
    """``options(timeout=...)`` overrides the kind's; the deadline stands on the row. (R14)"""
    async with make(sleeps) as supervisor:
        short = await supervisor.submit(sleeps.options(timeout=5), 3600)
        long = await supervisor.submit(sleeps.options(timeout="2h"), 3600)
        begun = now()
        row = await short.record()
        assert row.deadline_at is not None
        assert row.started_at is not None
        assert row.deadline_at - row.started_at == 5_000_000

        assert (await short.wait()).reason is Reason.TIMEOUT
        assert now() - begun == pytest.approx(5, abs=0.01)
        assert await long.result() == "slept"


async def test_each_attempt_has_the_whole_timeout(make: Make) -> None:
    """A retry's deadline counts from its own start, not from the first one. (R47)"""

    @job(timeout="1m", retries=2, backoff=FLAT)
    async def slow_twice(ctx: Context) -> int:
        await asyncio.sleep(3600 if ctx.attempt < 3 else 59)
        return ctx.attempt

    async with make(slow_twice) as supervisor:
        handle = await supervisor.submit(slow_twice)

        assert await handle.result() == 3
        retries = [e for e in await handle.history() if e.type is EventType.RETRYING]
        assert [event.reason for event in retries] == [Reason.TIMEOUT] * 2
        assert (await handle.record()).failures == 2


async def test_a_value_returned_after_the_timeout_is_late(make: Make) -> None:
    """A body that catches its cancellation and returns a value all the same has timed out: the
    value is told as `late_success` and changes nothing. (R3)"""

    @job(timeout="1m")
    async def stubborn() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0.5)
        return "done after all"

    async with make(stubborn) as supervisor:
        handle = await supervisor.submit(stubborn)
        outcome = await handle.wait()
        await asyncio.sleep(1)

        assert (outcome.answer, outcome.reason, outcome.value) == ("failed", Reason.TIMEOUT, None)
        assert await types(handle) == [
            *("submitted", "started", "stopping", "failed", "late_success")
        ]
        late = await the(EventType.LATE_SUCCESS, handle)
        assert (late.status, late.fence, late.reason) == (None, 1, Reason.TIMEOUT)
        row = await handle.record()
        assert (row.status, row.result, row.stop_reason) == (Status.FAILED, None, None)


async def test_a_late_value_before_a_retry_does_not_disturb_it(make: Make) -> None:
    """After a timeout with budget left, the late value of the old attempt is a note and the next
    attempt decides. (R3)"""

    @job(timeout="1m", retries=1, backoff=FLAT)
    async def late_then_right(ctx: Context) -> str:
        try:
            await asyncio.sleep(3600 if ctx.attempt == 1 else 1)
        except asyncio.CancelledError:
            return "late"
        return "right"

    async with make(late_then_right) as supervisor:
        handle = await supervisor.submit(late_then_right)

        assert await handle.result() == "right"
        assert await types(handle) == [
            *("submitted", "started", "stopping", "retrying", "late_success"),
            *("due", "started", "completed"),
        ]


async def test_an_error_of_its_own_after_the_timeout_is_still_a_timeout(make: Make) -> None:
    """Whatever a body raises once it has timed out: the attempt's outcome is `timeout`."""

    @job(timeout="1m")
    async def trips() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ValueError("while cleaning up")

    async with make(trips) as supervisor:
        outcome = await (await supervisor.submit(trips)).wait()

    assert (outcome.answer, outcome.reason) == ("failed", Reason.TIMEOUT)


async def test_a_body_that_ends_at_the_very_moment_of_its_timeout_has_ended(make: Make) -> None:
    """An end that the supervisor finds in the same turn as the deadline wins over it. (R7)"""
    async with make(sleeps) as supervisor:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        handles = [
            await supervisor.submit(sleeps.options(timeout=10), 10 - 0.001 * n) for n in range(5)
        ]
        await asyncio.sleep(9)
        loop.stall(1.05)  # all timers, the ends and the deadlines, are due in one turn
        outcomes = [await handle.wait() for handle in handles]

    assert [outcome.answer for outcome in outcomes] == ["completed"] * 5


async def test_a_job_that_times_out_while_it_is_being_cancelled_is_cancelled(make: Make) -> None:
    """Once somebody asked for the end, the run timeout has nothing more to say."""

    @job(timeout="10s", grace="1m")
    async def slow_to_stop() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.9)

    async with make(slow_to_stop) as supervisor:
        handle = await supervisor.submit(slow_to_stop)
        await asyncio.sleep(9.5)
        outcome = await handle.cancel()

        assert (outcome.answer, outcome.reason) == ("cancelled", Reason.REQUESTED)
        assert EventType.STOPPING not in await types(handle)


async def test_a_job_cancelled_after_its_timeout_is_cancelled_not_retried(make: Make) -> None:
    """A cancel that comes while a timed out body still cleans up ends the job: no retry."""

    @job(timeout="10s", retries=5)
    async def slow_to_stop() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            for _ in range(2):  # told by the timeout, then by the cancel
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.4)
        return "late"

    async with make(slow_to_stop) as supervisor:
        handle = await supervisor.submit(slow_to_stop)
        await asyncio.sleep(10.1)
        outcome = await handle.cancel()
        await asyncio.sleep(1)

        assert outcome.answer == "cancelled"
        assert await types(handle) == [
            *("submitted", "started", "stopping", "cancelling", "cancelled", "late_success")
        ]


async def test_ended_attempts_leave_nothing_in_the_watch(make: Make) -> None:
    """Attempts that ended are forgotten, not kept until their deadline would have come."""

    @job(name="ends_long_before_its_deadline", timeout="1d", heartbeat="1d")
    async def quick(number: int) -> int:
        return number

    async with make(quick) as supervisor:
        for _ in range(10):
            handles = await supervisor.submit_many(quick.call(n) for n in range(100))
            for handle in handles:
                await handle.result()
            handles.clear()
        gc.collect()
        # Only those of this test: what other tests left for the collector is not its business.
        attempts = [one for one in gc.get_objects() if type(one) is Attempt]
        assert sum(one.claimed.kind == quick.kind for one in attempts) < 300
