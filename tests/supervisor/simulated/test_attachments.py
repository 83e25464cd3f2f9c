"""What a body gets of the files that its job was given."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from tests.supervisor.ledger import of_type
from tests.supervisor.simulated.conftest import Make
from tests.supervisor.uploading import MIB, files_beside, rows_of_files, stream

from overseen import (
    AttachmentNotFound,
    AttachmentTooLarge,
    Backoff,
    Context,
    EventType,
    JobFailed,
    Reason,
    Snooze,
    Status,
    Supervisor,
    job,
)
from overseen.attachments.sources import Source
from overseen_actors import LoopClock
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore


@job(attachments=["input"], retries=3, backoff=Backoff(initial="10m", jitter="none"))
async def digest(ctx: Context) -> str:
    """Reads its file piece by piece."""
    hashed = hashlib.sha256()
    async for chunk in ctx.attachments["input"].chunks(100_000):
        hashed.update(chunk)
    return hashed.hexdigest()


@job(attachments=["input"])
async def describe(ctx: Context) -> list[object]:
    """Everything that is known of its file, and its beginning."""
    file = ctx.attachments["input"]
    async with file.open() as reader:
        head = await reader.read(4)
    return [file.name, file.size_bytes, file.digest, file.path.name, head.decode()]


@job(attachments=["input"])
def plain(ctx: Context) -> int:
    """A plain function opens the path itself."""
    with ctx.attachments["input"].path.open("rb") as file:
        return len(file.read())


@job
async def curious(ctx: Context) -> str:
    """Asks for what is not there."""
    try:
        return ctx.attachments["other"].name
    except AttachmentNotFound as error:
        return str(error)


async def run_with(supervisor: Supervisor, content: Source) -> list[object]:
    """Upload, describe, return the description."""
    async with supervisor.draft(describe) as draft:
        await draft.attach("input", content)
    return await draft.handle.result()


CONTENT = b"head" + bytes(range(256)) * 5_000


@pytest.mark.parametrize("source", ["path", "text path", "bytes", "stream", "file"])
async def test_whatever_was_attached_is_what_the_body_reads(
    make: Make, tmp_path: Path, source: str
) -> None:
    """A path, bytes, a stream or an open file: the body gets these bytes, their size and digest, in
    a file whose name has nothing of the name that was given."""
    path = tmp_path / "source.bin"
    path.write_bytes(CONTENT)
    async with make(describe) as supervisor:
        with path.open("rb") as file:
            sources: dict[str, Source] = {
                "path": path,
                "text path": str(path),
                "bytes": CONTENT,
                "stream": stream([CONTENT[:7], b"", CONTENT[7:]]),
                "file": file,
            }
            described = await run_with(supervisor, sources[source])
    expected = ["input", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), "1-1-1", "head"]
    assert described == expected
    assert path.read_bytes() == CONTENT


async def test_a_file_may_be_no_larger_than_the_program_allows(make: Make, database: Path) -> None:
    """With `attachment_limit` a longer file is refused before all of it was read, by an error that
    names the knob; nothing of it is left, and the draft takes one that fits."""
    read = 0

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal read
        while True:
            read += MIB
            yield bytes(MIB)

    async with make(describe, attachment_limit=2 * MIB) as supervisor:
        async with supervisor.draft(describe) as draft:
            with pytest.raises(
                AttachmentTooLarge, match=r"Supervisor\(attachment_limit="
            ) as caught:
                await draft.attach("input", endless())
            assert (caught.value.name, caught.value.bytes_max) == ("input", 2 * MIB)
            assert read <= 4 * MIB
            assert (files_beside(database), rows_of_files(database)) == ([], [])
            await draft.attach("input", bytes(2 * MIB))
        assert (await draft.handle.result())[1] == 2 * MIB


async def test_an_empty_file_is_a_file(make: Make) -> None:
    """Nothing can be attached too: it has the size 0."""
    async with make(describe) as supervisor:
        described = await run_with(supervisor, b"")
    assert described[1:3] == [0, hashlib.sha256(b"").hexdigest()]


async def test_a_file_of_many_pieces(make: Make) -> None:
    """A file that comes in many pieces is written and read piece by piece, and is the same."""
    pieces = [bytes([n]) * (MIB // 3) for n in range(20)]
    async with make(digest) as supervisor:
        async with supervisor.draft(digest) as draft:
            attached = await draft.attach("input", stream(pieces, every=60))
        found = await draft.handle.result()
    assert found == attached.digest == hashlib.sha256(b"".join(pieces)).hexdigest()


async def test_a_plain_body_opens_the_path(make: Make) -> None:
    """A plain `def` body has the same files, by path."""
    async with make(plain) as supervisor:
        async with supervisor.draft(plain) as draft:
            await draft.attach("input", b"12345")
        assert await draft.handle.result() == 5


async def test_a_missing_name_lists_what_is_there(make: Make) -> None:
    """A body that asks for a file it was not given learns which it has; without any, how to give
    some; detached, the mapping is empty."""
    async with make(curious) as supervisor:
        async with supervisor.draft(curious) as draft:
            await draft.attach("this", b"")
        assert await draft.handle.result() == "the job has no attachment 'other'. It has 'this'"
        bare = await supervisor.submit(curious)
        assert "attach files to a draft" in await bare.result()
    assert "It has none" in await curious()


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def other_bytes(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


def a_link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def the_folder(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (Path.unlink, "missing"),
    "size": (longer, "size"),
    "digest": (other_bytes, "digest"),
    "link": (a_link, "not_a_file"),
    "folder": (the_folder, "missing"),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_fails_the_job_as_invalid(
    make: Make, database: Path, damage: str
) -> None:
    """A file that is not what was stored: the body does not begin, the job fails as `invalid` at
    once, retries do not help, and the error says what is damaged and what to do."""
    harm, name = DAMAGES[damage]
    async with make(digest) as supervisor:
        async with supervisor.draft(digest.options(delay=60)) as draft:
            await draft.attach("input", b"12345")
        ((_, _, stored_name),) = rows_of_files(database)
        harm(Path(f"{database}.files") / stored_name)
        begun = asyncio.get_running_loop().time()
        with pytest.raises(JobFailed, match="damaged") as caught:
            await draft.handle.result()
        assert asyncio.get_running_loop().time() - begun < 61
        record = await draft.handle.record()
    error = caught.value.error
    assert error is not None
    assert (caught.value.reason, caught.value.attempts, record.failures) == (Reason.INVALID, 1, 1)
    assert error.type.endswith("AttachmentDamaged")
    assert f"'{stored_name}' is damaged ({name})" in error.message
    assert "restore the file" in error.message


@job(attachments=["input"], retries=2, backoff=Backoff(initial="1h", jitter="none"))
async def stubborn(ctx: Context) -> int:
    """Fails, then snoozes, then reads."""
    if ctx.attempt == 1:
        raise ConnectionError
    if ctx.attempt == 2:
        raise Snooze("1h")
    return len(await ctx.attachments["input"].read_bytes())


async def test_every_attempt_finds_the_same_files(
    make: Make, database: Path, clock: LoopClock
) -> None:
    """After a failure, a snooze and a restart of the supervisor the files are there, unchanged."""
    async with make(stubborn) as supervisor:
        async with supervisor.draft(stubborn) as draft:
            await draft.attach("input", b"12345")
        await asyncio.sleep(60)
        assert await draft.handle.status() is Status.RETRYING
        before = rows_of_files(database)
    async with make(stubborn) as supervisor:
        handle = supervisor.handle(draft.id, stubborn)
        assert await handle.result() == 5
        assert len(of_type(await handle.history(), EventType.STARTED)) == 3
    assert rows_of_files(database) == before
    assert files_beside(database) == [stored for _, _, stored in before]


async def test_names_do_not_touch(make: Make) -> None:
    """Jobs may use the same names, and names that a file system would confuse: each has its own."""

    @job
    async def read_all(ctx: Context) -> dict[str, str]:
        return {name: (await one.read_bytes()).decode() for name, one in ctx.attachments.items()}

    given = {"a": "1", "A": "2", "ä": "3", "a\u0308": "4", "con": "5", "a ": "6", "...": "7"}
    async with make(read_all) as supervisor:
        async with supervisor.draft(read_all) as one, supervisor.draft(read_all) as two:
            for name, content in given.items():
                await one.attach(name, content.encode())
                await two.attach(name, content[::-1].encode() + b"!")
        assert await one.handle.result() == given
        assert await two.handle.result() == {name: f"{value}!" for name, value in given.items()}


async def test_a_database_in_memory_has_files_too(clock: LoopClock) -> None:
    """With `:memory:` files lie in a temporary folder, which goes at the stop."""

    @job(attachments=["input"])
    async def where(ctx: Context) -> str:
        await ctx.attachments["input"].read_bytes()
        return str(ctx.attachments["input"].path)

    supervisor = Supervisor(
        lambda: SqliteStore(":memory:", connector=InlineConnector()), jobs=[where], clock=clock
    )
    async with supervisor:
        async with supervisor.draft(where) as draft:
            await draft.attach("input", b"12345")
        path = Path(await draft.handle.result())
        assert path.read_bytes() == b"12345"
        given_up = await supervisor.draft(where).begin()
        await given_up.attach("input", b"1")
        assert len(list(path.parent.iterdir())) == 2
        await given_up.discard()
        await asyncio.sleep(1)
        assert list(path.parent.iterdir()) == [path]
    assert not path.parent.exists()
