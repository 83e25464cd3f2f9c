"""What the database refuses to store is never answered, or remembered, as if it were stored."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import Context, EventType, Reason, RequestRefused, Status, Supervisor, job
from overseen_storage.lifecycle import EVENT_CODES


@job
async def wait_for_state(ctx: Context) -> str:
    """Runs until it is let go."""
    await ctx.state.wait()
    return "done"


@job
async def save(ctx: Context) -> str:
    """Stores a checkpoint and says how that went."""
    try:
        await ctx.checkpoint(1)
    except RequestRefused as error:
        return error.what
    return "stored"


def plant(database: Path, type: EventType) -> None:
    """From now on the database refuses events of this type."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            f"CREATE TRIGGER planted BEFORE INSERT ON ledger WHEN NEW.type = {EVENT_CODES[type]} "
            "BEGIN SELECT RAISE(ABORT, 'planted'); END"
        )


def heal(database: Path) -> None:
    """The database refuses nothing any more."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DROP TRIGGER planted")


REQUESTS: dict[EventType, Callable[[Supervisor, int], Awaitable[object]]] = {
    EventType.CANCELLED: lambda supervisor, job_id: supervisor.cancel(job_id),
    EventType.PROMOTED: lambda supervisor, job_id: supervisor.promote(job_id),
    EventType.CHANGED: lambda supervisor, job_id: supervisor.change(job_id, priority=5),
    EventType.QUEUE_PAUSED: lambda supervisor, _: supervisor.pause("default"),
}


@pytest.mark.parametrize("type", REQUESTS)
async def test_a_refused_request_is_no_success(make: Make, database: Path, type: EventType) -> None:
    """A request about a waiting job whose row the database refuses raises `RequestRefused` with
    the reason; row, ledger and counters stay as they were, and it works once the cause is gone."""
    async with make(wait_for_state, state=asyncio.Event()) as supervisor:
        handle = await supervisor.submit(wait_for_state.options(delay="1h"))
        before = await handle.record()
        plant(database, type)
        with pytest.raises(RequestRefused, match="planted"):
            await REQUESTS[type](supervisor, handle.id)
        assert await handle.record() == before
        assert supervisor.figures.events[type] == 0
        heal(database)
        await REQUESTS[type](supervisor, handle.id)
        assert supervisor.figures.events[type] == 1
        await handle.cancel(wait=False)


async def test_a_body_is_not_told_to_stop_by_a_refused_cancel(make: Make, database: Path) -> None:
    """When the database refuses a cancel request the caller is told so, and the body goes on."""
    let_go = asyncio.Event()
    async with make(wait_for_state, state=let_go) as supervisor:
        handle = await supervisor.submit(wait_for_state)
        await asyncio.sleep(1)
        plant(database, EventType.CANCELLING)
        with pytest.raises(RequestRefused, match=f"job {handle.id}"):
            await handle.cancel()
        await asyncio.sleep(100)
        assert await handle.status() is Status.RUNNING
        let_go.set()
        assert await handle.result() == "done"


async def test_a_refused_deadline_is_tried_again(make: Make, database: Path) -> None:
    """When the database refuses to note a timeout the body goes on, and is judged again later."""
    async with make(wait_for_state, state=asyncio.Event()) as supervisor:
        handle = await supervisor.submit(wait_for_state.options(timeout="10s"))
        await asyncio.sleep(1)
        plant(database, EventType.STOPPING)
        groups = supervisor.figures.groups
        await asyncio.sleep(60)
        assert await handle.status() is Status.RUNNING
        assert supervisor.figures.groups - groups < 20, "it is not tried in a tight loop"
        heal(database)
        outcome = await handle.wait(timeout=20)
    assert (outcome.answer, outcome.reason) == ("failed", Reason.TIMEOUT)


async def test_a_refused_checkpoint_is_not_called_stored(make: Make, database: Path) -> None:
    """A body that awaits a checkpoint which the database refuses gets `RequestRefused`; one that
    does not is not disturbed."""

    @job
    async def careless(ctx: Context) -> int:
        ctx.checkpoint(1)
        await asyncio.sleep(1)
        return 2

    async with make(save, careless) as supervisor:
        plant(database, EventType.CHECKPOINT)
        handle = await supervisor.submit(save)
        assert await handle.result() == f"the checkpoint of job {handle.id}"
        assert (await handle.record()).checkpoint is None
        assert await (await supervisor.submit(careless)).result() == 2
