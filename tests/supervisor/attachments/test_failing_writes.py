"""A write that fails, for whatever reason, leaves nothing behind."""

from __future__ import annotations

import asyncio
import errno
import gc
import io
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import anyio
import pytest
from tests.supervisor.attachments.conftest import make_folder, names_in, pipe

from overseen.attachments import (
    AttachmentTooLarge,
    FileNotWritten,
    Folder,
    InvalidAttachmentName,
)
from overseen.attachments.blocking import BlockingWork

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
    """Threads of which one stops before step number `at` until the gate is opened.

    There is a second one: nothing is in order here only because it had to queue.
    """

    def __init__(self, at: int) -> None:
        super().__init__(2)
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

    assert names_in(tmp_path) == ["7-1-1"]


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


@pytest.mark.parametrize("times", [1, 4])
async def test_a_cancelled_write_waits_for_its_thread_and_leaves_nothing(
    times: int, tmp_path: Path
) -> None:
    """Whenever it is cancelled, however often, the step under way ends first; then it is tidy."""
    at = 1
    while await cancelled_write(tmp_path, at, times):
        assert names_in(tmp_path) == []
        at += 1

    assert at == 6


async def test_a_step_that_fails_after_a_cancellation_is_not_left_unlooked_at() -> None:
    """The cancellation is what the caller hears; asyncio has no forgotten error to complain of."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    disk: Future[None] = Future()
    with ThreadPoolExecutor(1) as threads:
        step = asyncio.create_task(BlockingWork(lambda: threads).run(disk.result))
        await asyncio.sleep(0)
        step.cancel()
        await asyncio.sleep(0)
        disk.set_exception(OSError(errno.EIO, "the disk fails"))

        with pytest.raises(asyncio.CancelledError):
            await step
        del step
    await asyncio.sleep(0)  # the loop has let go of it
    gc.collect()

    assert complaints == []


async def test_a_scope_of_anyio_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    """A cancelled scope cancels in every turn of the loop: that is waited out without spinning."""
    host = asyncio.current_task()
    assert host is not None
    deliveries = 0
    with Gated(3) as threads:
        folder = make_folder(tmp_path, threads)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:

                async def cancel() -> None:
                    nonlocal deliveries
                    await threads.reached.wait()
                    scope.cancel()
                    with anyio.CancelScope(shield=True):
                        for _ in range(50):
                            await asyncio.sleep(0)
                    deliveries = host.cancelling()
                    threads.open_gate()

                group.start_soon(cancel)
                await folder.write(7, "input", CONTENT)

    assert scope.cancelled_caught
    assert deliveries <= 2
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

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise ValueError("broken by its owner")

    with pytest.raises(ValueError, match="broken by its owner"):
        await folder.write(7, "input", Broken(CONTENT))
    assert names_in(tmp_path) == []


async def test_a_generator_that_is_not_read_to_its_end_is_closed(folder: Folder) -> None:
    """What holds the source's own files and connections open is told that nobody reads on."""
    closed = False

    async def endless() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            while True:
                yield bytes(1 << 20)
        finally:
            closed = True

    with pytest.raises(AttachmentTooLarge):
        await folder.write(7, "input", endless(), bytes_max=2 << 20)
    assert closed


async def test_a_limit_is_kept(folder: Folder, tmp_path: Path) -> None:
    """More bytes than allowed are an error that names the limit; exactly so many are fine."""
    with pytest.raises(AttachmentTooLarge, match=r"3,145,727 bytes") as caught:
        await folder.write(7, "input", CONTENT, bytes_max=len(CONTENT) - 1)
    assert caught.value.bytes_max == len(CONTENT) - 1
    assert names_in(tmp_path) == []

    await folder.write(7, "input", CONTENT, bytes_max=len(CONTENT))
    assert names_in(tmp_path) == ["7-1-2"]


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


@pytest.mark.parametrize("taken", ["7-1-1", "7-1-1.part"])
async def test_a_name_in_use_is_passed_over(taken: str, folder: Folder, tmp_path: Path) -> None:
    """Should a name be in the folder already, that file keeps its content, and the new one gets the
    next name."""
    (tmp_path / "jobs.db.files").mkdir()
    (tmp_path / "jobs.db.files" / taken).write_bytes(b"the first")

    stored = await folder.write(7, "input", b"the second")

    assert stored.stored_name == "7-1-2"
    assert folder.path_of("7-1-2").read_bytes() == b"the second"
    assert (tmp_path / "jobs.db.files" / taken).read_bytes() == b"the first"
    assert names_in(tmp_path) == sorted([taken, "7-1-2"])


async def test_threads_that_were_shut_down_are_an_error(tmp_path: Path) -> None:
    """After the end of its threads the folder writes nothing, and says so."""
    threads = ThreadPoolExecutor(1)
    threads.shutdown()
    folder = make_folder(tmp_path, threads)

    with pytest.raises(RuntimeError, match="shutdown"):
        await folder.write(7, "input", b"content")
    assert names_in(tmp_path) == []
