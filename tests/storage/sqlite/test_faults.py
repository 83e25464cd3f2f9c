"""What a store does when the disk, the file or the lock fails under it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.storage.checkers import check_everything
from tests.storage.driving import Writer, finish, new_job
from tests.storage.sqlite.faulty import Execute, Faults, disk_error

from overseen_storage.errors import (
    CommitUnknown,
    DatabaseBusy,
    DatabaseLost,
    DatabaseOwned,
    DatabaseReadOnly,
    DiskFull,
    StoreError,
    StoreUnavailable,
)
from overseen_storage.items import ClaimFrom, Submission
from overseen_storage.sqlite.hop import AiosqliteConnector, InlineConnector
from overseen_storage.sqlite.store import SqliteStore
from overseen_storage.sqlite.translate_errors import translate


@pytest.fixture
def faults() -> Faults:
    """No fault yet."""
    return Faults()


@pytest.fixture
async def writer(tmp_path: Path, faults: Faults) -> AsyncIterator[Writer]:
    """An open store whose connections ask `faults`."""
    store = SqliteStore(
        tmp_path / "jobs.db",
        connector=AiosqliteConnector(faults.factory()),
        owner_wait_seconds=0,
        busy_timeout_seconds=0,
    )
    writer = Writer(store)
    await writer.open()
    yield writer
    faults.on = None
    await store.close(at=None)


def database(writer: Writer) -> Path:
    """The file of a store."""
    return Path(writer.store.location)


async def test_a_deleted_file_is_noticed_and_may_come_back(writer: Writer) -> None:
    """Nothing is acknowledged into a file without a name; back in place, work goes on."""
    path = database(writer)
    path.rename(path.with_suffix(".away"))
    with pytest.raises(DatabaseLost, match="deleted or moved"):
        await writer.submit(new_job())
    with pytest.raises(DatabaseLost):
        await writer.store.reopen()
    path.with_suffix(".away").rename(path)
    await writer.store.reopen()
    assert await writer.submit(new_job()) == [1]


async def test_a_replaced_file_is_noticed(writer: Writer) -> None:
    """Another file under the same name is not written."""
    path = database(writer)
    path.rename(path.with_suffix(".away"))
    path.write_bytes(path.with_suffix(".away").read_bytes())
    with pytest.raises(DatabaseLost, match="replaced"):
        await writer.submit(new_job())


async def test_a_deleted_lock_file_is_noticed(writer: Writer) -> None:
    """Without the lock file others could come in: nothing is written until it is taken again."""
    Path(str(database(writer)) + ".owner").unlink()
    with pytest.raises(DatabaseLost, match="lock file"):
        await writer.submit(new_job())
    await writer.store.reopen()
    assert await writer.submit(new_job()) == [1]


def delete_log(writer: Writer) -> None:
    """What a cleaner does that knows these files for leftovers."""
    for end in ("-wal", "-shm"):
        Path(f"{database(writer)}{end}").unlink()


async def test_a_deleted_log_is_noticed_and_what_it_held_is_saved(writer: Writer) -> None:
    """Nothing is acknowledged into a log without a name, which a crash would take along; what was
    acknowledged before is there afterwards."""
    await writer.submit(new_job())
    delete_log(writer)
    with pytest.raises(DatabaseLost, match="wal was deleted or replaced"):
        await writer.submit(new_job())
    await writer.store.reopen()
    assert await writer.submit(new_job()) == [2]
    check_everything(await writer.rows(), await writer.ledger())
    async with Writer(SqliteStore(copy_of(database(writer)), owner_wait_seconds=0)) as after_crash:
        assert list(await after_crash.rows()) == [1, 2]


async def test_a_deleted_log_is_saved_though_another_program_reads(writer: Writer) -> None:
    """Somebody who has the database open too does not keep what the log held from being saved."""
    with contextlib.closing(sqlite3.connect(database(writer))) as other:
        await writer.submit(new_job())
        assert other.execute("SELECT count(*) FROM job").fetchall() == [(1,)]
        delete_log(writer)
        with pytest.raises(DatabaseLost):
            await writer.submit(new_job())
        await writer.store.reopen()
    assert await writer.submit(new_job()) == [2]
    assert list(await writer.rows()) == [1, 2]


def copy_of(database: Path) -> Path:
    """The files as a crash would leave them at this moment."""
    copy = database.with_name("copy.db")
    for end in ("", "-wal"):
        shutil.copyfile(f"{database}{end}", f"{copy}{end}")
    return copy


async def test_an_owner_can_be_kept_after_the_close(writer: Writer) -> None:
    """While bodies still run, nobody else gets the file; then they do."""
    await writer.store.close(at=writer.next, keep_owner=True)
    other = SqliteStore(database(writer), owner_wait_seconds=0)
    with pytest.raises(DatabaseOwned):
        await Writer(other).open()
    writer.store.release_owner()
    writer.store.release_owner()
    async with Writer(other, wall=writer.next):
        pass


async def test_a_commit_that_failed_is_not_acknowledged(writer: Writer, faults: Faults) -> None:
    """COMMIT fails before the disk has it: the error says so, nothing is there, work goes on."""

    def fail(sql: str, really: Execute) -> sqlite3.Cursor:
        if sql != "COMMIT":
            return really()
        faults.on = None
        raise disk_error(sqlite3.SQLITE_IOERR)

    faults.on = fail
    with pytest.raises(StoreUnavailable, match="disk I/O error"):
        await writer.submit(new_job())
    assert await writer.rows() == {}
    assert await writer.submit(new_job()) == [1]
    check_everything(await writer.rows(), await writer.ledger())


async def test_a_commit_that_is_on_disk_all_the_same_is_acknowledged(
    writer: Writer, faults: Faults
) -> None:
    """COMMIT reports an error but the disk has it: the answer is the group's, not an error."""

    def fail(sql: str, really: Execute) -> sqlite3.Cursor:
        cursor = really()
        if sql == "COMMIT":
            faults.on = None
            raise disk_error(sqlite3.SQLITE_IOERR)
        return cursor

    faults.on = fail
    done = await writer.commit(submissions=[Submission([new_job()])], claims=[ClaimFrom("main", 1)])
    assert [claimed.id for claimed in done.claimed] == [1]
    assert not (await writer.commit(finishes=[finish(done.claimed[0])])).missed_finishes
    check_everything(await writer.rows(), await writer.ledger())


