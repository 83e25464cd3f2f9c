"""Reads that take long have a connection of their own: nobody waits behind them."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.storage.batching import end, sealed_batch
from tests.storage.driving import Writer

from overseen_storage.errors import StoreClosed, StoreUnavailable
from overseen_storage.sqlite.hop import AiosqliteConnector, InlineConnector, Link
from overseen_storage.sqlite.store import SqliteStore


class Counted(sqlite3.Connection):
    """A connection that is counted while it is open."""

    made: ClassVar[int] = 0
    open_now: ClassVar[int] = 0

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        Counted.made += 1
        Counted.open_now += 1

    def close(self) -> None:
        super().close()
        Counted.open_now -= 1


@pytest.fixture(autouse=True)
def count() -> None:
    """Begin to count."""
    Counted.made = Counted.open_now = 0


def store_at(path: Path | str) -> SqliteStore:
    """A store on threads."""
    return SqliteStore(path, connector=AiosqliteConnector(Counted), synchronous="normal")


async def test_a_third_connection_is_made_when_it_is_needed(tmp_path: Path) -> None:
    """Two are enough until something takes long; then there is one more, and one only."""
    async with Writer(store_at(tmp_path / "jobs.db")) as writer:
        batch_id, claimed = await sealed_batch(writer, 1)
        await end(writer, *claimed)
        assert Counted.made == 2
        both = await asyncio.gather(
            writer.store.sum_up_batch(batch_id), writer.store.sum_up_batch(batch_id)
        )
        assert both[0] == both[1]
        assert both[0] is not None
        assert await writer.store.counts() == {"main": {"completed": 1}}
        assert (Counted.made, Counted.open_now) == (3, 3)
    assert Counted.open_now == 0
    assert not (tmp_path / "jobs.db-wal").exists()  # the writer was the last, and folded it up


async def test_a_database_without_a_file_has_one_connection() -> None:
    """Nobody else could reach it: what takes long goes through the writer, too."""
    async with Writer(store_at(":memory:")) as writer:
        batch_id, _ = await sealed_batch(writer, 0)
        assert await writer.store.sum_up_batch(batch_id) is not None
        assert Counted.made == 1


async def test_other_reads_do_not_wait(tmp_path: Path) -> None:
    """While one walks over many rows, a row is read and a group is committed."""
    gate = threading.Event()

    class Gated(Counted):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            if "GROUP BY queue, status" in sql:
                assert gate.wait(30)
            return super().execute(sql, parameters)

    store = SqliteStore(
        tmp_path / "jobs.db", connector=AiosqliteConnector(Gated), synchronous="normal"
    )
    async with Writer(store) as writer:
        slow = asyncio.ensure_future(store.counts())
        job_id = await writer.end()
        assert (await writer.row(job_id)).ended
        assert not slow.done()
        gate.set()
        await slow


class Slow(AiosqliteConnector):
    """Takes its time over the third connection."""

    def __init__(self) -> None:
        super().__init__(Counted)
        self.asked = 0
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def connect(self, path: str, *, read_only: bool) -> Link:
        """The first two at once."""
        self.asked += 1
        if self.asked > 2:
            self.begun.set()
            await self.go_on.wait()
        return await super().connect(path, read_only=read_only)


async def test_who_gives_up_leaves_the_connection_to_the_next(tmp_path: Path) -> None:
    """Cancelled while it is made, it is made all the same: no second one, none left open."""
    connector = Slow()
    store = SqliteStore(tmp_path / "jobs.db", connector=connector, synchronous="normal")
    async with Writer(store):
        impatient = asyncio.ensure_future(store.counts())
        await connector.begun.wait()
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        connector.go_on.set()
        assert await store.counts() == {}
        assert (connector.asked, Counted.made) == (3, 3)
    assert Counted.open_now == 0


async def test_closing_waits_for_a_connection_that_is_being_made(tmp_path: Path) -> None:
    """A store that is closed meanwhile leaves none behind, and answers the read or says why not."""
    writer = Writer(store_at(tmp_path / "jobs.db"))
    await writer.open()
    asked = asyncio.ensure_future(writer.store.counts())
    await asyncio.sleep(0)
    await writer.store.close(at=writer.next)
    (answer,) = await asyncio.gather(asked, return_exceptions=True)
    assert answer == {} or isinstance(answer, StoreClosed | StoreUnavailable)
    assert Counted.open_now == 0


class Refusing(InlineConnector):
    """Refuses to make a third connection, for a while."""

    refuses = True

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    async def connect(self, path: str, *, read_only: bool) -> Link:
        """The first two are made."""
        if self.made >= 2 and self.refuses:
            raise sqlite3.OperationalError("too many open files")
        self.made += 1
        return await super().connect(path, read_only=read_only)


async def test_a_connection_that_cannot_be_made_is_tried_again(tmp_path: Path) -> None:
    """The read fails with the store's own error; the next one tries again; others are not hurt."""
    connector = Refusing()
    store = SqliteStore(tmp_path / "jobs.db", connector=connector, synchronous="normal")
    async with Writer(store) as writer:
        with pytest.raises(StoreUnavailable):
            await store.counts()
        await writer.end()
        connector.refuses = False
        assert await store.counts() == {"main": {"completed": 1}}


async def test_it_is_made_anew_after_the_store_was_opened_again(tmp_path: Path) -> None:
    """`reopen` renews all connections: none of the old ones is left or used."""
    async with Writer(store_at(tmp_path / "jobs.db")) as writer:
        await writer.store.counts()
        await writer.store.reopen()
        assert Counted.open_now == 2
        assert await writer.store.counts() == {}
        assert Counted.open_now == 3
    assert Counted.open_now == 0
