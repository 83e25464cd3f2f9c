"""A disk that does not work is a declared state, and never the outcome of a job."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from tests.supervisor.faults import CANNOT_OPEN, DISK_FULL, IO_ERROR, READ_ONLY, Faults
from tests.supervisor.ledger import whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import Context, Degraded, EventType, job

pytestmark = pytest.mark.usefixtures("audited")

ERRORS = {"full": DISK_FULL, "io": IO_ERROR, "read-only": READ_ONLY, "cannot open": CANNOT_OPEN}


@job
async def echo(value: int) -> int:
    return value


@job
async def wait_for_state(ctx: Context) -> str:
    """Runs until the test lets it go."""
    await ctx.state.wait()
    return "done"


@pytest.mark.parametrize("error", ERRORS.values(), ids=list(ERRORS))
async def test_a_submit_that_cannot_be_stored_fails_and_says_why(
    make_faulty: Make, faults: Faults, error: sqlite3.Error
) -> None:
    """When the disk refuses, a submit fails with `Degraded`, names the cause, stores nothing."""
    async with make_faulty(echo) as supervisor:
        faults.at_write = error
        with pytest.raises(Degraded, match=r"nothing was stored.*jobs\.db") as caught:
            await supervisor.submit(echo, 1)

        assert str(error) in str(caught.value)
        assert supervisor.degraded
        assert supervisor.figures.degraded
        assert await supervisor.jobs() == []
        faults.heal()


async def test_what_runs_goes_on_and_its_result_is_kept(make_faulty: Make, faults: Faults) -> None:
    """A body that ends while the disk is full has its result written once there is space. (R9)"""
    let_go = asyncio.Event()
    async with make_faulty(wait_for_state, echo, state=let_go) as supervisor:
        handle = await supervisor.submit(wait_for_state)
        faults.at_write = DISK_FULL
        with pytest.raises(Degraded):
            await supervisor.submit(echo, 1)
        let_go.set()
        await asyncio.sleep(60)
        assert (await handle.record()).status == "running"

        faults.heal()
        assert await handle.result() == "done"
        assert not supervisor.degraded
        record = await handle.record()
        assert (record.attempts, record.failures, record.losses) == (1, 0, 0)


async def test_it_goes_on_by_itself_within_seconds(make_faulty: Make, faults: Faults) -> None:
    """Once the disk works again, the supervisor notices without being asked, within two seconds."""
    async with make_faulty(echo, sweep_interval="1h") as supervisor:
        faults.at_write = DISK_FULL
        with pytest.raises(Degraded):
            await supervisor.submit(echo, 1)
        faults.heal()
        await asyncio.sleep(2)

        assert not supervisor.degraded
        assert await (await supervisor.submit(echo, 2)).result() == 2


async def test_degraded_and_recovered_are_on_the_ledger(make_faulty: Make, faults: Faults) -> None:
    """Afterwards the ledger tells that the store failed and why, once, however long it lasted."""
    async with make_faulty(echo) as supervisor:
        faults.at_write = DISK_FULL
        with pytest.raises(Degraded):
            await supervisor.submit(echo, 1)
        await asyncio.sleep(600)
        assert supervisor.degraded, "a disk that is full takes no row, though it can be read"
        faults.heal()
        await asyncio.sleep(2)
        events = await whole_ledger(supervisor)

    troubles = [e for e in events if e.type in (EventType.DEGRADED, EventType.RECOVERED)]
    assert [e.type for e in troubles] == [EventType.DEGRADED, EventType.RECOVERED]
    assert "database or disk is full" in str(troubles[0].data)


async def test_the_state_does_not_flap(make_faulty: Make, faults: Faults) -> None:
    """While a full disk takes no row, the supervisor is degraded at every moment."""
    async with make_faulty(echo) as supervisor:
        faults.at_write = DISK_FULL
        with pytest.raises(Degraded):
            await supervisor.submit(echo, 1)
        for _ in range(1_000):
            await asyncio.sleep(0.01)
            assert supervisor.degraded
        faults.heal()


async def test_nothing_new_is_started(make_faulty: Make, faults: Faults) -> None:
    """Jobs that wait are not started while the disk does not work, and all are when it does."""
    let_go = asyncio.Event()
    async with make_faulty(wait_for_state, echo, state=let_go, concurrency=1) as supervisor:
        first = await supervisor.submit(wait_for_state)
        second = await supervisor.submit(echo, 2)
        faults.at_write = IO_ERROR
        let_go.set()
        await asyncio.sleep(100)
        assert (await second.record()).status == "pending"

        faults.heal()
        assert await first.result() == "done"
        assert await second.result() == 2


async def test_a_disk_error_is_never_a_jobs_outcome(make_faulty: Make, faults: Faults) -> None:
    """Two hundred jobs under a disk that fails again and again all complete at the first attempt.
    (R54)"""
    async with make_faulty(echo, concurrency=5) as supervisor:
        handles = await supervisor.submit_many(echo.call(n) for n in range(200))
        errors = list(ERRORS.values())
        for n in range(20):
            faults.at_write = errors[n % len(errors)]
            await asyncio.sleep(0.5)
            faults.heal()
            await asyncio.sleep(1)
        outcomes = [await handle.wait() for handle in handles]

    assert [outcome.value for outcome in outcomes] == list(range(200))
    assert {outcome.attempts for outcome in outcomes} == {1}


async def test_every_request_is_refused_alike(make_faulty: Make, faults: Faults) -> None:
    """Cancel, pause, promote and submit all get `Degraded` while the disk does not work."""
    async with make_faulty(echo) as supervisor:
        handle = await supervisor.submit(echo.options(delay="1d"), 1)
        faults.at_write = DISK_FULL
        for request in (
            supervisor.submit(echo, 1),
            supervisor.cancel(handle.id),
            supervisor.pause("default"),
            supervisor.promote(handle.id),
        ):
            with pytest.raises(Degraded):
                await request
        faults.heal()


async def test_a_checkpoint_waits_for_the_disk(make_faulty: Make, faults: Faults) -> None:
    """A body that awaits its checkpoint is answered when the checkpoint is on disk, not before."""

    @job
    async def save(ctx: Context) -> int:
        faults.at_write = DISK_FULL
        await ctx.checkpoint({"row": 7})
        return 1

    async with make_faulty(save) as supervisor:
        handle = await supervisor.submit(save)
        await asyncio.sleep(30)
        assert (await handle.record()).checkpoint is None
        assert (await handle.record()).status == "running"
        faults.heal()
        await handle.result()
        assert (await handle.record()).checkpoint == '{"row":7}'


async def test_a_timeout_counts_on_while_the_disk_does_not_work(
    make_faulty: Make, faults: Faults
) -> None:
    """A body past its timeout is told so when the disk is back; the deadline is not forgotten."""
    forever = asyncio.Event()
    async with make_faulty(wait_for_state, echo, state=forever) as supervisor:
        handle = await supervisor.submit(wait_for_state.options(timeout="10s"))
        faults.at_write = DISK_FULL
        await asyncio.sleep(60)
        assert supervisor.degraded
        faults.heal()
        outcome = await handle.wait(timeout=5)

    assert (outcome.answer, outcome.reason) == ("failed", "timeout")


async def test_a_reader_that_fails_brings_nobody_down(make_faulty: Make, faults: Faults) -> None:
    """While only reads fail, subscribers wait and the supervisor lives; then they see all."""
    async with make_faulty(echo) as supervisor:
        events = supervisor.events(after="now")
        await anext(events)
        following = asyncio.ensure_future(anext(events))
        await asyncio.sleep(1)
        faults.at_read = IO_ERROR
        for n in range(10):
            await (await supervisor.submit(echo, n)).result()
            await asyncio.sleep(0.1)
        faults.heal()

        assert (await asyncio.wait_for(following, 10)).type is EventType.SUBMITTED
        assert supervisor.figures.restarts == 0
        await events.aclose()
