"""A disk that does not give files back at the moment, or only slowly: no job is to blame."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import Context, Job, Reason, Status, job
from overseen.attachments.reading import FileReader


@job(attachments=["input"], retries=3)
async def read(ctx: Context) -> int:
    """Counts the bytes of its file."""
    return ctx.attachments["input"].size_bytes


@job(attachments=["input"], heartbeat=10)
async def lively(ctx: Context, silent_seconds: float = 0) -> int:
    """Has promised a sign of life every 10 s."""
    await asyncio.sleep(silent_seconds)
    return ctx.attachments["input"].size_bytes


@job(attachments=["input"], heartbeat=10)
def in_a_thread(ctx: Context) -> int:
    """A plain function with the same promise."""
    return ctx.attachments["input"].size_bytes


class Disk:
    """Opens no stored file as long as there is an error."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.error: OSError | None = None
        self._open = os.open
        patch.setattr(os, "open", self._open_unless)

    def _open_unless(self, path: str | Path, flags: int, mode: int = 0o777) -> int:
        if self.error is not None and ".files/" in str(path):
            raise self.error
        return self._open(path, flags, mode)

    def fail(self, code: int) -> None:
        """From now on."""
        self.error = OSError(code, os.strerror(code))

    def heal(self) -> None:
        """It works again."""
        self.error = None


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """This test's disk."""
    return Disk(monkeypatch)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("body", [read, lively, in_a_thread], ids=lambda body: body.kind)
async def test_a_file_that_cannot_be_read_at_the_moment_is_no_outcome(
    make: Make,
    disk: Disk,
    caplog: pytest.LogCaptureFixture,
    body: Job[[], int],
    code: int,
) -> None:
    """However long that lasts the job waits, silent or not: it costs no retry, and the log says
    what it waits for."""
    async with make(read, lively, in_a_thread) as supervisor:
        draft = await supervisor.draft(body).begin()
        await draft.attach("input", b"12345")
        disk.fail(code)
        handle = await draft.release()
        await asyncio.sleep(600)
        assert await handle.status() is Status.RUNNING
        disk.heal()
        assert await handle.result(60) == 5
        assert (await handle.record()).attempts == 1
    said = [one for one in caplog.records if one.getMessage() == "files.not_read"]
    assert 10 < len(said) < 100
    assert os.strerror(code) in said[0].__dict__["error"]
    assert said[0].__dict__["job_id"] == handle.id


async def test_the_run_timeout_bounds_the_wait_for_a_disk(make: Make, disk: Disk) -> None:
    """A job that declares how long it may take is not kept longer, and fails as `timeout`."""
    async with make(read) as supervisor:
        draft = await supervisor.draft(read.options(timeout=30, retries=0)).begin()
        await draft.attach("input", b"12345")
        disk.fail(errno.EIO)
        begun = asyncio.get_running_loop().time()
        outcome = await (await draft.release()).wait()
    assert (outcome.answer, outcome.reason) == ("failed", Reason.TIMEOUT)
    assert asyncio.get_running_loop().time() - begun == pytest.approx(30, abs=1)


async def test_a_job_that_waits_for_a_disk_can_be_cancelled(make: Make, disk: Disk) -> None:
    """The cancellation is obeyed at once."""
    async with make(read) as supervisor:
        draft = await supervisor.draft(read).begin()
        await draft.attach("input", b"12345")
        disk.fail(errno.EIO)
        handle = await draft.release()
        await asyncio.sleep(100)
        begun = asyncio.get_running_loop().time()
        assert (await handle.cancel()).answer == "cancelled"
    assert asyncio.get_running_loop().time() - begun < 1


async def test_a_stop_gives_back_a_job_that_waits_for_a_disk(make: Make, disk: Disk) -> None:
    """It is put back, and runs in the next life."""
    async with make(read, drain_timeout=1) as supervisor:
        draft = await supervisor.draft(read).begin()
        await draft.attach("input", b"12345")
        disk.fail(errno.EIO)
        await draft.release()
        await asyncio.sleep(100)
    disk.heal()
    async with make(read) as supervisor:
        assert await supervisor.handle(draft.id, read).result() == 5


def slowed(seconds: float) -> Callable[..., object]:
    """`FileReader.feed` on a disk that takes so long for each piece."""
    feed = FileReader.feed

    async def slowly(reader: FileReader, take: Callable[[bytes], None], size: int) -> bool:
        await asyncio.sleep(seconds)
        return await feed(reader, take, size)

    return slowly


@pytest.mark.parametrize("body", [lively, in_a_thread], ids=lambda body: body.kind)
async def test_comparing_a_file_is_not_silence(
    make: Make, monkeypatch: pytest.MonkeyPatch, body: Job[[], int]
) -> None:
    """The promise of a heartbeat is the body's: it holds from its begin, however long the comparing
    of its files takes."""
    monkeypatch.setattr(FileReader, "feed", slowed(60))
    async with make(lively, in_a_thread) as supervisor:
        async with supervisor.draft(body) as draft:
            await draft.attach("input", b"x" * (3 << 20))
        assert await draft.handle.result() == 3 << 20
        assert (await draft.handle.record()).attempts == 1


async def test_a_body_may_be_silent_no_longer_because_it_has_files(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence is measured from the begin of the body."""
    monkeypatch.setattr(FileReader, "feed", slowed(60))
    async with make(lively) as supervisor:
        begun = asyncio.get_running_loop().time()
        async with supervisor.draft(lively, 1e6) as draft:
            await draft.attach("input", b"12345")
        outcome = await draft.handle.wait()
    assert (outcome.answer, outcome.reason) == ("failed", Reason.SILENT)
    assert asyncio.get_running_loop().time() - begun == pytest.approx(130, abs=1)
