"""What cleans up is no job, and takes nothing for dead that lives; all of it in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import JobFailed, Reason, job
from overseen_storage.sqlite.store import SqliteStore

DAY_SECONDS = 86_400


@job
async def tidy() -> str:
    """Can run twice."""
    return "done"


@job(timeout="1m")
async def endless() -> None:
    """Never ends by itself."""
    await asyncio.Event().wait()


@job
async def long_job(days: int) -> int:
    """Takes days, and says nothing."""
    await asyncio.sleep(days * DAY_SECONDS)
    return days


async def test_a_watchdog_that_fails_is_started_anew(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The janitor is an actor, not a job: a bug in its sweep costs a restart, no deadline. (R16)"""
    sweeps = 0
    really = SqliteStore.checkpoint

    async def broken(self: SqliteStore, *, truncate: bool) -> int:
        nonlocal sweeps
        sweeps += 1
        if sweeps == 1:
            raise RuntimeError("a bug in a sweep")
        return await really(self, truncate=truncate)

    monkeypatch.setattr(SqliteStore, "checkpoint", broken)
    async with make(endless, sweep_interval=10) as supervisor:
        handle = await supervisor.submit(endless)
        with pytest.raises(JobFailed) as caught:
            await handle.result()
        assert caught.value.reason is Reason.TIMEOUT
        assert supervisor.figures.restarts == 1
        assert sweeps > 1


async def test_a_job_of_ten_days_is_given_out_once(make: Make) -> None:
    """There is no visibility timeout: what runs is never given out again, however long it takes
    and however often the watchdog sweeps meanwhile. (R12, R19, R21)
    """
    async with make(long_job, sweep_interval="10m") as supervisor:
        handle = await supervisor.submit(long_job, 10)
        assert await handle.result() == 10
        record = await handle.record()
        assert (record.attempts, record.losses, record.failures) == (1, 0, 0)


async def test_production_code_runs_under_virtual_time(make: Make) -> None:
    """The clock is a parameter, the SQL and the actors are those of production, and a day
    passes without any real sleep. (R66, R68, R70)
    """
    loop = asyncio.get_running_loop()
    async with make(tidy) as supervisor:
        before = loop.time()
        handle = await supervisor.submit(tidy.options(delay="1d"))
        assert await handle.result() == "done"
        assert loop.time() - before == pytest.approx(DAY_SECONDS, abs=1)
        record = await handle.record()
        assert record.started_at is not None
        waited = (record.started_at - record.created_at) / 1_000_000
        assert waited == pytest.approx(DAY_SECONDS, abs=1)
