"""The database, or its lock file, is deleted or replaced under a running supervisor."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.supervisor.ledger import of_type, whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import Context, Degraded, EventType, job
from overseen_storage.errors import DatabaseLost, DatabaseOwned


@job
async def echo(value: int) -> int:
    return value


@job
async def wait_for_state(ctx: Context) -> str:
    await ctx.state.wait()
    return "done"


async def test_a_deleted_database_is_noticed(make: Make, database: Path) -> None:
    """Once its file is deleted, submits fail and say so; nothing is made in its place, and a stop
    names what it could not write."""
    let_go = asyncio.Event()
    supervisor = make(echo, wait_for_state, state=let_go, drain_timeout="2s", cancel_timeout="1s")
    await supervisor.start()
    handle = await supervisor.submit(wait_for_state)
    await asyncio.sleep(1)
    database.unlink()
    with pytest.raises(Degraded, match="deleted or moved") as caught:
        await supervisor.submit(echo, 1)
    assert isinstance(caught.value.__cause__, DatabaseLost)
    let_go.set()
    await asyncio.sleep(100)
    report = await supervisor.stop()

    assert report.unwritten == (handle.id,)
    assert not database.exists()


async def test_a_database_that_comes_back_is_taken_up_again(make: Make, database: Path) -> None:
    """A file that was moved away and back costs nothing but the time it was away. (R54)"""
    let_go = asyncio.Event()
    async with make(echo, wait_for_state, state=let_go) as supervisor:
        handle = await supervisor.submit(wait_for_state)
        await asyncio.sleep(1)
        elsewhere = database.rename(database.with_suffix(".moved"))
        with pytest.raises(Degraded):
            await supervisor.submit(echo, 1)
        let_go.set()
        await asyncio.sleep(50)
        elsewhere.rename(database)
        assert await handle.result(timeout=5) == "done"
        assert await (await supervisor.submit(echo, 2)).result() == 2


async def test_a_replaced_database_is_not_written(make: Make, database: Path) -> None:
    """Another file in the database's place is noticed and left as it is."""
    async with make(echo) as supervisor:
        await (await supervisor.submit(echo, 1)).result()
        database.rename(database.with_suffix(".moved"))
        database.write_bytes(b"somebody else's")
        with pytest.raises(Degraded, match="replaced by another file"):
            await supervisor.submit(echo, 2)
        await asyncio.sleep(100)
        assert supervisor.degraded

    assert database.read_bytes() == b"somebody else's"


async def test_a_deleted_lock_file_is_noticed_and_taken_again(make: Make, database: Path) -> None:
    """A lock file that is deleted under an idle supervisor is missed at its next sweep; the lock is
    taken again if it is free, and the ledger tells of it."""
    async with make(echo, sweep_interval="10s") as supervisor:
        await asyncio.sleep(1)
        database.with_name(database.name + ".owner").unlink()
        await asyncio.sleep(15)
        events = await whole_ledger(supervisor)
        told = of_type(events, EventType.DEGRADED, EventType.RECOVERED)
        assert [event.type for event in told] == [EventType.DEGRADED, EventType.RECOVERED]
        assert "lock file" in (told[0].data or "")
        with pytest.raises(DatabaseOwned):
            await make(echo).start()
        assert await (await supervisor.submit(echo, 1)).result() == 1
