"""A write that fails, for whatever reason, leaves nothing behind."""

from __future__ import annotations

import asyncio
import errno
import io
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import anyio
import pytest
from tests.supervisor.attachments.conftest import make_folder, names_in, pipe

from overseen.attachments import (
    AttachmentTooLarge,
    FileNotWritten,
    Folder,
    InvalidAttachmentName,
    InvalidSource,
    Source,
)

P = ParamSpec("P")
T = TypeVar("T")

CONTENT = bytes(3 << 20)


class StreamBroke(Exception):
    """What the caller's stream raises."""


async def broken(after: int) -> AsyncIterator[bytes]:
    for _ in range(after):
        yield bytes(1 << 20)
    raise StreamBroke(after)


class Failing(ThreadPoolExecutor):
    """Threads in which the step number `at` fails, before or after it did its work."""

    def __init__(self, at: int, *, after: bool) -> None:
        super().__init__(1)
        self._at = at
        self._after = after
        self.steps = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        self.steps += 1
        failing = self.steps == self._at

        def step(*args: P.args, **kwargs: P.kwargs) -> T:
            if failing and not self._after:
                raise OSError(errno.EIO, "the disk fails")
            result = fn(*args, **kwargs)
            if failing:
                raise OSError(errno.EIO, "the disk fails")
            return result

        return super().submit(step, *args, **kwargs)


class Gated(ThreadPoolExecutor):
    """A thread that stops before step number `at` until the gate is opened."""

    def __init__(self, at: int) -> None:
        super().__init__(1)
        self._at = at
        self._gate: Future[None] = Future()
        self._loop = asyncio.get_running_loop()
        self.steps = 0
        self.reached = asyncio.Event()

    def open_gate(self) -> None:
        self._gate.set_result(None)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        self.steps += 1
        number = self.steps

        def step(*args: P.args, **kwargs: P.kwargs) -> T:
            if number == self._at:
                self._loop.call_soon_threadsafe(self.reached.set)
                self._gate.result()
            return fn(*args, **kwargs)

        return super().submit(step, *args, **kwargs)


@pytest.mark.parametrize("after", [False, True])
async def test_whichever_step_fails_nothing_is_left(after: bool, tmp_path: Path) -> None:
    """The disk may fail at the first step, the second, ...: each time an error, and no file."""
    for at in range(1, 100):
        with Failing(at, after=after) as threads:
            folder = make_folder(tmp_path, threads)
            if at > 5:  # making, three pieces, finishing
                await folder.write(7, "input", CONTENT)
                break
            with pytest.raises(FileNotWritten, match="Input/output error") as caught:
                await folder.write(7, "input", CONTENT)
        assert caught.value.job_id == 7
        assert isinstance(caught.value.__cause__, OSError)
        assert names_in(tmp_path) == []

    assert names_in(tmp_path) == ["7.1.1"]


