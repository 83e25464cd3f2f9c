"""Abandoned drafts go, with their files; those that somebody works on stay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from tests.supervisor.ledger import of_type
from tests.supervisor.simulated.conftest import Make
from tests.supervisor.uploading import MIB, files_beside, rows_of_files, stream

from overseen import (
    Context,
    EventType,
    InvalidOption,
    NotADraft,
    Reason,
    Status,
    Supervisor,
    job,
)
from overseen_storage.lifecycle import Cause

HOUR = 3_600


@job(attachments=["input"])
async def measure(ctx: Context) -> int:
    """Counts the bytes of its file."""
    return ctx.attachments["input"].size_bytes


async def test_an_abandoned_draft_expires_after_an_hour(make: Make, database: Path) -> None:
    """Unless told otherwise: an hour after the last work on it, by the watchdog, with its files;
    the error of a latecomer says so."""
    async with make(measure) as supervisor:
        draft = await supervisor.draft(measure).begin()
        await asyncio.sleep(HOUR / 2)
        await draft.attach("input", b"123")
        await asyncio.sleep(HOUR - 1)
        assert await draft.handle.status() is Status.DRAFT
        assert len(files_beside(database)) == 1
        await asyncio.sleep(2)
        record = await draft.handle.record()
        (event,) = of_type(await draft.handle.history(), EventType.CANCELLED)
        with pytest.raises(NotADraft, match=r"has expired.*draft_timeout") as caught:
            await draft.release()
    assert (record.status, record.reason) == (Status.CANCELLED, Reason.DRAFT_EXPIRED)
    assert event.cause is Cause.WATCHDOG
    assert caught.value.reason is Reason.DRAFT_EXPIRED
    assert (files_beside(database), rows_of_files(database)) == ([], [])


@pytest.mark.parametrize("timeout", [1, 60.5, "2h"])
async def test_the_time_of_a_draft_is_a_knob(make: Make, timeout: float | str) -> None:
    """`draft_timeout` is in seconds or text; a draft without any work goes exactly then."""
    seconds = 2 * HOUR if timeout == "2h" else float(timeout)
    async with make(measure, draft_timeout=timeout) as supervisor:
        begun = asyncio.get_running_loop().time()
        draft = await supervisor.draft(measure).begin()
        assert (await draft.handle.wait()).reason is Reason.DRAFT_EXPIRED
        assert asyncio.get_running_loop().time() - begun == pytest.approx(seconds, abs=0.1)


async def test_a_time_that_cannot_be_is_refused(make: Make) -> None:
    """A draft that would expire before it begins is a wrong knob."""
    with pytest.raises(InvalidOption, match="draft_timeout"):
        make(measure, draft_timeout=0.5)


async def small_pieces() -> AsyncGenerator[bytes, None]:
    """A telephone in a tunnel: 1 KiB a minute for three hours."""
    async for piece in stream([b"x" * 1024] * 180, every=60):
        yield piece


async def large_pieces() -> AsyncGenerator[bytes, None]:
    """A slow disk: a MiB every ten minutes for three hours."""
    async for piece in stream([b"x" * MIB] * 18, every=600):
        yield piece


async def a_pause() -> AsyncGenerator[bytes, None]:
    """Somebody closes the lid of the laptop for three hours."""
    async for piece in stream([b"first", b"last"], every=1.5 * HOUR):
        yield piece


@pytest.mark.parametrize("upload", [small_pieces, large_pieces, a_pause])
async def test_a_long_upload_is_kept_alive(
    make: Make, upload: Callable[[], AsyncGenerator[bytes, None]]
) -> None:
    """While a file is on its way its draft does not expire, whether it comes in large pieces, in
    small ones, or with a pause that is longer than the draft's time."""
    async with make(measure) as supervisor:
        async with supervisor.draft(measure) as draft:
            attached = await draft.attach("input", upload())
        assert await draft.handle.result() == attached.size_bytes


async def test_after_the_upload_its_time_begins_anew(make: Make) -> None:
    """An hour is counted from the last file, not from the beginning."""
    async with make(measure) as supervisor:
        draft = await supervisor.draft(measure).begin()
        await draft.attach("other", large_pieces())
        await asyncio.sleep(0.9 * HOUR)
        await draft.attach("input", b"1")
        await asyncio.sleep(0.9 * HOUR)
        assert await (await draft.release()).result() == 1


async def test_a_failed_upload_keeps_nothing_alive(make: Make) -> None:
    """Once an upload has broken off, its draft expires like any other."""
    async with make(measure) as supervisor:
        begun = asyncio.get_running_loop().time()
        draft = await supervisor.draft(measure).begin()
        with pytest.raises(ConnectionError):
            await draft.attach("input", stream([b"1"] * 10, every=600, error=ConnectionError()))
        assert (await draft.handle.wait()).reason is Reason.DRAFT_EXPIRED
        assert asyncio.get_running_loop().time() - begun <= 6_000 + HOUR + 1


@pytest.mark.parametrize("upload", [small_pieces, large_pieces, a_pause])
async def test_an_upload_to_a_draft_that_went_is_broken_off(
    make: Make, database: Path, upload: Callable[[], AsyncGenerator[bytes, None]]
) -> None:
    """A draft that is discarded meanwhile does not get its file: within a quarter of its time
    `attach` says so, and what was written goes; gigabytes are not awaited for nothing."""
    async with make(measure) as supervisor:
        draft = await supervisor.draft(measure).begin()
        attaching = asyncio.create_task(draft.attach("input", upload()))
        await asyncio.sleep(HOUR / 2)
        await draft.discard()
        with pytest.raises(NotADraft, match="was discarded"):
            async with asyncio.timeout(HOUR / 4 + 1):
                await attaching
        assert (files_beside(database), rows_of_files(database)) == ([], [])


async def test_drafts_expire_over_a_restart(make: Make, database: Path) -> None:
    """A stop does not end drafts: their time goes on, is kept across starts, and those whose time
    has come meanwhile go at the start, with their files."""
    async with make(measure) as supervisor:
        short = await supervisor.draft(measure).begin()
        await short.attach("input", b"1")
        await asyncio.sleep(HOUR / 2)
        long = await supervisor.draft(measure).begin()
        await long.attach("input", b"22")
        assert len(files_beside(database)) == 2
    assert len(files_beside(database)) == 2
    await asyncio.sleep(0.75 * HOUR)
    async with make(measure) as supervisor:
        assert (await supervisor.handle(short.id).wait()).reason is Reason.DRAFT_EXPIRED
        found = supervisor.find_draft(long.id, measure)
        assert await found.handle.status() is Status.DRAFT
        await asyncio.sleep(1)
        assert len(files_beside(database)) == 1
        assert await (await found.release()).result() == 2


async def abandon(supervisor: Supervisor, count: int) -> None:
    """Begin drafts that nobody will come back to."""
    for _ in range(count):
        draft = await supervisor.draft(measure).begin()
        await draft.attach("input", b"1")


async def test_many_abandoned_drafts_go_together(make: Make, database: Path) -> None:
    """However many there are, all go when their time has come; their batch ends then."""
    async with make(measure, draft_timeout=600) as supervisor:
        async with supervisor.batch("uploads") as batch:
            for _ in range(50):
                await batch.draft(measure).begin()
        await abandon(supervisor, 50)
        summary = await batch.summary(timeout=700)
        assert (summary.total, summary.cancelled) == (50, 50)
        await asyncio.sleep(10)
        counts = await supervisor.counts()
    assert counts == {"default": {"cancelled": 100}}
    assert files_beside(database) == []
