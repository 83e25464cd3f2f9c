"""One file while it is being written. Blocking: for threads."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import sys
from pathlib import Path

from overseen.attachments.names import PART_SUFFIX

__all__ = ["PartFile", "make_folder"]


class PartFile:
    """Writes ``<stored name>.part``, and gives it its name when it is whole and on the disk.

    `begin`, `append` as often as needed, `finish`; or `discard` at any point, also after `finish`:
    then nothing is left. One at a time, in any thread.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part_path = path.with_name(path.name + PART_SUFFIX)
        self._file: io.FileIO | None = None
        self._is_named = False
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    @property
    def digest(self) -> str:
        """The sha256 of what was written so far, hexadecimal."""
        return self._hash.hexdigest()

    def begin(self) -> None:
        """Make the file; OSError if that is not possible, or if the name is in use."""
        if os.path.lexists(self._path):  # a rename would replace it without a word
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self._path))
        self._file = io.FileIO(self._part_path, "x", opener=_open_private)

    def append(self, piece: bytes) -> None:
        """Write `piece` to its end."""
        rest = memoryview(piece)
        while rest:
            # The kernel may take less than it is given; the next call then says why.
            rest = rest[self._opened().write(rest) :]
        self._hash.update(piece)
        self.size_bytes += len(piece)

    def finish(self) -> None:
        """Make it durable and give it its name, in the only order that survives a power cut.

        First the content (else the name could outlive it), then the name, then the folder that
        holds the name.
        """
        file = self._opened()
        os.fsync(file.fileno())
        file.close()
        self._part_path.rename(self._path)
        self._is_named = True
        sync_folder(self._path.parent)

    def discard(self) -> None:
        """Leave nothing behind, as far as the disk allows: the rest is found at the next start."""
        if self._file is None:
            return  # what may lie there is not ours
        with contextlib.suppress(OSError):
            self._file.close()
        for path in [self._part_path, *([self._path] if self._is_named else [])]:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _opened(self) -> io.FileIO:
        if self._file is None:
            raise ValueError(f"begin() was not called for {self._path}")
        return self._file


def make_folder(path: Path) -> None:
    """Make the folder, for this user only, unless it is there; and see that it stays there."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        return
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """See that the names in a folder are on the disk."""
    if sys.platform == "win32":
        return  # a folder cannot be opened there; its file system journals names by itself
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
