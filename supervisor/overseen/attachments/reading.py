"""Reading a file piece by piece, each in a thread."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from overseen.attachments.blocking import BlockingWork

__all__ = ["FileReader", "NotAFile", "open_file"]


class NotAFile(OSError):
    """The path names something else than a file: a folder, a pipe, a device."""


class FileReader:
    """An open file for coroutines.

    async with FileReader(path, work) as reader:
        head = await reader.read(512)
    """

    def __init__(self, path: Path, work: BlockingWork, *, follow_links: bool = True) -> None:
        self._path = path
        self._work = work
        self._follow_links = follow_links
        self._file: io.FileIO | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._work.run(self._open)
        except BaseException:
            await self.close()  # it may have been opened when a cancellation came
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes, fewer at the end, none after it; all when negative."""
        file = self._opened()
        return await self._work.run(lambda: read_exactly(file.read, size))

    async def feed(self, take: Callable[[bytes], None], size: int) -> bool:
        """Give the next bytes to `take`, in the thread; return whether there were any."""
        file = self._opened()

        def read_and_take() -> bool:
            piece = file.read(size)
            take(piece)
            return bool(piece)

        return await self._work.run(read_and_take)

    async def seek(self, position: int) -> None:
        """Go on at that byte, counted from the beginning (0)."""
        file = self._opened()
        await self._work.run(lambda: file.seek(position))

    async def size(self) -> int:
        """Return how many bytes the file has now."""
        file = self._opened()
        return await self._work.run(lambda: os.fstat(file.fileno()).st_size)

    async def close(self) -> None:
        """Close the file; twice is fine."""
        if self._file is not None:
            await self._work.run(self._file.close)

    def _open(self) -> None:
        self._file = open_file(self._path, follow_links=self._follow_links)

    def _opened(self) -> io.FileIO:
        if self._file is None or self._file.closed:
            raise ValueError(f"{self._path} is not open: use `async with` and read inside it")
        return self._file


def read_exactly(read: Callable[[int], bytes | None], size: int) -> bytes:
    """Read until there are `size` bytes or the end is reached: one call may return less."""
    if size < 0:
        return read(-1) or b""
    pieces: list[bytes] = []
    while size > 0 and (piece := read(size)):
        pieces.append(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def open_file(path: Path, *, follow_links: bool = True) -> io.FileIO:
    """Open a file for reading, and nothing that only looks like one.

    Blocking, but never for long: opening a pipe would wait for a writer, perhaps for ever.

    Raises:
        NotAFile: it is a folder, a pipe, a device; or a link, and links are not followed.
        OSError: whatever else the system says.
    """
    if not follow_links and path.is_symlink():
        raise NotAFile("a symbolic link")
    if path.is_dir():  # asked first, because not every system lets a folder be opened
        raise NotAFile("a folder")
    file = io.FileIO(path, "r", opener=_open_without_waiting)
    mode = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(mode):
        file.close()
        raise NotAFile("a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device")
    return file


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
