"""What is attached is on the disk, whole, under a name of its own."""

from __future__ import annotations

import array
import asyncio
import hashlib
import io
import itertools
import stat
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import anyio
import pytest
from tests.supervisor.attachments.conftest import make_folder, names_in, pipe

from overseen.attachments import AttachmentDamaged, Folder, Source, StoredFile, folder_beside

P = ParamSpec("P")
T = TypeVar("T")

CONTENT = bytes(range(256)) * 9_000  # 2.2 MiB: more than two pieces, and no whole number of them


class AsyncFile:
    """Reads for coroutines, as an upload of a web framework does."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    async def read(self, size: int = -1, /) -> bytes:
        return self._file.read(min(size, 1000))


async def stream(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]
        yield b""


async def line_reader(content: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=1000)
    reader.feed_data(content.replace(b"\n", b" "))
    reader.feed_eof()
    return reader


SOURCES: dict[str, Callable[[], Source]] = {
    "bytes": lambda: CONTENT,
    "bytearray": lambda: bytearray(CONTENT),
    "memoryview": lambda: memoryview(CONTENT),
    "every_second_byte": lambda: memoryview(bytes(2 * len(CONTENT)))[::2],
    "small_chunks": lambda: stream(CONTENT, 777),
    "one_large_chunk": lambda: stream(CONTENT, len(CONTENT)),
    "file": lambda: io.BytesIO(CONTENT),
    "async_file": lambda: AsyncFile(CONTENT),
}


def described(content: bytes, stored_name: str) -> StoredFile:
    return StoredFile(stored_name, hashlib.sha256(content).hexdigest(), len(content))


@pytest.mark.parametrize("kind", SOURCES)
async def test_any_source_of_bytes_is_kept_byte_for_byte(
    kind: str, folder: Folder, tmp_path: Path
) -> None:
    """Bytes, streams and file objects arrive as they were given, with their size and digest."""
    expected = bytes(len(CONTENT)) if kind == "every_second_byte" else CONTENT

    stored = await folder.write(7, "input.mp4", SOURCES[kind]())

    assert stored == described(expected, "7-1-1")
    assert folder.path_of("7-1-1").read_bytes() == expected
    assert names_in(tmp_path) == ["7-1-1"]


@pytest.mark.parametrize("as_text", [True, False])
async def test_a_path_is_copied(as_text: bool, folder: Folder, tmp_path: Path) -> None:
    """A path, as text or as an object, names a file; the file stays and its content is copied."""
    path = tmp_path / "Überweisung.pdf"
    path.write_bytes(CONTENT)

    stored = await folder.write(7, "input", str(path) if as_text else path)
    path.write_bytes(b"changed later")

    assert stored == described(CONTENT, "7-1-1")
    assert folder.path_of("7-1-1").read_bytes() == CONTENT


async def test_an_open_file_is_read_from_where_it_stands_and_left_open(
    folder: Folder, tmp_path: Path
) -> None:
    """A file object belongs to the caller: its position counts, and it is not closed."""
    path = tmp_path / "input"
    path.write_bytes(CONTENT)
    with path.open("rb") as file:
        file.seek(100)

        stored = await folder.write(7, "input", file)

        assert not file.closed
    assert stored == described(CONTENT[100:], "7-1-1")


async def test_a_reader_that_iterates_over_lines_is_read_in_pieces(folder: Folder) -> None:
    """A StreamReader iterates over lines and refuses long ones: it is read, not iterated."""
    expected = CONTENT.replace(b"\n", b" ")

    stored = await folder.write(7, "input", await line_reader(CONTENT))

    assert stored == described(expected, "7-1-1")


async def test_a_pipe_is_read_to_its_end(folder: Folder) -> None:
    """An open pipe gives a little at a time; all of it is kept."""
    with pipe() as (reading, writing):
        writing.write(b"first ")
        attaching = asyncio.create_task(folder.write(7, "input", reading))
        await asyncio.sleep(0)
        writing.write(b"second")
        writing.close()

        assert await attaching == described(b"first second", "7-1-1")


async def test_values_of_several_bytes_are_kept_as_bytes(folder: Folder) -> None:
    """A buffer of numbers is what it is in memory, and counted in bytes, not in numbers."""
    numbers = array.array("i", range(-1, (2 << 18) - 1))

    stored = await folder.write(7, "input", memoryview(numbers), bytes_max=2 << 20)

    assert stored == described(numbers.tobytes(), "7-1-1")


async def test_nothing_is_a_file_too(folder: Folder) -> None:
    """An empty source gives an empty file."""
    stored = await folder.write(7, "input", b"")

    assert stored == described(b"", "7-1-1")
    await folder.verify(stored.stored_name, stored.digest, stored.size_bytes)


class Overwriting(ThreadPoolExecutor):
    """Threads during whose every step the content changes."""

    def __init__(self, content: bytearray) -> None:
        super().__init__(1)
        self._content = content
        self._numbers = itertools.count(1)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        step = super().submit(fn, *args, **kwargs)
        self._content[:] = bytes([next(self._numbers)]) * len(self._content)
        return step


async def test_bytes_that_change_meanwhile_are_kept_consistently(tmp_path: Path) -> None:
    """What is on the disk has the digest that is reported, whatever happens to a bytearray."""
    content = bytearray(CONTENT)
    with Overwriting(content) as threads:
        folder = make_folder(tmp_path, threads)

        stored = await folder.write(7, "input", content)

        await folder.verify(stored.stored_name, stored.digest, stored.size_bytes)
    assert len(set(content)) == 1


async def test_only_this_user_may_look(folder: Folder) -> None:
    """The folder and its files are made for their owner alone."""
    stored = await folder.write(7, "input", b"secret")

    path = folder.path_of(stored.stored_name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_many_write_at_once(folder: Folder, tmp_path: Path) -> None:
    """Files are written side by side, each with its own content; the first ones make the folder."""
    contents = [bytes([number]) * (1 << 20) for number in range(8)]

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(folder.write(number, "input", stream(content, 100_000)))
            for number, content in enumerate(contents)
        ]

    for task, content in zip(tasks, contents, strict=True):
        assert folder.path_of(task.result().stored_name).read_bytes() == content
    assert len(names_in(tmp_path)) == 8


async def test_a_link_to_the_database_leads_to_the_same_folder(tmp_path: Path) -> None:
    """The files lie beside the database itself, by whichever link it was opened."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "real" / "jobs.db")
    (tmp_path / "other").symlink_to(tmp_path / "real")

    expected = tmp_path.resolve() / "real" / "jobs.db.files"

    assert folder_beside(tmp_path / "real" / "jobs.db") == expected
    assert folder_beside(tmp_path / "link.db") == expected
    assert folder_beside(str(tmp_path / "other" / "jobs.db")) == expected


