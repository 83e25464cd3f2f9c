"""What cannot be attached: a typed error that says what to do, and nothing half-written is left."""

from __future__ import annotations

import asyncio
import errno
import io
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.supervisor.ledger import of_type
from tests.supervisor.simulated.conftest import Make
from tests.supervisor.uploading import MIB, files_beside, rows_of_files, stream

from overseen import (
    AttachmentExists,
    Context,
    Draft,
    EventType,
    FileNotWritten,
    InvalidAttachmentName,
    InvalidSource,
    NoSpaceForFile,
    NotADraft,
    OverseenError,
    Status,
    Supervisor,
    job,
)


@job(attachments=["input"])
async def measure(ctx: Context) -> int:
    """Counts the bytes of its file."""
    await asyncio.sleep(60)
    return len(await ctx.attachments["input"].read_bytes())


@job
async def other() -> None:
    """Has no files."""


@pytest.fixture
async def draft(make: Make, database: Path) -> AsyncIterator[Draft[int]]:
    """A draft; whatever is tried with it, afterwards it takes the right file, releases and runs,
    and that file is the only one there is."""
    async with make(measure, other) as supervisor:
        draft = await supervisor.draft(measure).begin()
        yield draft
        assert (files_beside(database), rows_of_files(database)) == ([], [])
        await draft.attach("input", b"right")
        assert await (await draft.release()).result() == 5
        assert len(files_beside(database)) == 1
        assert len(of_type(await draft.handle.history(), EventType.ATTACHED)) == 1


PATHS = ["a/b", "../a", "/etc/passwd", "..", ".", "C:\\x", "", "x" * 201, "a\nb", "a\0b", "\ud800"]


@pytest.mark.parametrize("name", [*PATHS, 7, None], ids=repr)
async def test_a_name_with_a_path_in_it(draft: Draft[int], name: Any) -> None:
    """A name that is no plain name is refused before a byte is read."""
    read: list[bytes] = []

    async def source() -> AsyncIterator[bytes]:
        read.append(b"1")
        yield b"1"

    with pytest.raises(InvalidAttachmentName, match=r"Use a plain name such as"):
        await draft.attach(name, source())
    assert read == []


@pytest.mark.parametrize("size", [0, 5, 3 * MIB])
@pytest.mark.parametrize("error", [ConnectionError("gone"), OSError(5, "EIO"), KeyError("x")])
async def test_a_stream_that_breaks(draft: Draft[int], error: Exception, size: int) -> None:
    """The stream's own error reaches the caller unchanged, however much had come."""
    with pytest.raises(type(error)) as caught:
        await draft.attach("input", stream([b"x" * size], every=1, error=error))
    assert caught.value is error


class Broken(io.RawIOBase):
    """A file object that fails half way."""

    def read(self, size: int = -1, /) -> bytes:
        raise OSError(errno.EIO, "Input/output error")


async def text() -> AsyncIterator[Any]:
    """Not bytes."""
    yield "text"


SOURCES: dict[str, tuple[Any, str]] = {
    "no file": ("there is none.mp4", "to attach the text itself pass text.encode"),
    "a folder": (Path(), "pack a folder first"),
    "nothing": (None, "must be a path, bytes"),
    "a number": (7, "must be a path, bytes"),
    "a function": (stream, "Call it"),
    "a list": ([b"x"], "must be a path, bytes"),
    "text": (text(), "encode the text"),
    "an open text": (io.StringIO("text"), "Open the file in binary mode"),
}


@pytest.mark.parametrize("what", SOURCES)
async def test_a_source_that_is_none(draft: Draft[int], what: str) -> None:
    """What cannot be read as bytes is explained, with the way out."""
    source, way_out = SOURCES[what]
    with pytest.raises(InvalidSource, match=way_out):
        await draft.attach("input", source)


async def test_a_file_object_that_fails(draft: Draft[int]) -> None:
    """Its own error reaches the caller unchanged."""
    with pytest.raises(OSError, match="Input/output error"):
        await draft.attach("input", Broken())


