"""A COMMIT that fails: what it did is read from the disk, and memory follows the disk."""

from __future__ import annotations

import asyncio

import pytest
from tests.supervisor.faults import CANNOT_OPEN, IO_ERROR, Faults
from tests.supervisor.simulated.conftest import Make

from overseen import Context, Degraded, OutcomeUnknown, Supervisor, job

pytestmark = pytest.mark.usefixtures("audited")


@job
async def echo(value: int) -> int:
    return value


@job(on_lost="fail", losses=0)
async def once_only(value: int) -> int:
    return value


@job
async def wait_for_state(ctx: Context) -> str:
    await ctx.state.wait()
    return "done"


async def break_commit(faults: Faults, *, reaches_disk: bool, readable: bool) -> None:
    """The next COMMIT fails; the disk then can be looked at, or not."""
    await asyncio.sleep(1)  # what is under way is over
    faults.at_commit = IO_ERROR
    faults.commit_reaches_disk = reaches_disk
    faults.at_connect = None if readable else CANNOT_OPEN


async def test_a_commit_that_failed_and_happened_is_a_success(
    make_faulty: Make, faults: Faults
) -> None:
    """When COMMIT reports an error but the group is on disk, callers get their ids. (R9)"""
    async with make_faulty(echo) as supervisor:
        await break_commit(faults, reaches_disk=True, readable=True)
        handle = await supervisor.submit(echo, 3)
        assert await handle.result() == 3


async def test_a_commit_that_failed_and_did_not_happen_is_refused(
    make_faulty: Make, faults: Faults
) -> None:
    """When COMMIT failed and the disk says so, callers get `Degraded` and nothing is stored."""
    async with make_faulty(echo) as supervisor:
        await break_commit(faults, reaches_disk=False, readable=True)
        with pytest.raises(Degraded):
            await supervisor.submit(echo, 3)
        await asyncio.sleep(3)
        assert await supervisor.jobs() == []
        assert not supervisor.degraded


@pytest.mark.parametrize("reaches_disk", [True, False])
async def test_unknown_is_said_and_the_job_is_not_forgotten(
    make_faulty: Make, faults: Faults, reaches_disk: bool
) -> None:
    """When nobody can tell, the caller gets `OutcomeUnknown`; what is on disk runs, once, at no
    cost, whatever its kind says of losses; the same idempotency key makes it one job. (R4, R54)"""
    async with make_faulty(once_only) as supervisor:
        call = once_only.options(idempotency_key="k")
        await break_commit(faults, reaches_disk=reaches_disk, readable=False)
        with pytest.raises(OutcomeUnknown):
            await supervisor.submit(call, 3)
        faults.heal()
        await asyncio.sleep(3)
        assert len(await supervisor.jobs()) == int(reaches_disk)

        handle = await supervisor.submit(call, 3)
        assert handle.created is not reaches_disk
        assert await handle.result(timeout=10) == 3
        record = await handle.record()
        assert (record.losses, record.failures) == (0, 0)
        assert record.interruptions == int(reaches_disk), "its start was on disk, its body was not"


@pytest.mark.parametrize("reaches_disk", [True, False])
async def test_an_end_is_settled_once(
    make_faulty: Make, faults: Faults, reaches_disk: bool
) -> None:
    """A body's end in a COMMIT of unknown outcome is on the ledger once, and its value is the
    result. (R1, R9)"""
    let_go = asyncio.Event()
    async with make_faulty(wait_for_state, state=let_go) as supervisor:
        handle = await supervisor.submit(wait_for_state)
        waiting = asyncio.create_task(handle.result())
        await asyncio.sleep(1)
        await break_commit(faults, reaches_disk=reaches_disk, readable=False)
        let_go.set()
        await asyncio.sleep(5)
        faults.heal()
        assert await waiting == "done"
        ends = [event.type for event in await handle.history() if event.status == "completed"]
        assert len(ends) == 1
        assert supervisor.figures.running == 0


@pytest.mark.parametrize("reaches_disk", [True, False])
async def test_a_cancel_of_unknown_outcome(
    make_faulty: Make, faults: Faults, reaches_disk: bool
) -> None:
    """A cancel in a COMMIT of unknown outcome: if it is on disk the body is told, if not it goes
    on; in both cases the job ends, and asking again gets an answer. (R7)"""
    let_go = asyncio.Event()
    async with make_faulty(wait_for_state, state=let_go) as supervisor:
        handle = await supervisor.submit(wait_for_state)
        await asyncio.sleep(1)
        await break_commit(faults, reaches_disk=reaches_disk, readable=False)
        with pytest.raises(OutcomeUnknown):
            await handle.cancel()
        faults.heal()
        await asyncio.sleep(3)
        if reaches_disk:
            assert (await handle.wait(timeout=5)).answer == "cancelled"
        assert (await handle.cancel()).answer == "cancelled"


async def test_random_failures_of_commit_lose_nothing(make_faulty: Make, faults: Faults) -> None:
    """Under a COMMIT that fails every few groups, in all four ways, each job that was acknowledged
    or is on disk completes with its value. (R4, R9, R54)"""
    async with make_faulty(echo, concurrency=4) as supervisor:
        ways = [(True, True), (False, True), (True, False), (False, False)]
        known: dict[int, int] = {}
        for n in range(80):
            if n % 3 == 0:
                reaches_disk, readable = ways[n // 3 % 4]
                await break_commit(faults, reaches_disk=reaches_disk, readable=readable)
            try:
                known[(await supervisor.submit(echo, n)).id] = n
            except (Degraded, OutcomeUnknown):
                faults.heal()
                await asyncio.sleep(2)
        faults.heal()
        await asyncio.sleep(5)
        for job_id, value in known.items():
            assert await supervisor.handle(job_id, echo).result(timeout=10) == value
        await _all_completed(supervisor)


async def _all_completed(supervisor: Supervisor) -> None:
    for record in await supervisor.jobs(limit=200):
        assert record.status == "completed", record
        assert record.losses == record.failures == 0
