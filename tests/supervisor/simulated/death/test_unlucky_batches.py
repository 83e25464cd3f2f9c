"""Batches whose end meets a bad disk, a dead process or a bug: they end all the same, once."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.supervisor.batch_checks import audit
from tests.supervisor.faults import DISK_FULL, IO_ERROR, Faults
from tests.supervisor.ledger import of_type, whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import (
    BatchStatus,
    BatchSummary,
    Context,
    EventType,
    MemberResult,
    Supervisor,
    batch_summary,
    job,
)
from overseen.accounting import Accounting
from overseen.batches.finalizing import Finalizer
from overseen.effects import Effects
from overseen.order_accounting import OrderAccounting
from overseen.planning import Planner

pytestmark = pytest.mark.usefixtures("audited")


@job
async def work(ctx: Context, fails: bool = False) -> int:
    if ctx.state is not None:
        await ctx.state.wait()
    if fails:
        raise RuntimeError("no")
    return 1


@job
async def report(summary: BatchSummary) -> str:
    return f"{summary.completed}/{summary.total}"


@batch_summary
async def total(ctx: Context, results: AsyncIterator[MemberResult]) -> int:
    return sum([one.value async for one in results])


async def begun(supervisor: Supervisor, members: int = 3) -> int:
    """A sealed batch whose members run until the test lets them go; its id."""
    async with supervisor.batch("unlucky", on_finish=report, aggregate=total) as batch:
        await batch.submit_many(work.call() for _ in range(members))
    await asyncio.sleep(1)
    return batch.id


async def ended(supervisor: Supervisor, batch_id: int, timeout: float = 35) -> None:
    """It ends within this time, completed, and its callbacks have run once."""
    batch = supervisor.find_batch(batch_id)
    summary = await batch.summary(timeout=timeout)
    assert (summary.status, summary.completed) == (BatchStatus.COMPLETED, summary.total)
    assert await batch.aggregate(total, timeout=5) == summary.total
    await asyncio.sleep(1)
    told = [row for row in await supervisor.jobs(job=report) if row.callback_of == batch_id]
    assert [row.result for row in told] == [f'"{summary.total}/{summary.total}"']
    await audit(supervisor)


async def test_it_ends_after_the_disk_has_recovered(make_faulty: Make, faults: Faults) -> None:
    """When the disk fails at the moment of finalization, the batch is finalized once it works
    again, by itself, and whoever waits for the summary gets it. (R41, R54)"""
    go = asyncio.Event()
    async with make_faulty(work, report, total, state=go, sweep_interval="1h") as supervisor:
        batch_id = await begun(supervisor)
        waiting = asyncio.create_task(supervisor.find_batch(batch_id).summary())
        async for event in supervisor.events(after="now"):
            go.set()
            if event.type is EventType.COMPLETED:
                faults.at_write = DISK_FULL
                break
        await asyncio.sleep(60)
        assert supervisor.degraded
        assert not waiting.done()
        faults.heal()
        assert (await asyncio.wait_for(waiting, 10)).completed == 3
        await ended(supervisor, batch_id)


async def test_asking_while_the_disk_does_not_work_is_waiting(
    make_faulty: Make, faults: Faults
) -> None:
    """A summary asked for while the file cannot even be read comes when it can."""
    go = asyncio.Event()
    async with make_faulty(work, report, total, state=go) as supervisor:
        batch_id = await begun(supervisor)
        faults.at_write = faults.at_read = faults.at_connect = IO_ERROR
        go.set()
        await asyncio.sleep(10)
        assert supervisor.degraded
        waiting = asyncio.create_task(supervisor.find_batch(batch_id).summary())
        await asyncio.sleep(60)
        assert not waiting.done()
        faults.heal()
        assert (await asyncio.wait_for(waiting, 10)).completed == 3
        await ended(supervisor, batch_id)


@pytest.mark.parametrize("reaches_disk", [False, True])
async def test_a_commit_that_nobody_knows_of(
    make_faulty: Make, faults: Faults, reaches_disk: bool
) -> None:
    """When nobody knows whether the finalization was committed, it has happened once in the end,
    and who waited for the summary is told within seconds. (I28)"""
    go = asyncio.Event()
    jobs = (work, report, total)
    async with make_faulty(*jobs, state=go, sweep_interval="1h") as supervisor:
        batch_id = await begun(supervisor)
        batch = supervisor.find_batch(batch_id)
        waiting = [asyncio.create_task(batch.summary()) for _ in range(3)]
        await asyncio.sleep(1)

        met: list[int] = []

        def at_commit() -> None:
            if supervisor.figures.events.get("completed", 0) >= 3:  # their commit was before this
                faults.before_commit = None
                met.append(batch_id)
                faults.commit_reaches_disk = reaches_disk
                faults.at_commit = IO_ERROR

        faults.before_commit = at_commit
        go.set()
        async with asyncio.timeout(20):
            summaries = await asyncio.gather(*waiting)
        assert met == [batch_id], "the commit of the finalization was met"
        assert {summary.completed for summary in summaries} == {3}
        await ended(supervisor, batch_id)
        assert len(of_type(await whole_ledger(supervisor), EventType.BATCH_FINALIZED)) == 1


class Bug(Exception):
    """Planted."""


def plant(monkeypatch: pytest.MonkeyPatch, owner: type, method: str, after: bool) -> list[int]:
    """Make a method raise as often as the list says: before its work, or after it."""
    original = getattr(owner, method)
    left = [0]

    def broken(*arguments: Any) -> Any:
        if not left[0]:
            return original(*arguments)
        left[0] -= 1
        if after:
            original(*arguments)
        raise Bug(method)

    async def broken_coroutine(*arguments: Any) -> Any:
        if not left[0]:
            return await original(*arguments)
        left[0] -= 1
        if after:
            await original(*arguments)
        raise Bug(method)

    is_async = inspect.iscoroutinefunction(original)
    monkeypatch.setattr(owner, method, broken_coroutine if is_async else broken)
    return left


PLACES = [
    (Planner, "plan"),
    (Planner, "_plan_order"),
    (Accounting, "account"),
    (OrderAccounting, "account"),
    (OrderAccounting, "_finalized"),
    (Effects, "act"),
    (Finalizer, "_finalize"),
    (Finalizer, "ended"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("owner", "method"), PLACES, ids=[f"{owner.__name__}.{method}" for owner, method in PLACES]
)
async def test_actors_that_fail_in_the_middle(
    make: Make, monkeypatch: pytest.MonkeyPatch, owner: type, method: str, after: bool
) -> None:
    """Wherever a bug strikes once while a batch is finalized, the batch ends once, its callbacks
    run, and whoever waits for the summary gets it within a sweep. (I28, R42)"""
    go = asyncio.Event()
    async with make(work, report, total, state=go) as supervisor:
        batch_id = await begun(supervisor)
        waiting = asyncio.create_task(supervisor.find_batch(batch_id).summary())
        await asyncio.sleep(1)
        left = plant(monkeypatch, owner, method, after)
        members = [supervisor.handle(row.id) for row in await supervisor.jobs(batch=batch_id)]
        left[0] = int(method != "_plan_order")  # the order of these is the finalization
        go.set()
        await asyncio.gather(*(handle.wait() for handle in members))
        left[0] = left[0] or int(method == "_plan_order")
        assert (await asyncio.wait_for(waiting, 40)).completed == 3
        await ended(supervisor, batch_id)