async def cancelled_write(base: Path, at: int, times: int) -> bool:
    """Cancel a write while its step number `at` is under way; return whether it had that many."""
    with Gated(at) as threads:
        folder = make_folder(base, threads)
        writing = asyncio.create_task(folder.write(7, "input", CONTENT))
        reached = asyncio.create_task(threads.reached.wait())
        await asyncio.wait([writing, reached], return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        if writing.done():
            return False
        for _ in range(times):
            writing.cancel("enough")
            for _ in range(5):
                await asyncio.sleep(0)
        assert not writing.done()  # the thread still has the file
        threads.open_gate()
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await writing
        assert threads.steps == at + 1  # what was under way, and the tidying; nothing more
    return True


@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancelled_write_waits_for_its_thread_and_leaves_nothing(
    times: int, tmp_path: Path
) -> None:
    """Whenever it is cancelled, however often, the step under way ends first; then it is tidy."""
    at = 1
    while await cancelled_write(tmp_path, at, times):
        assert names_in(tmp_path) == []
        at += 1

    assert at == 6


async def test_a_scope_of_anyio_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    """A cancelled scope cancels again and again: the tidying still happens, and the scope ends."""
    with Gated(3) as threads:
        folder = make_folder(tmp_path, threads)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:

                async def cancel() -> None:
                    await threads.reached.wait()
                    scope.cancel()
                    with anyio.CancelScope(shield=True):
                        for _ in range(5):
                            await asyncio.sleep(0)
                    threads.open_gate()

                group.start_soon(cancel)
                await folder.write(7, "input", CONTENT)

    assert scope.cancelled_caught
    assert names_in(tmp_path) == []


async def test_a_timeout_ends_a_stream_that_stalls(folder: Folder, tmp_path: Path) -> None:
    """A stream that gives nothing more does not keep a write from being cancelled."""
    stalled = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield bytes(1 << 20)
        stalled.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(folder.write(7, "input", stalls()))
    await stalled.wait()
    writing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await writing
    assert names_in(tmp_path) == []


class Announcing:
    """A file object that says when it is read."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._loop = asyncio.get_running_loop()
        self.being_read = asyncio.Event()

    def read(self, size: int, /) -> bytes:
        self._loop.call_soon_threadsafe(self.being_read.set)
        return self._file.read(size)


async def test_a_pipe_to_which_nobody_writes_can_be_given_up(
    folder: Folder, tmp_path: Path
) -> None:
    """Cancelling does not wait for a read that may never return."""
    with pipe() as (reading, writing):
        source = Announcing(reading)
        attaching = asyncio.create_task(folder.write(7, "input", source))
        await source.being_read.wait()
        attaching.cancel()

        with pytest.raises(asyncio.CancelledError):
            await attaching
        assert names_in(tmp_path) == []
        writing.close()  # the reading thread ends


@pytest.mark.parametrize("after", [0, 1, 3])
async def test_the_error_of_a_stream_passes_unchanged(
    after: int, folder: Folder, tmp_path: Path
) -> None:
    """A stream that breaks is the caller's matter: his own exception, and no file."""
    with pytest.raises(StreamBroke, match=str(after)):
        await folder.write(7, "input", broken(after))

    assert names_in(tmp_path) == []


async def test_an_os_error_of_a_stream_is_not_taken_for_the_disks(
    folder: Folder, tmp_path: Path
) -> None:
    """A connection that is reset while uploading is not a disk that fails."""

    async def reset() -> AsyncIterator[bytes]:
        yield bytes(1 << 20)
        raise ConnectionResetError(errno.ECONNRESET, "the browser left")

    with pytest.raises(ConnectionResetError):
        await folder.write(7, "input", reset())
    assert names_in(tmp_path) == []


async def test_an_error_of_a_file_object_passes_unchanged(folder: Folder, tmp_path: Path) -> None:
    """What the caller's own file object raises reaches the caller as it is."""
    file = io.BytesIO(CONTENT)
    file.close()

    with pytest.raises(ValueError, match="closed file"):
        await folder.write(7, "input", file)
    assert names_in(tmp_path) == []


async def test_who_follows_the_writing_can_end_it(folder: Folder, tmp_path: Path) -> None:
    """What `on_chunk` raises ends the writing: nothing is left, and a generator is closed."""
    closed = False

    async def endless() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            while True:
                yield bytes(1 << 20)
        finally:
            closed = True

    async def refuse(_size: int) -> None:
        raise StreamBroke

    with pytest.raises(StreamBroke):
        await folder.write(7, "input", endless(), on_chunk=refuse)
    assert closed
    assert names_in(tmp_path) == []


async def test_a_limit_is_kept(folder: Folder, tmp_path: Path) -> None:
    """More bytes than allowed are an error that names the limit; exactly so many are fine."""
    with pytest.raises(AttachmentTooLarge, match=r"3,145,727 bytes") as caught:
        await folder.write(7, "input", CONTENT, bytes_max=len(CONTENT) - 1)
    assert caught.value.bytes_max == len(CONTENT) - 1
    assert names_in(tmp_path) == []

    await folder.write(7, "input", CONTENT, bytes_max=len(CONTENT))
    assert names_in(tmp_path) == ["7.1.2"]


async def yields_text() -> AsyncIterator[str]:
    yield "text"


async def coroutine() -> bytes:
    return b""


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "number": (lambda: 5, "type int. It must be a path"),
    "none": (lambda: None, "type NoneType"),
    "list": (lambda: [b"a"], "type list"),
    "class": (lambda: io.BytesIO, "BytesIO itself. Call it"),
    "generator_not_called": (lambda: yields_text, "yields_text itself. Call it"),
    "coroutine": (coroutine, "Await it"),
    "stream_of_text": (yields_text, r"gave a str, not bytes\. .*encode"),
    "file_of_text": (lambda: io.StringIO("text"), r"gave a str, not bytes\. .*binary mode"),
    "missing": (lambda: "/no/such/file", r"no file '/no/such/file'.*text\.encode"),
    "empty_path": (lambda: "", "is a folder, not a file"),
    "folder": (lambda: Path("/"), "is a folder, not a file. .*pack"),
    "file_as_folder": (lambda: __file__ + "/x", "cannot be read"),
    "device": (lambda: "/dev/zero", "pipe, socket or device, not a file"),
    "unreadable": (lambda: "/proc/self/mem", "cannot be read: .*Input/output error"),
    "nul_in_path": (lambda: "a\0b", "cannot be read: embedded null byte"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_source_that_is_none_is_explained(
    what: str, folder: Folder, tmp_path: Path
) -> None:
    """What cannot be attached is a typed error that says what to do, and leaves nothing."""
    make, said = WRONG[what]

    with pytest.raises(InvalidSource, match=said) as caught:
        await folder.write(7, "input", cast("Source", make()))
    assert caught.value.name == "input"
    assert names_in(tmp_path) == []


async def test_a_file_that_may_not_be_read_is_explained(folder: Folder, tmp_path: Path) -> None:
    """Missing rights are named."""
    if os.geteuid() == 0:
        pytest.skip("root may read everything; /proc/self/mem stands for it above")
    path = tmp_path / "private"
    path.write_bytes(b"secret")
    path.chmod(0)

    with pytest.raises(InvalidSource, match=r"cannot be read: .*Permission denied"):
        await folder.write(7, "input", path)


async def test_a_pipe_given_by_name_does_not_hang(folder: Folder, tmp_path: Path) -> None:
    """Opening a named pipe would wait for a writer for ever: it is refused at once."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(InvalidSource, match="pipe, socket or device"):
        await folder.write(7, "input", tmp_path / "pipe")
    assert names_in(tmp_path) == []


async def test_a_file_object_that_does_not_block_is_refused(folder: Folder, tmp_path: Path) -> None:
    """ "Nothing yet" is not the end: such a file object would be cut short."""
    with (
        pipe(blocking=False) as (reading, _writing),
        pytest.raises(InvalidSource, match="does not block"),
    ):
        await folder.write(7, "input", reading)
    assert names_in(tmp_path) == []


async def test_a_name_that_is_none_is_refused_before_anything_is_made(
    folder: Folder, tmp_path: Path
) -> None:
    """A path as a name does not even make the folder."""
    with pytest.raises(InvalidAttachmentName):
        await folder.write(7, "../input", b"content")
    assert not (tmp_path / "jobs.db.files").exists()


async def test_a_file_in_the_place_of_the_folder_is_an_error(
    folder: Folder, tmp_path: Path
) -> None:
    """Where the folder should be lies a file: an error of the disk, named with the folder."""
    (tmp_path / "jobs.db.files").write_bytes(b"in the way")

    with pytest.raises(FileNotWritten, match=r"jobs\.db\.files.*Not a directory"):
        await folder.write(7, "input", b"content")
    assert (tmp_path / "jobs.db.files").read_bytes() == b"in the way"


@pytest.mark.parametrize("taken", ["7.1.1", "7.1.1.part"])
async def test_a_name_in_use_is_never_written_over(
    taken: str, folder: Folder, tmp_path: Path
) -> None:
    """Should a name come twice, the first file keeps its content, and the second is an error."""
    (tmp_path / "jobs.db.files").mkdir()
    (tmp_path / "jobs.db.files" / taken).write_bytes(b"the first")

    with pytest.raises(FileNotWritten, match="File exists"):
        await folder.write(7, "input", b"the second")
    assert (tmp_path / "jobs.db.files" / taken).read_bytes() == b"the first"
    assert names_in(tmp_path) == [taken]


async def test_threads_that_were_shut_down_are_an_error(tmp_path: Path) -> None:
    """After the end of its threads the folder writes nothing, and says so."""
    threads = ThreadPoolExecutor(1)
    threads.shutdown()
    folder = make_folder(tmp_path, threads)

    with pytest.raises(RuntimeError, match="shutdown"):
        await folder.write(7, "input", b"content")
    assert names_in(tmp_path) == []
