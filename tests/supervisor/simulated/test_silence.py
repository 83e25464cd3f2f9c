"""The third clock: how long a running body may give no sign of life."""

from __future__ import annotations

import asyncio

import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import Backoff, Context, EventType, Reason, Status, job
from overseen_storage.lifecycle import Cause

FLAT = Backoff(initial="1m", factor=1, maximum="1m", jitter="none")


def now() -> float:
    return asyncio.get_running_loop().time()


@job(heartbeat=10)
async def falls_silent(ctx: Context, beats: int) -> None:
    for _ in range(beats):
        await asyncio.sleep(9)
        ctx.heartbeat()
    await asyncio.sleep(1e6)


@pytest.mark.parametrize("beats", [0, 1, 50])
async def test_a_body_that_falls_silent_fails_after_its_heartbeat(make: Make, beats: int) -> None:
    """Silent past the heartbeat it promised, a body is cancelled and its job fails as `silent`:
    counted from its last sign of life, not from its start. (R31)"""
    async with make(falls_silent) as supervisor:
        handle = await supervisor.submit(falls_silent, beats)
        begun = now()
        outcome = await handle.wait()

        assert (outcome.answer, outcome.reason) == ("failed", Reason.SILENT)
        assert now() - begun == pytest.approx(9 * beats + 10, abs=0.01)
        assert outcome.error is not None
        assert "heartbeat" in outcome.error.message
        stopping = [e for e in await handle.history() if e.type is EventType.STOPPING]
        assert [(e.reason, e.cause) for e in stopping] == [(Reason.SILENT, Cause.WATCHDOG)]


SIGNS = ("heartbeat", "progress", "checkpoint", "warn", "awaited checkpoint")


@pytest.mark.parametrize("sign", SIGNS)
async def test_every_report_is_a_sign_of_life(make: Make, sign: str) -> None:
    """Progress, a warning and a checkpoint keep a job alive as a heartbeat does. (R20, R24)"""

    @job(heartbeat=10)
    async def reports(ctx: Context) -> str:
        for n in range(20):
            await asyncio.sleep(9)
            match sign:
                case "heartbeat":
                    ctx.heartbeat()
                case "progress":
                    ctx.progress(n, 20)
                case "checkpoint":
                    ctx.checkpoint(n)
                case "warn":
                    ctx.warn("still here")
                case _:
                    await ctx.checkpoint(n)
        return "alive"

    async with make(reports) as supervisor:
        assert await (await supervisor.submit(reports)).result() == "alive"


async def test_a_kind_without_a_heartbeat_may_be_silent_for_ever(make: Make) -> None:
    """Nothing is expected of a body that promised nothing."""

    @job
    async def meditates(ctx: Context) -> str:
        await asyncio.sleep(7200)
        return "om"

    async with make(meditates) as supervisor:
        assert await (await supervisor.submit(meditates)).result() == "om"


async def test_cancel_and_timeout_need_no_heartbeats(make: Make) -> None:
    """Cancelling works the same for a kind that never gives a sign of life. (R30)"""

    @job
    async def quiet() -> None:
        await asyncio.sleep(1e6)

    async with make(quiet) as supervisor:
        handle = await supervisor.submit(quiet)
        await asyncio.sleep(3600)
        begun = now()
        outcome = await handle.cancel()

    assert (outcome.answer, now() - begun) == ("cancelled", 0)


async def test_a_silent_attempt_is_retried_within_its_budget(make: Make) -> None:
    """Silence is a failure like others: it costs one of the retries, and the next attempt has its
    own clock. (R47)"""

    @job(heartbeat=10, retries=1, backoff=FLAT)
    async def second(ctx: Context) -> int:
        if ctx.attempt == 1:
            await asyncio.sleep(1e6)
        await asyncio.sleep(9)
        return ctx.attempt

    async with make(second) as supervisor:
        handle = await supervisor.submit(second)

        assert await handle.result() == 2
        row = await handle.record()
        assert (row.failures, row.losses) == (1, 0)


async def test_a_sign_of_life_after_the_verdict_comes_too_late(make: Make) -> None:
    """A body that beats again after it was told to stop for its silence does not take that back;
    a value it then returns is a late one. (R2, R3)"""

    @job(heartbeat=10)
    async def wakes_up(ctx: Context) -> str:
        try:
            await asyncio.sleep(1e6)
        except asyncio.CancelledError:
            for n in range(5):
                ctx.progress(n)
                ctx.heartbeat()
        return "here I am"

    async with make(wakes_up) as supervisor:
        handle = await supervisor.submit(wakes_up)
        outcome = await handle.wait()
        await asyncio.sleep(60)
        types = [event.type for event in await handle.history()]

        assert (outcome.answer, outcome.reason) == ("failed", Reason.SILENT)
        assert types[-2:] == ["failed", "late_success"]
        assert (await handle.record()).status is Status.FAILED


async def test_silence_and_timeout_are_two_clocks(make: Make) -> None:
    """With both, the one that runs out first gives the reason."""

    @job(heartbeat=10, timeout=25)
    async def beats(ctx: Context, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(9)
            ctx.heartbeat()
        await asyncio.sleep(1e6)

    async with make(beats) as supervisor:
        few, many = [await supervisor.submit(beats, count) for count in (1, 9)]
        begun = now()

        assert (await few.wait()).reason is Reason.SILENT
        assert now() - begun == pytest.approx(19, abs=0.01)
        assert (await many.wait()).reason is Reason.TIMEOUT
        assert now() - begun == pytest.approx(25, abs=0.01)


async def test_a_heartbeat_given_at_submit_counts_for_that_job(make: Make) -> None:
    """``options(heartbeat=...)`` overrides the kind's. (R14)"""
    async with make(falls_silent) as supervisor:
        handle = await supervisor.submit(falls_silent.options(heartbeat="1h"), 0)
        begun = now()

        assert (await handle.wait()).reason is Reason.SILENT
        assert now() - begun == pytest.approx(3600, abs=0.01)


async def test_a_million_heartbeats_write_nothing(make: Make) -> None:
    """Heartbeats live in memory: they cost no message, no transaction and no ledger row. (R51)"""

    @job(heartbeat=10)
    async def beats(ctx: Context) -> None:
        for _ in range(100):
            await asyncio.sleep(1)
            for _ in range(10_000):
                ctx.heartbeat()

    async with make(beats) as supervisor:
        handle = await supervisor.submit(beats)
        await asyncio.sleep(5)
        before = supervisor.figures
        await asyncio.sleep(90)
        after = supervisor.figures
        await handle.wait()

        assert after.groups - before.groups <= 5  # the watchdog's sweeps
        assert [event.type for event in await handle.history()] == [
            *("submitted", "started", "completed")
        ]
