"""How a file becomes ours, is known again, and is refused when it is not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.storage.driving import Writer, new_job

from overseen_storage.errors import (
    DatabaseRefused,
    DatabaseTooNew,
    NotOurDatabase,
    SQLiteTooOld,
    StoreError,
)
from overseen_storage.sqlite.migrations import commands, migrations
from overseen_storage.sqlite.opening import APPLICATION_ID, check_sqlite_version
from overseen_storage.sqlite.store import SqliteStore


async def open_and_close(path: Path) -> None:
    """One life of a store."""
    async with Writer(SqliteStore(path, owner_wait_seconds=0)):
        pass


def execute(path: Path, command: str) -> list[tuple[object, ...]]:
    """Run a command as somebody with a shell would."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return connection.execute(command).fetchall()
    finally:
        connection.close()


async def test_a_new_file_carries_our_mark_and_version(tmp_path: Path) -> None:
    """A database names its program, its version, and who applied which migration."""
    path = tmp_path / "jobs.db"
    await open_and_close(path)
    assert execute(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert execute(path, "PRAGMA user_version") == [(len(migrations()),)]
    applied = execute(path, "SELECT version, name, checksum FROM schema_migration")
    assert applied == [(m.version, m.name, m.checksum) for m in migrations()]


async def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    """The second life finds everything applied."""
    path = tmp_path / "jobs.db"
    await open_and_close(path)
    before = execute(path, "SELECT * FROM schema_migration")
    await open_and_close(path)
    assert execute(path, "SELECT * FROM schema_migration") == before


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A file of a newer program is not touched, and the error says what to install."""
    path = tmp_path / "jobs.db"
    await open_and_close(path)
    execute(path, "PRAGMA user_version = 99")
    with pytest.raises(DatabaseTooNew, match="schema version 99"):
        await open_and_close(path)
    assert execute(path, "SELECT count(*) FROM epoch") == [(1,)]


async def test_a_changed_migration_is_refused(tmp_path: Path) -> None:
    """A schema that another text made is not trusted to be this one."""
    path = tmp_path / "jobs.db"
    await open_and_close(path)
    execute(path, "UPDATE schema_migration SET checksum = 'x'")
    with pytest.raises(DatabaseRefused, match="another text"):
        await open_and_close(path)


@pytest.mark.parametrize("content", [b"hello, world\n" * 100, b"SQLite format 3\0" + b"\7" * 5000])
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    """Something else keeps every byte, and nothing is held afterwards."""
    path = tmp_path / "jobs.db"
    path.write_bytes(content)
    with pytest.raises(StoreError):
        await open_and_close(path)
    assert path.read_bytes() == content
    path.unlink()
    await open_and_close(path)


async def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    """Somebody else's tables are not ours, and their journal mode stays."""
    path = tmp_path / "jobs.db"
    execute(path, "CREATE TABLE theirs (a)")
    before = path.read_bytes()
    with pytest.raises(NotOurDatabase, match="another program"):
        await open_and_close(path)
    assert path.read_bytes() == before


async def test_an_empty_file_is_taken(tmp_path: Path) -> None:
    """A file of no bytes is a new database."""
    path = tmp_path / "jobs.db"
    path.touch()
    async with Writer(SqliteStore(path, owner_wait_seconds=0)) as writer:
        assert writer.opened is not None
        assert writer.opened.created


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The folder is not made; the error names it."""
    with pytest.raises(DatabaseRefused, match="nowhere"):
        await open_and_close(tmp_path / "nowhere" / "jobs.db")
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """A path that is a folder is refused."""
    with pytest.raises(NotOurDatabase, match="not a file"):
        await open_and_close(tmp_path)


def test_an_old_library_is_named_with_what_is_needed() -> None:
    """SQLite below 3.38 is refused with both numbers."""
    check_sqlite_version((3, 38, 0))
    with pytest.raises(SQLiteTooOld, match=r"3\.38\.0 or newer; this Python uses 3\.37\.2"):
        check_sqlite_version((3, 37, 2))


async def test_a_second_store_in_this_process_is_refused(tmp_path: Path) -> None:
    """One file has one owner, also within a process; the first goes on."""
    path = tmp_path / "jobs.db"
    async with Writer(SqliteStore(path, owner_wait_seconds=0)) as writer:
        with pytest.raises(DatabaseRefused):
            await open_and_close(path)
        assert await writer.submit(new_job()) == [1]


def test_a_script_is_split_into_its_commands() -> None:
    """A semicolon within a text or comment ends nothing."""
    assert len(list(commands("CREATE TABLE a (b); -- x;\nINSERT INTO a\nVALUES (';');\n"))) == 2


async def test_the_views_show_words(tmp_path: Path) -> None:
    """A person with a shell reads words and times, not numbers."""
    path = tmp_path / "jobs.db"
    async with Writer(SqliteStore(path, owner_wait_seconds=0)) as writer:
        await writer.start()
    assert execute(path, "SELECT status, cause, started IS NOT NULL FROM job_view") == [
        ("running", "supervisor", 1)
    ]
    told = execute(path, "SELECT type, kind, status FROM ledger_view WHERE job_id = 1")
    assert told == [("submitted", "work", "pending"), ("started", "work", "running")]
    assert execute(path, "SELECT job_id, attempt, outcome FROM attempt") == [(1, 1, "live")]
