"""The write-ahead log stays small, and reading never waits for writing."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

import pytest
from tests.storage.driving import Writer, new_job

from overseen_storage.sqlite.hop import (
    AiosqliteConnector,
    Connector,
    InlineConnector,
    LinkClosed,
)
from overseen_storage.sqlite.store import SqliteStore

CONNECTORS: list[Connector] = [AiosqliteConnector(), InlineConnector()]
NAME: ContextVar[str] = ContextVar("NAME", default="unset")


async def test_a_checkpoint_empties_the_log(tmp_path: Path) -> None:
    """Housekeeping moves everything into the database and cuts the log."""
    async with Writer(SqliteStore(tmp_path / "jobs.db", owner_wait_seconds=0)) as writer:
        await writer.submit(*[new_job()] * 100)
        assert await writer.store.checkpoint(truncate=False) > 0
        assert await writer.store.checkpoint(truncate=True) == 0
        assert len(await writer.rows()) == 100


async def test_a_checkpoint_waits_for_no_other_program(tmp_path: Path) -> None:
    """A reader of another program keeps the log as it is; commits do not stand behind it."""
    path = tmp_path / "jobs.db"
    store = SqliteStore(path, owner_wait_seconds=0, busy_timeout_seconds=30)
    async with Writer(store) as writer:
        await writer.submit(new_job())
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT count(*) FROM job").fetchall()
            await writer.submit(new_job())
            async with asyncio.timeout(5):
                assert await store.checkpoint(truncate=True) > 0
        assert await store.checkpoint(truncate=True) == 0


async def test_a_checkpoint_leaves_the_patience_of_writes_as_it_was(
    tmp_path: Path,
) -> None:
    """Writes still wait for another program's transaction after a checkpoint that would not."""
    found: list[int] = []

    class Listening(sqlite3.Connection):
        def close(self) -> None:
            found.append(self.execute("PRAGMA busy_timeout").fetchone()[0])
            super().close()

    connector = AiosqliteConnector(factory=Listening)
    store = SqliteStore(
        tmp_path / "jobs.db", connector=connector, owner_wait_seconds=0, busy_timeout_seconds=7
    )
    async with Writer(store):
        await store.checkpoint(truncate=True)
    assert found[-1] == 7000  # the writer is closed last


async def test_a_log_that_is_checkpointed_between_groups_does_not_grow(tmp_path: Path) -> None:
    """Three hundred commits with a reader beside them leave a log of a few pages: no cursor
    stays open between two pages of a reader. (R55)"""
    async with Writer(SqliteStore(tmp_path / "jobs.db", owner_wait_seconds=0)) as writer:
        sizes: list[int] = []
        for _ in range(300):
            await writer.submit(*[new_job()] * 5)
            await writer.store.events(after=0, limit=3)
            sizes.append(await writer.store.checkpoint(truncate=False))
        assert max(sizes) < 1_000_000


async def test_nothing_but_the_database_and_its_lock_file_is_left(tmp_path: Path) -> None:
    """After a clean close the log is folded up."""
    async with Writer(SqliteStore(tmp_path / "jobs.db", owner_wait_seconds=0)) as writer:
        await writer.submit(new_job())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["jobs.db", "jobs.db.owner"]


@pytest.mark.parametrize(("synchronous", "expected"), [("full", 2), ("normal", 1)])
async def test_durability_is_what_was_asked(
    tmp_path: Path, synchronous: str, expected: int
) -> None:
    """`synchronous` reaches the connection that writes. (R53)"""
    found: list[int] = []

    class Listening(sqlite3.Connection):
        def close(self) -> None:
            found.append(self.execute("PRAGMA synchronous").fetchone()[0])
            super().close()

    store = SqliteStore(
        tmp_path / "jobs.db",
        synchronous="full" if synchronous == "full" else "normal",
        connector=InlineConnector(factory=Listening),
        owner_wait_seconds=0,
    )
    async with Writer(store):
        pass
    assert found[-1] == expected  # the writer is closed last


async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """Connections for reading are read-only in the file system's eyes and in SQLite's."""
    async with Writer(SqliteStore(tmp_path / "jobs.db", owner_wait_seconds=0)):
        link = await AiosqliteConnector().connect(str(tmp_path / "jobs.db"), read_only=True)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await link.run(lambda connection: connection.execute("DELETE FROM job"))
        await link.close()


@pytest.mark.parametrize("connector", CONNECTORS, ids=["thread", "inline"])
async def test_functions_run_one_after_the_other_in_order(connector: Connector) -> None:
    """A link runs what it is given in the order it was given."""
    link = await connector.connect(":memory:", read_only=False)
    done: list[int] = []

    def note(number: int) -> Callable[[sqlite3.Connection], None]:
        return lambda _: done.append(number)

    await asyncio.gather(*(link.run(note(number)) for number in range(20)))
    assert done == list(range(20))
    await link.close()


@pytest.mark.parametrize("connector", CONNECTORS, ids=["thread", "inline"])
async def test_a_function_sees_no_context_of_the_caller(connector: Connector) -> None:
    """What is set around a call is not seen inside, on either kind of link."""
    link = await connector.connect(":memory:", read_only=False)
    token = NAME.set("caller")
    assert await link.run(lambda _: NAME.get()) == "unset"
    NAME.reset(token)
    await link.close()


@pytest.mark.parametrize("connector", CONNECTORS, ids=["thread", "inline"])
async def test_a_closed_link_says_so(connector: Connector) -> None:
    """After `close` nothing runs, and closing again is harmless."""
    link = await connector.connect(":memory:", read_only=False)
    await link.close()
    await link.close()
    with pytest.raises(LinkClosed):
        await link.run(lambda connection: connection.total_changes)


@pytest.mark.parametrize("connector", CONNECTORS, ids=["thread", "inline"])
async def test_an_error_nobody_waits_for_is_silent(connector: Connector) -> None:
    """A function that fails after its waiter was cancelled leaves no unretrieved exception."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    link = await connector.connect(":memory:", read_only=False)
    waiter = asyncio.ensure_future(link.run(lambda connection: connection.execute("nonsense")))
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    await link.run(lambda connection: connection.total_changes)
    await link.close()
    assert complaints == []


async def test_the_connection_has_a_daemon_thread_that_ends_with_it() -> None:
    """A disk that does not answer cannot keep the program from ending; a closed link leaves no
    thread."""
    link = await AiosqliteConnector().connect(":memory:", read_only=False)
    assert await link.run(lambda _: threading.current_thread().daemon)
    await link.close()
    assert [t for t in threading.enumerate() if t.name.startswith("overseen-sqlite")] == []


async def test_a_database_that_cannot_be_opened_leaves_no_thread(tmp_path: Path) -> None:
    """A connection that fails takes its thread along."""
    with pytest.raises(sqlite3.OperationalError):
        await AiosqliteConnector().connect(str(tmp_path / "no" / "jobs.db"), read_only=False)
    assert [t for t in threading.enumerate() if t.name.startswith("overseen-sqlite")] == []