async def test_a_database_in_memory_has_a_temporary_folder() -> None:
    """It is made when it is needed, for this user alone, and goes with `close`, once or twice."""
    folder = Folder(
        folder_beside(":memory:"), executor=lambda: None, new_name=lambda job_id: f"{job_id}-1-1"
    )
    before = folder.path

    stored = await folder.write(7, "input", b"content")
    path = folder.path

    assert before is None
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert folder.path_of(stored.stored_name).read_bytes() == b"content"
    await folder.close()
    await folder.close()
    assert not path.exists()
    with pytest.raises(AttachmentDamaged, match="missing"):
        folder.path_of(stored.stored_name)


async def test_a_folder_that_was_deleted_meanwhile_is_made_again(
    folder: Folder, tmp_path: Path
) -> None:
    """The next file finds a place, even if somebody removed the folder under a running program."""
    await folder.write(7, "input", b"one")
    folder.path_of("7-1-1").unlink()
    (tmp_path / "jobs.db.files").rmdir()

    await folder.write(7, "input", b"two")

    assert names_in(tmp_path) == ["7-1-2"]


async def test_a_stream_of_anyio_is_a_source(folder: Folder) -> None:
    """What iterates over bytes need not be a generator."""
    send, receive = anyio.create_memory_object_stream[bytes](4)
    async with send:
        await send.send(b"one ")
        await send.send(b"two")
    async with receive:
        stored = await folder.write(7, "input", receive)

    assert stored == described(b"one two", "7-1-1")
