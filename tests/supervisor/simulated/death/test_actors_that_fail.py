"""A bug in an actor may stop the supervisor; it never becomes the outcome of a job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import Context, OutcomeUnknown, Supervisor, SupervisorFailed, job
from overseen.accounting import Accounting
from overseen.effects import Effects
from overseen.planning import Planner

pytestmark = pytest.mark.usefixtures("audited")


@job
async def echo(value: int) -> int:
    return value


@job
async def wait_for_state(ctx: Context) -> str:
    await ctx.state.wait()
    return "done"


class Bug(Exception):
    """Planted."""


Plant = Callable[..., list[int]]

PLACES = [
    (Planner, "plan"),
    (Planner, "_plan_looks"),
    (Accounting, "account"),
    (Accounting, "_ends"),
    (Accounting, "_reports"),
    (Effects, "act"),
    (Effects, "_answer"),
]
NAMES = [f"{owner.__name__}.{method}" for owner, method in PLACES]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Make a method raise at its next calls: before its work, or after it."""

    def bug(owner: type, method: str, times: int = 1, *, after: bool = False) -> list[int]:
        original = getattr(owner, method)
        left = [times]

        def broken(*arguments: Any, **keywords: Any) -> Any:
            result = original(*arguments, **keywords) if after and left[0] > 0 else None
            if left[0] > 0:
                left[0] -= 1
                raise Bug(method)
            return original(*arguments, **keywords) if result is None else result

        monkeypatch.setattr(owner, method, broken)
        return left

    return bug


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "method"), PLACES, ids=NAMES)
async def test_a_bug_loses_no_job_and_no_caller(
    make: Make,
    plant: Plant,
    owner: type,
    method: str,
    after: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Wherever a bug strikes once, callers get their answer or `OutcomeUnknown`, every stored job
    completes at no cost, and what runs goes on. (R4, R10)"""
    let_go = asyncio.Event()
    async with make(echo, wait_for_state, state=let_go) as supervisor:
        running = await supervisor.submit(wait_for_state)
        await asyncio.sleep(1)
        left = plant(owner, method, after=after)
        submits = [asyncio.create_task(supervisor.submit(echo, n)) for n in range(5)]
        async with asyncio.timeout(100):
            answers = await asyncio.gather(*submits, return_exceptions=True)
        let_go.set()
        assert left == [0]
        for answer in answers:
            if isinstance(answer, BaseException):
                assert isinstance(answer, OutcomeUnknown), answer
            else:
                assert await answer.result(timeout=100) in range(5)
        assert await running.result(timeout=100) == "done"
        assert supervisor.figures.restarts == 1, caplog.text
        await _everything_completed(supervisor)
        assert supervisor.figures.running == 0
        assert await (await supervisor.submit(echo, 9)).result(timeout=100) == 9


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "method"), PLACES, ids=NAMES)
async def test_a_bug_when_a_body_ends(
    make: Make, plant: Plant, owner: type, method: str, after: bool
) -> None:
    """A bug at the moment a body's end and its checkpoint are written loses neither."""
    let_go = asyncio.Event()

    @job
    async def save(ctx: Context) -> int:
        await let_go.wait()
        await ctx.checkpoint(1)
        ctx.progress(1, 2)
        return 5

    async with make(save) as supervisor:
        handle = await supervisor.submit(save)
        await asyncio.sleep(1)
        plant(owner, method, after=after)
        let_go.set()
        assert await handle.result(timeout=100) == 5
        record = await handle.record()
        assert (record.checkpoint, record.attempts, record.failures) == ("1", 1, 0)
        assert supervisor.figures.running == 0


async def test_a_timeout_is_not_forgotten_by_a_restart(make: Make, plant: Plant) -> None:
    """A bug while a deadline is judged costs a restart, not the deadline."""
    async with make(wait_for_state, state=asyncio.Event()) as supervisor:
        handle = await supervisor.submit(wait_for_state.options(timeout="10s"))
        await asyncio.sleep(9.5)
        plant(Planner, "_plan_looks", after=True)
        outcome = await handle.wait(timeout=100)

    assert (outcome.answer, outcome.reason) == ("failed", "timeout")


async def test_too_often_is_declared(make: Make, plant: Plant) -> None:
    """A supervisor whose actor fails again and again gives up: every call and the block raise
    `SupervisorFailed` with the cause; jobs keep their status on disk and run at the next start."""
    let_go = asyncio.Event()
    supervisor = make(echo, wait_for_state, state=let_go, cancel_timeout="1s")
    await supervisor.start()
    running = await supervisor.submit(wait_for_state)
    waiting = asyncio.create_task(running.result())
    await asyncio.sleep(1)
    left = plant(Planner, "plan", 1_000)
    submits = [asyncio.create_task(supervisor.submit(echo, n)) for n in range(3)]
    async with asyncio.timeout(100):
        answers = await asyncio.gather(*submits, return_exceptions=True)
    assert all(isinstance(answer, OutcomeUnknown | SupervisorFailed) for answer in answers)
    with pytest.raises(SupervisorFailed):
        await waiting
    with pytest.raises(SupervisorFailed):
        await supervisor.submit(echo, 1)
    with pytest.raises(SupervisorFailed) as caught:
        await supervisor.stop()
    assert isinstance(caught.value.__cause__, Exception)
    left[0] = 0
    let_go.set()
    async with supervisor:
        assert supervisor.recovered.again == 1
        assert await supervisor.handle(running.id).result(timeout=100) == "done"


async def test_bodies_do_not_outlive_a_failed_supervisor_unowned(make: Make, plant: Plant) -> None:
    """When the supervisor gives up, bodies are told to stop; one that does not keeps the database
    owned until it ends, so that it is never run twice at once. (R61)"""
    let_go, bodies = asyncio.Event(), 0

    @job
    async def stubborn() -> int:
        nonlocal bodies
        bodies += 1
        assert bodies == 1, "two bodies of one job at once"
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        bodies -= 1
        return 1

    supervisor = make(stubborn, cancel_timeout="1s")
    await supervisor.start()
    handle = await supervisor.submit(stubborn)
    await asyncio.sleep(1)
    left = plant(Planner, "plan", 1_000)
    with pytest.raises((OutcomeUnknown, SupervisorFailed)):
        await supervisor.submit(stubborn)
    with pytest.raises(SupervisorFailed):
        await supervisor.stop()
    left[0] = 0
    with pytest.raises(Exception, match=r"still run|owned by this process"):
        await supervisor.start()
    let_go.set()
    await asyncio.sleep(1)
    async with supervisor:
        assert await supervisor.handle(handle.id, stubborn).result(timeout=100) == 1


async def _everything_completed(supervisor: Supervisor) -> None:
    for record in await supervisor.jobs(limit=100):
        outcome = await supervisor.handle(record.id).wait(timeout=100)
        assert outcome.answer == "completed", outcome
        row = await supervisor.job(record.id)
        assert (row.failures, row.losses) == (0, 0), row
