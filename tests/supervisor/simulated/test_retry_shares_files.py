"""An operator's retry has the files of the job it repeats; they go with the last who uses them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.supervisor.ledger import of_type
from tests.supervisor.simulated.conftest import Make
from tests.supervisor.uploading import files_beside, rows_of_files

from overseen import (
    Context,
    EventType,
    JobFailed,
    NeedsAttachments,
    NotADraft,
    OverseenError,
    Reason,
    Retention,
    Status,
    Supervisor,
    job,
)

HOUR = 3_600


@job(attachments=["input"], retries=0)
async def read(ctx: Context) -> int:
    """Fails unless it is a retry."""
    content = await ctx.attachments["input"].read_bytes()
    if (await ctx.state()) is None:
        raise RuntimeError("try again")
    return len(content)


class State:
    """Whether bodies succeed."""

    succeed = False

    async def __call__(self) -> bool | None:
        return True if self.succeed else None


async def failed(supervisor: Supervisor) -> int:
    """A job that failed, with two files."""
    async with supervisor.draft(read) as draft:
        await draft.attach("input", b"12345")
        await draft.attach("more", b"6")
    with pytest.raises(JobFailed):
        await draft.handle.result()
    return draft.id


async def test_a_retry_shares_the_files(make: Make, database: Path) -> None:
    """The retry reads the same files, none of which is copied; it starts by itself, and points back
    to the first job."""
    state = State()
    async with make(read, state=state) as supervisor:
        job_id = await failed(supervisor)
        state.succeed = True
        again = await supervisor.retry(job_id)
        assert await again.result() == 5
        record = await again.record()
        assert (record.retried_from, record.attachments) == (job_id, 2)
        history = await again.history()
    rows = rows_of_files(database)
    ours, theirs = ([row[1:] for row in rows if row[0] == one] for one in (job_id, again.id))
    assert ours == theirs
    assert len(rows) == 4
    assert len(files_beside(database)) == 2
    assert of_type(history, EventType.SUBMITTED)


async def test_files_go_with_the_last_who_uses_them(make: Make, database: Path) -> None:
    """Pruning the first job keeps the files for its retries; pruning the last one removes them."""
    state = State()
    keep = Retention(failed=2 * HOUR, completed=2 * HOUR)
    async with make(read, state=state, retention=keep, sweep_interval="5m") as supervisor:
        first = await failed(supervisor)
        await asyncio.sleep(HOUR)
        second = await supervisor.retry(first)
        with pytest.raises(JobFailed):
            await second.result()
        await asyncio.sleep(1.5 * HOUR)
        assert [one.id for one in await supervisor.jobs()] == [second.id]
        state.succeed = True
        third = await supervisor.retry(second.id)
        assert await third.result() == 5
        await asyncio.sleep(HOUR)
        assert [one.id for one in await supervisor.jobs()] == [third.id]
        assert len(files_beside(database)) == 2
        await asyncio.sleep(1.5 * HOUR)
        assert await supervisor.jobs() == []
        assert (files_beside(database), rows_of_files(database)) == ([], [])


async def test_a_retry_of_a_retry_has_them_after_a_restart(make: Make, database: Path) -> None:
    """Files that several jobs share are in use: the search for orphans at a start leaves them."""
    state = State()
    async with make(read, state=state) as supervisor:
        first = await failed(supervisor)
        second = await supervisor.retry(first)
        await second.wait()
    state.succeed = True
    async with make(read, state=state) as supervisor:
        await asyncio.sleep(60)
        assert len(files_beside(database)) == 2
        assert await (await supervisor.retry(second.id)).result() == 5


@pytest.mark.parametrize("files", [["input"], ["other"], []])
async def test_a_retry_without_the_declared_files_is_refused(
    make: Make, database: Path, files: list[str]
) -> None:
    """A draft that was given up has no files, whether it had them all or never did: a retry could
    only fail, so no job is made; the error says to begin a draft."""
    async with make(read, state=State()) as supervisor:
        draft = await supervisor.draft(read).begin()
        for name in files:
            await draft.attach(name, b"12345")
        await draft.discard()
        with pytest.raises(NeedsAttachments, match=r"'input'.*supervisor\.draft"):
            await supervisor.retry(draft.id)
        assert [one.id for one in await supervisor.jobs()] == [draft.id]
    assert files_beside(database) == []


async def test_a_retry_of_a_draft_that_lost_its_files_is_refused(make: Make) -> None:
    """Also where its job declares none: a retry would not have what the first one had."""

    @job
    async def any_files(ctx: Context) -> list[str]:
        return list(ctx.attachments)

    async with make(any_files) as supervisor:
        draft = await supervisor.draft(any_files).begin()
        await draft.attach("one", b"1")
        await draft.discard()
        with pytest.raises(OverseenError, match="new draft"):
            await supervisor.retry(draft.id)


async def test_a_shared_file_that_is_damaged_fails_the_retry(make: Make, database: Path) -> None:
    """The retry compares the files as every attempt does."""
    state = State()
    async with make(read, state=state) as supervisor:
        first = await failed(supervisor)
        for name in files_beside(database):
            (Path(f"{database}.files") / name).unlink()
        state.succeed = True
        outcome = await (await supervisor.retry(first)).wait()
    assert (outcome.answer, outcome.reason) == ("failed", Reason.INVALID)


async def test_a_retry_is_no_draft(make: Make) -> None:
    """Nothing can be attached to a retry: it has what the first job had."""
    async with make(read, state=State()) as supervisor:
        first = await failed(supervisor)
        again = await supervisor.retry(first)
        with pytest.raises(NotADraft):
            await supervisor.find_draft(again.id).attach("third", b"")
        await again.wait()
        assert await again.status() is Status.FAILED
        assert len(of_type(await supervisor.history(first), EventType.RETRIED)) == 1
