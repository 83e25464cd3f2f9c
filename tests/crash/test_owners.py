"""An owner that is stopped, one that meets another writer, and files that change under it."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.crash.acknowledged import Acknowledged, find
from tests.crash.nursery import Nursery
from tests.crash.points import DATABASE
from tests.crash.test_staying import hear_out, hear_until, staying

from overseen_storage.errors import DatabaseOwned, StoreError
from overseen_storage.lifecycle import Status
from overseen_storage.sqlite.store import SqliteStore


async def test_a_stopped_owner_is_still_the_owner(nursery: Nursery, tmp_path: Path) -> None:
    """A process that is stopped (SIGSTOP) is not dead: nobody else gets its database, and when it
    is continued it goes on as if nothing had been. (R25)"""
    database = tmp_path / DATABASE
    store = SqliteStore(database, owner_wait_seconds=0.1)
    with staying(nursery, database) as (child, told):
        child.signal(signal.SIGSTOP)
        with pytest.raises(DatabaseOwned, match=rf"process {child.pid} on host"):
            await store.open(at=1, pid=1, host="second", version="0")
        child.signal(signal.SIGCONT)
        for word in ("submit", "end", "see", "stop"):
            child.tell(word)
            if word == "submit":
                hear_until(child, told, "submitted")
        await asyncio.to_thread(hear_out, child, told)
    found = await find(database)
    told.check(found)
    assert found.rows[1].status is Status.COMPLETED
    assert found.rows[1].fence == 1


async def test_a_writer_that_keeps_the_lock_is_declared(nursery: Nursery, tmp_path: Path) -> None:
    """While another program holds the write lock for longer than anybody waits, submits are refused
    as such and nothing is lost; when it lets go, all goes on. (R51, R54)"""
    database = tmp_path / DATABASE

    def live() -> tuple[Acknowledged, list[str]]:
        with staying(nursery, database) as (child, told):
            with closing(sqlite3.connect(database, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                child.tell("submit")
                refused = hear_until(child, told, "refused")
                child.tell("end")
                other.execute("ROLLBACK")
            child.tell("see")
            hear_until(child, told, "completed")
            child.tell("submit")
            hear_until(child, told, "submitted")
            child.tell("stop")
            hear_out(child, told)
            return told, refused

    told, refused = await asyncio.to_thread(live)
    assert refused[2:] == ["Degraded", "DatabaseBusy"]
    assert told.declared == 1
    found = await find(database)
    told.check(found)
    assert found.rows[1].fence == 1


def delete(database: Path) -> None:
    """Somebody removes it."""
    database.unlink()


def replace(database: Path) -> None:
    """Somebody puts another file in its place."""
    other = database.with_name("other")
    other.write_bytes(database.read_bytes())
    other.replace(database)


def truncate(database: Path) -> None:
    """Somebody empties it."""
    os.truncate(database, 0)


def cut(database: Path) -> None:
    """Somebody cuts it in half."""
    os.truncate(database, database.stat().st_size // 8192 * 4096)


DAMAGES: list[Callable[[Path], None]] = [delete, replace, truncate, cut]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_is_declared_and_never_made_anew(
    nursery: Nursery, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """A database that is deleted, replaced, emptied or cut while it is open takes no
    more jobs: that is declared, nothing is created in its place, the stop ends, and the next start
    refuses what is left of it, or finds every acknowledged job. (R7)"""
    database = tmp_path / DATABASE

    def live() -> Acknowledged:
        with staying(nursery, database) as (child, told):
            with closing(sqlite3.connect(database)) as other:  # from the log into the file
                other.execute("PRAGMA wal_checkpoint(PASSIVE)")
            child.tell("submit")
            hear_until(child, told, "submitted")
            damage(database)
            for _ in range(3):
                child.tell("submit")
                hear_until(child, told, "refused", "unknown")
            child.tell("stop")
            hear_out(child, told)
            return told

    told = await asyncio.to_thread(live)
    assert told.over
    assert told.declared
    if damage is delete:
        assert not database.exists(), "nothing is created in its place"
        return
    try:
        found = await find(database)
    except StoreError:
        return
    if damage is not truncate:  # an empty file is a new database: only the declaration tells
        told.check(found)
