"""The first clock: how long a job may wait in its queue."""

from __future__ import annotations

import asyncio

import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import Backoff, Context, EventType, JobFailed, Reason, Snooze, job

FLAT = Backoff(initial="1m", factor=1, maximum="1m", jitter="none")


def now() -> float:
    return asyncio.get_running_loop().time()


@job(queue="narrow")
async def occupies(seconds: float) -> None:
    await asyncio.sleep(seconds)


@job(queue="narrow", queue_timeout="10m")
async def impatient() -> str:
    return "started in time"


async def test_a_job_that_waits_too_long_fails_without_having_run(make: Make) -> None:
    """Past its queue timeout a job that has not started fails as `expired`, at that moment, with
    no attempt spent; whoever waits for it is told."""
    async with make(occupies, impatient, queues={"narrow": 1}) as supervisor:
        await supervisor.submit(occupies, 3600)
        handle = await supervisor.submit(impatient)
        begun = now()
        with pytest.raises(JobFailed, match="expired") as caught:
            await handle.result()

        assert now() - begun == pytest.approx(600, abs=0.01)
        assert caught.value.reason is Reason.EXPIRED
        row = await handle.record()
        assert (row.attempts, row.failures, row.started_at) == (0, 0, None)
        assert [e.type for e in await handle.history()] == ["submitted", "failed"]


async def test_a_job_that_starts_in_time_never_expires(make: Make) -> None:
    """The queue timeout ends with the start: a run may last longer than it."""

    @job(queue="narrow", queue_timeout="10m")
    async def long() -> str:
        await asyncio.sleep(3600)
        return "done"

    async with make(occupies, long, queues={"narrow": 1}) as supervisor:
        await supervisor.submit(occupies, 599)
        handle = await supervisor.submit(long)

        assert await handle.result() == "done"


async def test_the_clock_runs_on_while_the_queue_is_paused(make: Make) -> None:
    """A pause does not stop the queue timeout: the promise was about waiting, for any cause."""
    async with make(occupies, impatient) as supervisor:
        await supervisor.pause("narrow")
        handle = await supervisor.submit(impatient)
        begun = now()
        outcome = await handle.wait()

        assert outcome.reason is Reason.EXPIRED
        assert now() - begun == pytest.approx(600, abs=0.01)


async def test_the_clock_runs_on_while_the_program_is_down(make: Make) -> None:
    """A job that expired while nothing ran fails at the next start instead of running late."""
    async with make(impatient) as supervisor:
        await supervisor.pause("narrow")
        handle = await supervisor.submit(impatient)
    await asyncio.sleep(3600)
    async with make(impatient) as supervisor:
        await supervisor.resume("narrow")
        outcome = await supervisor.handle(handle.id).wait()

    assert (outcome.answer, outcome.reason, outcome.attempts) == ("failed", Reason.EXPIRED, 0)


async def test_each_entry_to_the_queue_begins_a_new_wait(make: Make) -> None:
    """The wait counts from the last time the job became pending, not from its submit: delays,
    retries and snoozes are no waiting. (R49)"""

    @job(queue="narrow", queue_timeout="10m", retries=1, backoff=FLAT)
    async def comes_back(ctx: Context) -> int:
        await asyncio.sleep(595)
        if ctx.attempt == 1:
            raise OSError("again")
        if ctx.attempt == 2:
            raise Snooze("2h")
        return ctx.attempt

    async with make(comes_back, occupies, queues={"narrow": 1}) as supervisor:
        handle = await supervisor.submit(comes_back.options(delay="1h"))
        await supervisor.submit(occupies.options(delay=3600 + 590), 650)

        assert await handle.result() == 3


async def test_a_second_wait_can_expire_after_a_first_start(make: Make) -> None:
    """A retrying job that then finds no slot in time expires; its attempts stay on record."""

    @job(queue="narrow", queue_timeout="10m", retries=1, backoff=FLAT)
    async def comes_back(ctx: Context) -> None:
        raise OSError("first")

    async with make(comes_back, occupies, queues={"narrow": 1}) as supervisor:
        handle = await supervisor.submit(comes_back)
        await asyncio.sleep(1)
        await supervisor.submit(occupies, 7200)
        outcome = await handle.wait()

        assert (outcome.reason, outcome.attempts) == (Reason.EXPIRED, 1)
        types = [e.type for e in await handle.history()]
        assert types == ["submitted", "started", "retrying", "due", "failed"]


async def test_only_those_that_waited_too_long_expire(make: Make) -> None:
    """Three hundred waiting jobs with different limits: each expires at its own moment or runs."""
    async with make(occupies, impatient, queues={"narrow": 1}) as supervisor:
        await supervisor.submit(occupies, 150)
        handles = await supervisor.submit_many(
            impatient.options(queue_timeout=1 + n).call() for n in range(300)
        )
        outcomes = [await handle.wait() for handle in handles]

    reasons = [outcome.reason for outcome in outcomes]
    assert reasons[:148] == [Reason.EXPIRED] * 148
    assert reasons[151:] == [None] * 149


async def test_a_held_up_start_beats_no_clock(make: Make) -> None:
    """Cancelling a job that waits, a moment before it would expire, cancels it."""
    async with make(occupies, impatient, queues={"narrow": 1}) as supervisor:
        await supervisor.submit(occupies, 3600)
        handle = await supervisor.submit(impatient)
        await asyncio.sleep(599.999)
        outcome = await handle.cancel()
        await asyncio.sleep(60)

        assert (outcome.answer, outcome.reason) == ("cancelled", Reason.REQUESTED)
        assert EventType.FAILED not in [e.type for e in await handle.history()]


async def test_an_interrupted_job_begins_a_new_wait(make: Make) -> None:
    """A job that a shutdown puts back waits anew from that moment on, the downtime included."""

    @job(queue="narrow", queue_timeout="10m")
    async def endless() -> None:
        await asyncio.sleep(1e6)

    async with make(endless, drain_timeout=0) as supervisor:
        handle = await supervisor.submit(endless)
        await asyncio.sleep(3600)
        await supervisor.pause("narrow")
    stopped = now()
    await asyncio.sleep(300)
    async with make(endless) as supervisor:
        outcome = await supervisor.handle(handle.id).wait()

    assert (outcome.reason, outcome.attempts) == (Reason.EXPIRED, 1)
    assert now() - stopped == pytest.approx(600, abs=0.01)
