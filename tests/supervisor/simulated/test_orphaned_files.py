"""Files that no row names: found at the start, and nothing else is touched."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
from pathlib import Path

import pytest
from tests.supervisor.simulated.conftest import Make
from tests.supervisor.uploading import files_beside, rows_of_files, stream

from overseen import Context, job


@job(attachments=["input"])
async def read(ctx: Context) -> int:
    """Reads its file."""
    return len(await ctx.attachments["input"].read_bytes())


@job
async def plain() -> int:
    """Has no files."""
    return 1


@pytest.fixture
def folder(database: Path) -> Path:
    """The folder of files, made as overseen makes it."""
    folder = Path(f"{database}.files")
    folder.mkdir(mode=0o700)
    return folder


async def test_what_a_dead_process_left_goes_at_the_start(make: Make, folder: Path) -> None:
    """A whole file whose row was never written, and a part of one, go at the next start; files of
    rows stay."""
    folder.rmdir()
    async with make(read) as supervisor, supervisor.draft(read.options(delay="1d")) as draft:
        await draft.attach("input", b"12345")
    (folder / "7-1-8").write_bytes(b"whole")
    (folder / "8-1-9.part").write_bytes(b"ha")
    async with make(read) as supervisor:
        await asyncio.sleep(1)
        assert [entry.name for entry in folder.iterdir()] == ["1-1-1"]
        await supervisor.promote(draft.id)
        assert await supervisor.handle(draft.id).result() == 5


async def test_files_of_this_life_are_left_alone(make: Make, folder: Path) -> None:
    """A file that is on its way when the folder is searched is not taken for an orphan."""
    (folder / "7-0-8").write_bytes(b"of a former life")
    async with make(read) as supervisor:
        draft = await supervisor.draft(read).begin()
        attached = asyncio.create_task(draft.attach("input", stream([b"1", b"2"], every=0.001)))
        await attached
        await asyncio.sleep(1)
        assert await (await draft.release()).result() == 2
        assert [entry.name for entry in folder.iterdir()] == ["1-1-1"]


async def test_what_is_not_ours_is_left_alone(make: Make, folder: Path) -> None:
    """A folder, a link and a file with another sort of name may lie there: they stay, however plain
    the name is."""
    for name in ("README.txt", "2024-11-22.log", "1-2.part", "1-2-3-4", "a-1-1", "7-0-8.part.part"):
        (folder / name).write_bytes(b"somebody's")
    (folder / "sub").mkdir()
    (folder / "sub" / "7-0-8").write_bytes(b"")
    (folder / ".hidden").write_bytes(b"")
    (folder / "notes (1).txt").write_bytes(b"")
    (folder / "7-0-9").symlink_to(folder / "notes (1).txt")
    before = sorted(folder.rglob("*"))
    async with make(read):
        await asyncio.sleep(60)
    assert sorted(folder.rglob("*")) == before


async def test_a_file_that_cannot_be_removed_disturbs_nobody(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start goes on, jobs with files run, and the next start finds it again."""
    (folder / "7-0-8").write_bytes(b"")
    (folder / "7-0-9").write_bytes(b"")
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name == "7-0-8":
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        async with make(read) as supervisor:
            async with supervisor.draft(read) as draft:
                await draft.attach("input", b"1")
            assert await draft.handle.result() == 1
        assert sorted(entry.name for entry in folder.iterdir()) == ["1-1-1", "7-0-8"]
    async with make(read):
        await asyncio.sleep(1)
    assert [entry.name for entry in folder.iterdir()] == ["1-1-1"]


async def test_the_same_folder_serves_every_life(make: Make, database: Path) -> None:
    """No life gives a name that another gave: files of five lives lie side by side."""
    for n in range(5):
        async with make(read) as supervisor:
            async with supervisor.draft(read) as draft:
                await draft.attach("input", b"x" * n)
            assert await draft.handle.result() == n
    assert files_beside(database) == sorted(stored for _, _, stored in rows_of_files(database))
    assert len(files_beside(database)) == 5


class Listing:
    """A folder that cannot be listed, until the test says so."""

    def __init__(self, patch: pytest.MonkeyPatch, error: OSError) -> None:
        self.error: OSError | None = error
        self.tried: list[float] = []
        self._loop = asyncio.get_running_loop()
        self._scandir = os.scandir
        patch.setattr(os, "scandir", self._list)

    def _list(self, path: Path) -> object:
        self.tried.append(self._loop.time())
        if self.error is not None:
            raise self.error
        return self._scandir(path)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.EMFILE, errno.ELOOP])
async def test_a_folder_that_cannot_be_listed_disturbs_nobody(
    make: Make,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    code: int,
) -> None:
    """The supervisor goes on, uploads and what is freed meanwhile too; the search is repeated after
    growing pauses, and finds what there is once it can."""
    (folder / "7-0-8").write_bytes(b"left")
    with monkeypatch.context() as patch:
        listing = Listing(patch, OSError(code, os.strerror(code)))
        async with make(read) as supervisor:
            async with supervisor.draft(read) as draft:
                await draft.attach("input", b"123")
            assert await draft.handle.result() == 3
            given_up = await supervisor.draft(read).begin()
            await given_up.attach("input", b"1")
            await given_up.discard()
            await asyncio.sleep(1_000)
            assert sorted(entry.name for entry in folder.iterdir()) == ["1-1-1", "7-0-8"]
            assert supervisor.figures.restarts == 0
            listing.error = None
            await asyncio.sleep(61)
            assert [entry.name for entry in folder.iterdir()] == ["1-1-1"]
    pauses = [b - a for a, b in itertools.pairwise(listing.tried[:-2])]
    assert pauses[:7] == pytest.approx([1, 2, 4, 8, 16, 32, 60])
    assert pauses[6:] == pytest.approx([60] * len(pauses[6:]))
    said = [one for one in caplog.records if one.getMessage() == "files.not_listed"]
    assert len(said) == len(listing.tried) - 2
    assert os.strerror(code) in said[0].__dict__["error"]


async def test_a_stop_does_not_wait_for_a_folder_that_cannot_be_listed(
    make: Make, database: Path
) -> None:
    """A link that leads to itself in the place of the folder: jobs run, and the stop is quick."""
    Path(f"{database}.files").symlink_to(f"{database}.files")
    async with make(read, plain) as supervisor:
        assert await (await supervisor.submit(plain)).result() == 1
        await asyncio.sleep(100)
        begun = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - begun < 1
