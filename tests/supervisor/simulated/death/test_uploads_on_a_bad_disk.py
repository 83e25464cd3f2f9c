"""Uploads while the database does not work: refused or kept, never half of each."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest
from tests.supervisor.faults import DISK_FULL, IO_ERROR, Faults
from tests.supervisor.simulated.conftest import Make
from tests.supervisor.uploading import files_beside, rows_of_files, stream

from overseen import Context, Degraded, Draft, OutcomeUnknown, Status, Supervisor, job
from overseen_storage.errors import StoreUnavailable

pytestmark = pytest.mark.usefixtures("audited")


@job(attachments=["input"])
async def measure(ctx: Context) -> int:
    """Counts the bytes of its file."""
    return len(await ctx.attachments["input"].read_bytes())


async def degrade(supervisor: Supervisor) -> None:
    """Let the supervisor notice what its disk does."""
    with pytest.raises(Degraded):
        await supervisor.pause("somewhere")


@pytest.mark.parametrize("error", [DISK_FULL, IO_ERROR], ids=["full", "io"])
@pytest.mark.parametrize("noticed", [True, False])
async def test_an_attach_that_cannot_be_stored_leaves_nothing(
    make_faulty: Make, database: Path, faults: Faults, error: sqlite3.Error, noticed: bool
) -> None:
    """When the database refuses the row, `attach` says so, and the file goes; once it works again
    the same name is free, and the draft goes on."""
    async with make_faulty(measure) as supervisor:
        draft = await supervisor.draft(measure).begin()
        faults.at_write = error
        if noticed:
            await degrade(supervisor)
        with pytest.raises(Degraded, match="nothing was stored"):
            await draft.attach("input", stream([b"12345"], every=1))
        faults.heal()
        await asyncio.sleep(3)
        assert (files_beside(database), rows_of_files(database)) == ([], [])
        await draft.attach("input", b"123")
        assert await (await draft.release()).result() == 3


@pytest.mark.parametrize("reaches", [True, False])
async def test_an_attach_of_which_nobody_knows_is_whole_or_not_at_all(
    make_faulty: Make, make: Make, database: Path, faults: Faults, reaches: bool
) -> None:
    """A commit that fails after its last word: the supervisor reads the database again and tells
    how it was, or that it is unknown; a row that is there has its file, and after the next start no
    file is there without a row."""
    async with make_faulty(measure) as supervisor:
        draft = await supervisor.draft(measure).begin()
        faults.at_commit, faults.commit_reaches_disk = IO_ERROR, reaches
        with contextlib.suppress(OutcomeUnknown, Degraded):
            await draft.attach("input", b"12345")
        faults.heal()
        await asyncio.sleep(5)
        named = [stored for _, _, stored in rows_of_files(database)]
        assert len(named) == reaches
        assert set(named) <= set(files_beside(database))
    async with make(measure) as supervisor:
        await asyncio.sleep(1)
        assert files_beside(database) == named
        found = supervisor.find_draft(draft.id, measure)
        if not reaches:
            await found.attach("input", b"12345")
        assert await (await found.release()).result() == 5


async def test_a_long_upload_outlives_a_short_outage(make_faulty: Make, faults: Faults) -> None:
    """While bytes come in, the database may fail and recover: the upload goes on, and its draft is
    kept alive again afterwards."""
    async with make_faulty(measure, draft_timeout=60) as supervisor:
        draft = await supervisor.draft(measure).begin()
        upload = asyncio.create_task(draft.attach("input", stream([b"x"] * 200, every=1)))
        await asyncio.sleep(14)
        faults.at_write = DISK_FULL
        await asyncio.sleep(40)
        assert supervisor.degraded
        faults.heal()
        assert (await upload).size_bytes == 200
        assert await (await draft.release()).result() == 200


async def leave_by(draft: Draft[int], error: Exception, faults: Faults) -> None:
    async with draft:
        await draft.attach("input", b"12345")
        faults.at_write = DISK_FULL
        raise error


async def test_a_block_left_by_an_error_tells_what_became_of_the_draft(
    make_faulty: Make, database: Path, faults: Faults
) -> None:
    """The block's own error reaches its author, with a note that the draft is still there; it
    expires, with its files, when the disk works again."""
    async with make_faulty(measure, draft_timeout=20) as supervisor:
        draft = supervisor.draft(measure)
        with pytest.raises(ZeroDivisionError) as caught:
            await leave_by(draft, ZeroDivisionError(), faults)
        (note,) = caught.value.__notes__
        assert f"draft {draft.id} could not be discarded and will expire" in note
        assert f"`await supervisor.find_draft({draft.id}).discard()`" in note
        assert await draft.handle.status() is Status.DRAFT
        await asyncio.sleep(30)
        faults.heal()
        await asyncio.sleep(5)
        assert await draft.handle.status() is Status.CANCELLED
        assert files_beside(database) == []


async def leave_hanging(draft: Draft[int], faults: Faults) -> None:
    async with draft:
        await draft.attach("input", b"12345")
        faults.hang()
        raise ZeroDivisionError


async def test_a_block_left_while_the_database_does_not_answer(
    make_faulty: Make, faults: Faults
) -> None:
    """Its end waits for some seconds and no longer; the note says so, and what to do."""
    async with make_faulty(measure) as supervisor:
        draft = supervisor.draft(measure)
        begun = asyncio.get_running_loop().time()
        with pytest.raises(ZeroDivisionError) as caught:
            await leave_hanging(draft, faults)
        assert asyncio.get_running_loop().time() - begun < 6
        faults.answer()
        (note,) = caught.value.__notes__
        assert f"draft {draft.id} could not be discarded and will expire" in note
        assert "5 s" in note
        assert f"`await supervisor.find_draft({draft.id}).discard()`" in note


async def end_on_a_bad_disk(draft: Draft[int], faults: Faults) -> None:
    async with draft:
        await draft.attach("input", b"12345")
        faults.at_write = DISK_FULL


async def test_a_block_that_ends_on_a_bad_disk_tells_how_to_go_on(
    make_faulty: Make, faults: Faults
) -> None:
    """Its error says that nothing was stored, its note which draft still waits and what releases
    it: that is done as soon as the disk works again."""
    async with make_faulty(measure) as supervisor:
        draft = supervisor.draft(measure)
        with pytest.raises(Degraded) as caught:
            await end_on_a_bad_disk(draft, faults)
        (note,) = caught.value.__notes__
        assert f"draft {draft.id} was not released" in note
        assert f"`await supervisor.find_draft({draft.id}).release()`" in note
        faults.heal()
        await asyncio.sleep(3)
        handle = await supervisor.find_draft(draft.id, measure).release()
        assert await handle.result() == 5


async def test_a_release_that_cannot_be_stored_can_be_repeated(
    make_faulty: Make, faults: Faults
) -> None:
    """It is refused, the draft stays one with its files, and the second release succeeds."""
    async with make_faulty(measure) as supervisor:
        draft = await supervisor.draft(measure).begin()
        await draft.attach("input", b"12345")
        faults.at_write = DISK_FULL
        with pytest.raises(Degraded):
            await draft.release()
        assert await draft.handle.status() is Status.DRAFT
        faults.heal()
        await asyncio.sleep(3)
        assert await (await draft.release()).result() == 5


async def test_a_draft_that_cannot_be_stored_is_not_begun(
    make_faulty: Make, database: Path, faults: Faults
) -> None:
    """Its block is not entered, no byte is read, and nothing is there afterwards."""
    async with make_faulty(measure) as supervisor:
        faults.at_write = DISK_FULL
        with pytest.raises(Degraded):
            await supervisor.draft(measure).begin()
        faults.heal()
        await asyncio.sleep(3)
        assert await supervisor.jobs() == []
    assert files_beside(database) == []


async def test_a_database_that_cannot_be_read_refuses_before_writing(
    make_faulty: Make, database: Path, faults: Faults
) -> None:
    """Whether it is a draft cannot be said: `attach` fails with the store's own error, and no file
    is written."""
    async with make_faulty(measure) as supervisor:
        draft = await supervisor.draft(measure).begin()
        faults.at_read = IO_ERROR
        with pytest.raises(StoreUnavailable):
            await draft.attach("input", stream([b"1"], error=AssertionError("was read")))
        faults.heal()
        assert files_beside(database) == []


async def test_a_body_waits_for_a_database_that_cannot_be_read(
    make_faulty: Make, faults: Faults
) -> None:
    """A job whose files cannot be looked up at the moment does not fail, it begins later."""
    async with make_faulty(measure) as supervisor:
        draft = await supervisor.draft(measure).begin()
        await draft.attach("input", b"12345")
        faults.at_read = IO_ERROR
        handle = await draft.release()
        await asyncio.sleep(30)
        faults.heal()
        assert await handle.result() == 5
        assert (await handle.record()).attempts == 1


async def test_orphans_are_looked_for_until_the_database_can_be_read(
    make_faulty: Make, database: Path, faults: Faults
) -> None:
    """A supervisor that cannot know at its start which files are in use removes none; it does when
    it can know."""
    folder = Path(f"{database}.files")
    folder.mkdir()
    (folder / "7-0-8").write_bytes(b"left")
    async with make_faulty(measure):
        faults.at_read = IO_ERROR
        await asyncio.sleep(5)
        assert files_beside(database) == ["7-0-8"]
        faults.heal()
        await asyncio.sleep(5)
        assert files_beside(database) == []