@pytest.mark.parametrize(
    ("number", "kind", "way_out"),
    [
        (errno.ENOSPC, NoSpaceForFile, "Free some space"),
        (errno.EDQUOT, NoSpaceForFile, "Free some space"),
        (errno.EIO, FileNotWritten, "Look at the folder"),
    ],
)
@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
async def test_a_disk_that_is_full(
    draft: Draft[int],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[Exception],
    way_out: str,
    step: str,
) -> None:
    """A disk that refuses at any step is a typed error that names the folder; what was written of
    the file is gone, and once there is space the same draft goes on."""

    def refuse(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        match step:
            case "write":
                patch.setattr("overseen.attachments.part_file.PartFile.append", refuse)
            case "fsync":
                patch.setattr(os, "fsync", refuse)
            case _:
                patch.setattr(Path, "rename", refuse)
        with pytest.raises(kind, match=rf"job {draft.id} .*jobs\.db\.files.*{way_out}"):
            await draft.attach("input", stream([b"x" * MIB] * 3))


async def test_a_name_that_is_taken(make: Make, database: Path) -> None:
    """A second file of a name is refused before it is read; the first is never replaced."""
    async with make(measure) as supervisor:
        async with supervisor.draft(measure) as draft:
            await draft.attach("input", b"first")
            with pytest.raises(AttachmentExists, match=r"never replaced.*another name") as caught:
                await draft.attach("input", stream([b"x"], error=AssertionError("was read")))
            assert (caught.value.job_id, caught.value.name) == (draft.id, "input")
            assert len(files_beside(database)) == 1
        assert await draft.handle.result() == 5


async def test_of_two_files_of_one_name_at_once_one_is_kept(make: Make, database: Path) -> None:
    """Attached at the same time, both are written, one is kept, the other's author is told, and its
    file goes."""
    async with make(measure) as supervisor:
        draft = await supervisor.draft(measure).begin()
        uploads = [draft.attach("input", stream([b"x" * n], every=n)) for n in (1, 2, 3)]
        answers = await asyncio.gather(*uploads, return_exceptions=True)
        assert [isinstance(one, AttachmentExists) for one in answers] == [False, True, True]
        await asyncio.sleep(1)
        assert len(files_beside(database)) == len(rows_of_files(database)) == 1
        assert await (await draft.release()).result() == 1


async def job_that_is(what: str, supervisor: Supervisor) -> int:
    """The id of a job that is no draft."""
    if what == "unknown":
        return 99
    if what == "submitted":
        return (await supervisor.submit(other)).id
    draft = await supervisor.draft(measure.options(delay=600)).begin()
    await draft.attach("first", b"1")
    if what == "discarded":
        await draft.discard()
    elif what == "expired":
        await draft.handle.wait()
    else:
        await draft.attach("input", b"1")
        await draft.release()
        if what != "scheduled":
            await supervisor.promote(draft.id)
            await asyncio.sleep({"running": 1, "completed": 100}[what])
    return draft.id


SAID = {
    "unknown": (None, "does not exist"),
    "submitted": (Status.COMPLETED, "is completed, not a draft"),
    "scheduled": (Status.SCHEDULED, "is scheduled, not a draft"),
    "running": (Status.RUNNING, "is running, not a draft"),
    "completed": (Status.COMPLETED, "is completed, not a draft"),
    "discarded": (Status.CANCELLED, "was discarded, its files are gone"),
    "expired": (Status.CANCELLED, "has expired, its files are gone"),
}


@pytest.mark.parametrize("what", SAID)
async def test_what_is_no_draft_takes_nothing(make: Make, database: Path, what: str) -> None:
    """Attaching to, or releasing, what is no draft (any more) is an error that says what it is
    instead; the stream is not read, no file is written, and the job stays as it is."""
    status, said = SAID[what]
    async with make(measure, other) as supervisor:
        job_id = await job_that_is(what, supervisor)
        await asyncio.sleep(1)
        files, rows = files_beside(database), rows_of_files(database)
        found = supervisor.find_draft(job_id, measure)
        for act in (
            found.attach("late", stream([b"x"], error=AssertionError("was read"))),
            found.release(),
            supervisor.find_draft(job_id).release(),
        ):
            with pytest.raises(NotADraft, match=said) as caught:
                await act
            assert (caught.value.job_id, caught.value.status) == (job_id, status)
            assert "Begin a new" in str(caught.value)
        if what in ("discarded", "expired"):
            await found.discard()
        else:
            with pytest.raises(NotADraft):
                await found.discard()
        assert (files_beside(database), rows_of_files(database)) == (files, rows)


async def test_a_release_that_wins_leaves_the_file_out(make: Make, database: Path) -> None:
    """A draft released while another file is still on its way runs without it: its author is told,
    its bytes go."""
    async with make(measure) as supervisor:
        draft = await supervisor.draft(measure).begin()
        await draft.attach("input", b"12345")
        late = asyncio.create_task(draft.attach("late", stream([b"x"], every=10)))
        await asyncio.sleep(1)
        await draft.release()
        with pytest.raises(NotADraft, match="files are attached before it is released"):
            await late
        assert await draft.handle.result() == 5
        assert len(files_beside(database)) == len(rows_of_files(database)) == 1


def test_every_error_of_a_draft_is_ours() -> None:
    """One `except OverseenError` catches all of them."""
    ours = (NotADraft, AttachmentExists, InvalidAttachmentName, InvalidSource, NoSpaceForFile)
    assert all(issubclass(one, OverseenError) for one in ours)