@pytest.mark.parametrize("on_disk", [True, False])
async def test_a_commit_nobody_can_look_at_is_unknown(
    writer: Writer, faults: Faults, on_disk: bool
) -> None:
    """COMMIT fails and the disk stays away: unknown, until `reopen` tells what is there."""
    height = await writer.store.last_seq()

    def fail(sql: str, really: Execute) -> sqlite3.Cursor:
        if sql == "COMMIT":
            if on_disk:
                really()
            faults.on = fail_everything
            raise disk_error(sqlite3.SQLITE_IOERR)
        return really()

    def fail_everything(sql: str, really: Execute) -> sqlite3.Cursor:
        raise disk_error(sqlite3.SQLITE_IOERR)

    faults.on = fail
    with pytest.raises(CommitUnknown, match="reopen"):
        await writer.submit(new_job())
    with pytest.raises(StoreUnavailable):
        await writer.submit(new_job())
    with pytest.raises(StoreUnavailable):
        await writer.store.reopen()
    faults.on = None
    opened = await writer.store.reopen()
    assert opened.last_seq == height + on_disk
    assert list(await writer.rows()) == ([1] if on_disk else [])


async def test_a_failure_at_any_statement_undoes_the_group(writer: Writer, faults: Faults) -> None:
    """The n-th statement fails, for every n: nothing of the group is there, and work goes on."""
    failed = 0
    for n in range(1, 100):
        count = 0

        def fail(sql: str, really: Execute, n: int = n) -> sqlite3.Cursor:
            nonlocal count
            count += 1
            if count == n:
                raise disk_error(sqlite3.SQLITE_IOERR)
            return really()

        before = await writer.rows()
        faults.on = fail
        try:
            done = await writer.commit(
                submissions=[Submission([new_job()])], claims=[ClaimFrom("main", 1)]
            )
        except StoreUnavailable:
            faults.on = None
            failed += 1
            assert await writer.rows() == before
        else:
            faults.on = None
            if count < n:
                assert failed >= 5
                break
            assert done.claimed  # only COMMIT can fail and be there all the same
    check_everything(await writer.rows(), await writer.ledger())


async def test_a_full_disk_is_named_and_work_goes_on_after(writer: Writer, faults: Faults) -> None:
    """No space is a `DiskFull`; with space again the next group is taken."""

    def no_space(sql: str, really: Execute) -> sqlite3.Cursor:
        cursor = really()
        if sql == "BEGIN IMMEDIATE":
            cursor.connection.cursor().execute("PRAGMA max_page_count = 1")
        return cursor

    def space(sql: str, really: Execute) -> sqlite3.Cursor:
        cursor = really()
        if sql == "BEGIN IMMEDIATE":
            cursor.connection.cursor().execute("PRAGMA max_page_count = 1000000")
        return cursor

    faults.on = no_space
    with pytest.raises(DiskFull, match="Free some space"):
        await writer.submit(*[new_job(arguments=f'"{"x" * 10_000}"')] * 100)
    assert await writer.rows() == {}
    faults.on = space
    assert await writer.submit(new_job()) == [1]


