"""The folder of files may be older, or younger, than the database: its names then come again."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.supervisor.simulated.conftest import Make
from tests.supervisor.uploading import files_beside, rows_of_files

from overseen import Context, Supervisor, job


@job(attachments=["input"])
async def read(ctx: Context) -> str:
    """Reads its file."""
    return (await ctx.attachments["input"].read_bytes()).decode()


async def upload(supervisor: Supervisor, content: str) -> str:
    """One job with a file; what its body read."""
    async with supervisor.draft(read) as draft:
        await draft.attach("input", content.encode())
    return await draft.handle.result()


def delete(database: Path) -> None:
    """The database goes, its folder of files stays."""
    for path in database.parent.glob(f"{database.name}*"):
        if path.is_file():
            path.unlink()


@pytest.mark.parametrize("pause", [0, 1], ids=["at once", "after the search"])
async def test_the_database_was_deleted_and_its_files_were_not(
    make: Make, database: Path, pause: int
) -> None:
    """A new database counts its lives anew, so names come again: the first upload succeeds all the
    same, and what the old database left goes, now or at the next start."""
    async with make(read) as supervisor:
        assert await upload(supervisor, "old") == "old"
    delete(database)
    assert files_beside(database) == ["1-1-1"]
    async with make(read) as supervisor:
        await asyncio.sleep(pause)
        assert await upload(supervisor, "new") == "new"
    async with make(read):
        await asyncio.sleep(1)
    assert files_beside(database) == [stored for _, _, stored in rows_of_files(database)]


async def test_an_older_backup_was_restored(make: Make, database: Path) -> None:
    """The lives after a backup come again, and with them their names: files of rows stay what they
    were, the others are orphans, whatever life they are of."""
    async with make(read) as supervisor:
        kept = await supervisor.draft(read.options(delay="1d")).begin()
        await kept.attach("input", b"kept")
        await kept.release()
    shutil.copy(database, database.with_name("backup"))
    async with make(read) as supervisor:
        assert await upload(supervisor, "after the backup") == "after the backup"
    delete(database)
    shutil.copy(database.with_name("backup"), database)
    assert files_beside(database) == ["1-1-1", "2-2-1"]
    async with make(read) as supervisor:
        assert await upload(supervisor, "after the restore") == "after the restore"
        await supervisor.promote(kept.id)
        assert await supervisor.handle(kept.id, read).result() == "kept"
    async with make(read):
        await asyncio.sleep(1)
    assert files_beside(database) == sorted(row[2] for row in rows_of_files(database))


async def test_a_file_on_its_way_is_no_orphan(make: Make, database: Path) -> None:
    """Files that are being written while the folder is searched stay, and one of the same life of a
    deleted database does not."""
    folder = Path(f"{database}.files")
    folder.mkdir(mode=0o700)
    (folder / "9-1-9").write_bytes(b"of a deleted database")
    (folder / "9-1-8.part").write_bytes(b"half of one")
    some = asyncio.Event()

    async def slow() -> AsyncGenerator[bytes, None]:
        yield bytes(1 << 20)
        await some.wait()
        yield b"x"

    async with make(read) as supervisor:
        draft = await supervisor.draft(read).begin()
        attaching = asyncio.create_task(draft.attach("input", slow()))
        await asyncio.sleep(1)
        assert files_beside(database) == ["1-1-1.part"]
        some.set()
        assert (await attaching).size_bytes == (1 << 20) + 1
