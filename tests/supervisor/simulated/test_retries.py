"""Failed attempts: when they are repeated, after how long, and what is on record."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import Backoff, Context, EventType, JobFailed, job


@job(retries=3, backoff=Backoff(initial="1h", maximum="1d", jitter="none"))
async def third_time(ctx: Context, value: int) -> int:
    """Succeeds at its third attempt."""
    if ctx.attempt < 3:
        raise ConnectionError(f"attempt {ctx.attempt}")
    return value


async def test_a_failed_attempt_is_repeated_after_its_backoff(make: Make) -> None:
    """A job that fails twice with an hour's backoff runs again after one and after two hours."""
    async with make(third_time) as supervisor:
        begun = asyncio.get_running_loop().time()
        handle = await supervisor.submit(third_time, 5)

        assert await handle.result() == 5
        assert asyncio.get_running_loop().time() - begun == pytest.approx(3 * 3600, abs=1)
        record = await handle.record()
        assert (record.attempts, record.failures) == (3, 2)


async def test_the_decision_to_retry_is_on_the_ledger_with_its_reason(make: Make) -> None:
    """Each retry tells on the ledger why, how often it may still fail, and how long it waits."""
    async with make(third_time) as supervisor:
        handle = await supervisor.submit(third_time, 5)
        await handle.result()
        retries = [e for e in await handle.history() if e.type is EventType.RETRYING]

    assert [msgspec.json.decode(e.data or "") for e in retries] == [
        {"failures": 1, "retries": 3, "delay_seconds": 3600.0, "error": "ConnectionError"},
        {"failures": 2, "retries": 3, "delay_seconds": 7200.0, "error": "ConnectionError"},
    ]


async def test_a_job_fails_when_its_budget_of_failures_is_spent(make: Make) -> None:
    """A job without retries fails at its first error, and says how."""

    @job
    async def broken() -> None:
        raise ValueError("no luck")

    async with make(broken) as supervisor:
        handle = await supervisor.submit(broken)
        with pytest.raises(JobFailed, match=r"job 1 failed \(error\).*ValueError: no luck"):
            await handle.result()