async def test_a_foreign_writer_is_named_busy(writer: Writer) -> None:
    """Another program's write transaction is waited for, then reported; nothing is lost. (R53)"""
    other = sqlite3.connect(database(writer), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy, match="Another program"):
        await writer.submit(new_job())
    other.execute("ROLLBACK")
    other.close()
    assert await writer.submit(new_job()) == [1]


async def test_waiting_inline_does_not_block_the_loop(tmp_path: Path) -> None:
    """On the loop's own thread a foreign writer is waited for by turns, so that it can end."""
    store = SqliteStore(tmp_path / "jobs.db", connector=InlineConnector(), owner_wait_seconds=0)
    async with Writer(store) as writer:
        other = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        asyncio.get_running_loop().call_later(0, other.execute, "ROLLBACK")
        assert await writer.submit(new_job()) == [1]
        other.close()


@pytest.mark.parametrize(
    "connector", [AiosqliteConnector(), InlineConnector()], ids=["thread", "inline"]
)
async def test_a_cancelled_waiter_leaves_the_transaction_whole(
    tmp_path: Path, connector: AiosqliteConnector | InlineConnector
) -> None:
    """Cancelled in the midst of it, a commit is on disk or not at all; the numbers go on."""
    store = SqliteStore(tmp_path / "jobs.db", connector=connector, owner_wait_seconds=0)
    async with Writer(store) as writer:
        waiter = asyncio.ensure_future(writer.submit(new_job()))
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        writer.next += 1_000
        assert await writer.submit(new_job()) == [2]
        check_everything(await writer.rows(), await writer.ledger())


async def test_a_cancelled_waiter_of_a_failing_commit_does_not_hide_it(
    writer: Writer, faults: Faults
) -> None:
    """COMMIT fails when nobody waits any more: whoever comes next looks at the disk first."""

    def fail(sql: str, really: Execute) -> sqlite3.Cursor:
        if sql != "COMMIT":
            return really()
        faults.on = None
        raise disk_error(sqlite3.SQLITE_IOERR)

    faults.on = fail
    waiter = asyncio.ensure_future(writer.submit(new_job()))
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert await writer.submit(new_job()) == [1]
    check_everything(await writer.rows(), await writer.ledger())


async def test_stamps_that_do_not_rise_are_refused(writer: Writer) -> None:
    """I24: a group whose stamp is on disk already is a bug of the caller, and not written."""
    await writer.submit(new_job())
    writer.next -= 1
    with pytest.raises(StoreError, match="stamps must rise"):
        await writer.submit(new_job())
    assert list(await writer.rows()) == [1]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_FULL, DiskFull),
        (sqlite3.SQLITE_READONLY, DatabaseReadOnly),
        (1032, DatabaseLost),
        (sqlite3.SQLITE_BUSY, DatabaseBusy),
        (517, DatabaseBusy),
        (sqlite3.SQLITE_IOERR, StoreUnavailable),
        (sqlite3.SQLITE_CANTOPEN, StoreUnavailable),
    ],
)
def test_an_error_code_has_one_meaning(code: int, expected: type[StoreError]) -> None:
    """SQLite's codes, extended ones too, become the error that says what to do."""
    assert type(translate(disk_error(code), "jobs.db")) is expected


async def test_a_close_after_a_failed_commit_ends_the_epoch(tmp_path: Path) -> None:
    """What a failed COMMIT left open does not keep the epoch from being ended on purpose."""
    faults = Faults()
    connector = AiosqliteConnector(faults.factory())
    writer = Writer(SqliteStore(tmp_path / "jobs.db", connector=connector, owner_wait_seconds=0))
    await writer.open()

    def fail(sql: str, really: Execute) -> sqlite3.Cursor:
        if sql != "COMMIT":
            return really()
        faults.on = None
        raise disk_error(sqlite3.SQLITE_IOERR)

    faults.on = fail
    waiter = asyncio.ensure_future(writer.submit(new_job()))
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    await writer.store.close(at=writer.next + 1_000)
    other = SqliteStore(tmp_path / "jobs.db", owner_wait_seconds=0)
    async with Writer(other, wall=writer.next + 2_000) as again:
        assert again.opened is not None
        assert again.opened.previous_epoch_clean
        assert await again.rows() == {}
