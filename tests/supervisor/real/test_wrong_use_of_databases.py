"""Databases that cannot be used: refused with the reason and the way out, every byte kept."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import overseen
from overseen import (
    DatabaseCorrupt,
    DatabaseOwned,
    DatabaseRefused,
    DatabaseTooNew,
    NetworkFileSystem,
    NotOurDatabase,
    SQLiteTooOld,
    StoreError,
    Supervisor,
    job,
)
from overseen_storage.sqlite import network


@job
async def add(a: int, b: int = 0) -> int:
    """Adds."""
    return a + b


def supervisor_of(database: Path) -> Supervisor:
    """Make one that waits for no owner."""
    return Supervisor(database, jobs=[add], owner_wait=0)


async def fill(database: Path) -> None:
    """Make a database of ours with one job in it."""
    async with supervisor_of(database) as supervisor:
        await (await supervisor.submit(add, 1)).result()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but lock files, which hold no jobs."""
    files = (file for file in folder.iterdir() if file.suffix != ".owner")
    return {file.name: file.read_bytes() for file in files}


def text_file(database: Path) -> None:
    """Somebody's notes."""
    database.write_text("Dear diary, " * 100)


def foreign(database: Path) -> None:
    """Another program's tables."""
    with closing(sqlite3.connect(database)) as other:
        other.executescript("CREATE TABLE upload (id INTEGER PRIMARY KEY); PRAGMA user_version=7;")


def foreign_in_wal_mode(database: Path) -> None:
    """Another program's tables, as it left them in its own WAL mode."""
    with closing(sqlite3.connect(database)) as other:
        other.executescript("PRAGMA journal_mode=wal; CREATE TABLE upload (id INTEGER);")


def newer(database: Path) -> None:
    """A database of a newer program than this one."""
    asyncio.run(fill(database))
    with closing(sqlite3.connect(database)) as other:
        other.execute("PRAGMA user_version = 99")
        other.commit()


def corrupt(database: Path) -> None:
    """A database of ours whose pages were overwritten by something else."""
    asyncio.run(fill(database))
    with database.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(database.stat().st_size - 100))


def folder_in_its_place(database: Path) -> None:
    """A folder of that name."""
    database.mkdir()


REFUSED: list[tuple[Callable[[Path], None], type[StoreError], str]] = [
    (text_file, NotOurDatabase, "is no SQLite database. Choose another path"),
    (foreign, NotOurDatabase, "of another program.*Choose another path"),
    (foreign_in_wal_mode, NotOurDatabase, "of another program.*Choose another path"),
    (newer, DatabaseTooNew, "schema version 99.*knows 1.*Install the newer"),
    (corrupt, DatabaseCorrupt, "malformed.*Keep a copy.*recover"),
]


@pytest.mark.parametrize(("make", "kind", "says"), REFUSED)
def test_a_refused_database_keeps_every_byte(
    database: Path, make: Callable[[Path], None], kind: type[StoreError], says: str
) -> None:
    """The error names the file, what is wrong and the next step; not a byte is changed."""
    make(database)
    before = contents(database.parent)
    for _ in range(2):  # the first refusal leaves nothing that would change the second
        with pytest.raises(kind, match=says) as caught:
            asyncio.run(fill(database))
        assert isinstance(caught.value, DatabaseRefused)
        assert str(database) in str(caught.value)
    assert contents(database.parent) == before


def test_a_folder_is_no_database(database: Path) -> None:
    """A folder of that name is refused by its name."""
    database.mkdir()
    with pytest.raises(NotOurDatabase, match=r"is not a file\. Choose another path"):
        asyncio.run(fill(database))


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    """A typing error in a path makes no folders; the error names the one that is missing."""
    with pytest.raises(DatabaseRefused, match=r"folder .*/data does not exist. Make it first"):
        asyncio.run(fill(tmp_path / "data" / "jobs.db"))
    assert list(tmp_path.iterdir()) == []


def test_an_old_sqlite_is_named_before_anything_is_opened(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both versions are named, and what to install; no file is made."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 37, 2))
    with pytest.raises(SQLiteTooOld, match=r"needs SQLite 3\.38\.0.*uses 3\.37\.2. Install"):
        asyncio.run(fill(database))
    assert list(database.parent.iterdir()) == []


def test_a_network_file_system_is_refused_before_anything_is_opened(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the file system and what to do instead; no file is made. (R53)"""
    mount = network.mount_of(Path("/proc/self/mountinfo").read_text(), str(database.resolve()))
    assert mount is not None
    monkeypatch.setattr(network, "NETWORK_FILE_SYSTEMS", frozenset({mount.file_system}))
    with pytest.raises(NetworkFileSystem, match=f"{mount.file_system}.*local disk"):
        asyncio.run(fill(database))
    assert list(database.parent.iterdir()) == []


async def test_a_second_owner_is_refused_and_the_first_goes_on(database: Path) -> None:
    """The error names the first owner; the first notices nothing."""
    async with supervisor_of(database) as first:
        with pytest.raises(DatabaseOwned, match=f"pid {os.getpid()}.*stop it before"):
            await supervisor_of(database).start()
        assert await (await first.submit(add, 1, 2)).result() == 3
    await fill(database)


OWNER_PROGRAM = """
import asyncio, sys
from overseen import Supervisor

async def main():
    async with Supervisor(sys.argv[1]):
        print("owned", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


def environment() -> dict[str, str]:
    """As here, in a process of its own."""
    roots = (Path(overseen.__file__).parents[2] / r for r in ("supervisor", "actors", "storage"))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, roots))}


def test_an_owner_in_another_process_is_named(database: Path) -> None:
    """Pid, host and since when are in the error, and the way out; once it ends, it opens."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER_PROGRAM, str(database)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "owned\n"
        with pytest.raises(DatabaseOwned, match=r"on host '.*' since .* UTC") as caught:
            asyncio.run(fill(database))
        assert caught.value.owner is not None
        assert caught.value.owner.pid == other.pid
        assert str(other.pid) in str(caught.value)
        other.communicate("\n")
    asyncio.run(fill(database))


READ_ONLY_PROGRAM = """
import asyncio, os, sys
from overseen import Supervisor, StoreError

async def opened(database):
    async with Supervisor(database, owner_wait=0):
        return "opened"

asyncio.run(opened(sys.argv[2]))  # everything is imported, before it is nobody
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    print(asyncio.run(opened(sys.argv[1])))
except StoreError as error:
    print(type(error).__name__, error)
"""


def opened_by_nobody(database: Path, another: Path) -> str:
    """What a user who may not write is told."""
    program = [sys.executable, "-c", READ_ONLY_PROGRAM, str(database), str(another)]
    return subprocess.run(
        program, env=environment(), stdout=subprocess.PIPE, text=True, check=True
    ).stdout


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_cannot_be_written_is_named(what: str, tmp_path: Path) -> None:
    """A read-only file, or a read-only folder: named as such, nothing is changed."""
    with tempfile.TemporaryDirectory() as folder:  # tmp_path is closed to other users
        database = Path(folder, "jobs.db")
        asyncio.run(fill(database))
        for lock in Path(folder).glob("*.owner"):
            lock.chmod(0o666)
        database.chmod(0o444 if what == "file" else 0o666)
        Path(folder).chmod(0o777 if what == "file" else 0o555)
        before = contents(Path(folder))
        said = opened_by_nobody(database, tmp_path / "another.db")
        assert said.startswith("DatabaseReadOnly"), said
        assert str(database) in said
        assert "able to write the file and its folder" in said
        assert contents(Path(folder)) == before
