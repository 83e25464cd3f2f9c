"""The folder in which the files of jobs lie, beside the database."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable, Container, Iterable
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from overseen.attachments.blocking import BlockingWork
from overseen.attachments.errors import (
    AttachmentDamaged,
    AttachmentTooLarge,
    Damage,
    FileNotRead,
    not_written,
)
from overseen.attachments.names import check_attachment_name, check_stored_name, is_ours
from overseen.attachments.part_file import PartFile, make_folder
from overseen.attachments.reading import FileReader, NotAFile
from overseen.attachments.sources import PIECE_BYTES, Source, pieces_of

__all__ = ["Folder", "NotRemoved", "StoredFile", "folder_beside"]

MEMORY = ":memory:"
SUFFIX = ".files"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is whole and on the disk, but that no row mentions yet."""

    stored_name: str
    """Its name in the folder."""
    digest: str
    """sha256 of its content, hexadecimal."""
    size_bytes: int
    """Its size."""


@dataclass(frozen=True, slots=True)
class NotRemoved:
    """A file that should have gone and is still there."""

    stored_name: str
    """Its name in the folder."""
    why: str
    """What the system, or a check, said."""


def folder_beside(database_path: str | os.PathLike[str]) -> Path | None:
    """Return where the files of a database lie: ``<its real path>.files``; None in memory.

    Links to a database lead to the same folder, as they lead to the same lock.
    """
    real = os.fspath(database_path)
    return None if real == MEMORY else Path(os.path.realpath(real) + SUFFIX)


class Folder:
    """Keeps, checks and removes files. All of it happens in threads, in constant memory.

    `path` is the folder, made when the first file comes; None (a database in memory) stands for a
    temporary one, which goes with `close`. `new_name` gives, for a job's id, another name at each
    call (`StoredNames`); one that lies in the folder already is passed over. The executor should
    have threads of its own: one that is full of bodies which wait for an attachment would wait for
    ever.

        folder = Folder(folder_beside("jobs.db"), executor=lambda: threads, new_name=new_name)
        stored = await folder.write(7, "input.mp4", upload)
        await folder.verify(stored.stored_name, stored.digest, stored.size_bytes)
        await folder.remove([stored.stored_name])
    """

    def __init__(
        self,
        path: Path | None,
        *,
        executor: Callable[[], Executor | None],
        new_name: Callable[[int], str],
    ) -> None:
        self._path = path
        self._new_name = new_name
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._making = threading.Lock()
        self.work = BlockingWork(executor)
        """How anything about these files reaches a thread."""

    @property
    def path(self) -> Path | None:
        """The folder; None as long as it is a temporary one that was not needed yet."""
        if self._path is None and self._temporary is not None:
            return Path(self._temporary.name)
        return self._path

    def path_of(self, stored_name: str) -> Path:
        """Return where a stored file lies, whether or not it is there.

        Raises AttachmentDamaged for a name that no file is given, such as one that would lead out
        of the folder, and for any name as long as the temporary folder was never used.
        """
        check_stored_name(stored_name)
        folder = self.path
        if folder is None:
            raise AttachmentDamaged(stored_name, Damage.MISSING)
        return folder / stored_name

    async def write(
        self,
        job_id: int,
        name: str,
        source: Source,
        *,
        bytes_max: int | None = None,
    ) -> StoredFile:
        """Keep what `source` gives, and return when it is safe from a power cut.

        However this fails or is cancelled, nothing is left in the folder; a write that a thread has
        under way is waited for. The errors of a stream pass unchanged. The same content attached
        twice is kept twice.

        Raises:
            InvalidAttachmentName: see `check_attachment_name`.
            InvalidSource: `source` is nothing that can be attached, or cannot be read.
            AttachmentTooLarge: there is more than `bytes_max`.
            NoSpaceForFile: the disk is full, or the quota is used up.
            FileNotWritten: the disk refused for another reason.
        """
        check_attachment_name(name)
        limit = _Limit(name, bytes_max)
        # Closed last, for the stream is the caller's and may take its time; the file goes first.
        async with aclosing(pieces_of(source, name, self.work)) as pieces:
            return await self._keep(job_id, name, pieces, limit)

    async def verify(self, stored_name: str, digest: str, size_bytes: int) -> None:
        """Return if the file is what was stored.

        Raises:
            AttachmentDamaged: it is missing, or has other bytes.
            FileNotRead: that cannot be said, because the disk does not give it back.
        """
        path = self.path_of(stored_name)
        try:
            async with FileReader(path, self.work, follow_links=False) as reader:
                await _compare(reader, stored_name, digest, size_bytes)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise AttachmentDamaged(stored_name, Damage.MISSING) from error
        except NotAFile as error:
            raise AttachmentDamaged(stored_name, Damage.NOT_A_FILE, found=str(error)) from error
        except OSError as error:
            raise FileNotRead(stored_name, str(error)) from error

    async def remove(self, stored_names: Iterable[str]) -> list[NotRemoved]:
        """Remove files; return those that are still there. A missing one is fine.

        Also takes what `orphans` found, parts included.
        """
        names = list(stored_names)
        return await self.work.run(lambda: self._remove_all(names)) if names else []

    async def orphans(self, used: Container[str]) -> list[str]:
        """Return the names of files that are not in `used`, unfinished ones included, in order.

        A file is not in use until its row is stored, so those that are being written are among
        them. What is not overseen's is left alone: folders, links, names of another form. Raises
        OSError when the folder cannot be listed; one that is not there is empty.
        """
        folder = self.path
        return [] if folder is None else await self.work.run(lambda: _orphans(folder, used))

    async def close(self) -> None:
        """Remove the temporary folder, if there is one. Nothing may be under way. Twice is fine."""
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            await self.work.run(temporary.cleanup)

    async def _keep(
        self,
        job_id: int,
        name: str,
        pieces: AsyncGenerator[bytes, None],
        limit: _Limit,
    ) -> StoredFile:
        writing = _Writing(self, job_id, name)
        try:
            await writing.begin(self._new_name)
            async for piece in pieces:
                limit.check(writing.size_bytes + len(piece))
                await writing.append(piece)
            return await writing.finish()
        except GeneratorExit:
            raise  # the coroutine is thrown away, nothing can be awaited: the next start finds it
        except BaseException:
            await self.work.run(writing.discard)
            raise

    def make(self) -> Path:
        """Make the folder unless it is there. Blocking."""
        if self._path is not None:
            make_folder(self._path)
            return self._path
        with self._making:
            if self._temporary is None:
                # Its name is random, but it is never stored, and nothing depends on it.
                self._temporary = tempfile.TemporaryDirectory(
                    prefix="overseen-", ignore_cleanup_errors=True
                )
            return Path(self._temporary.name)

    def _remove_all(self, names: Iterable[str]) -> list[NotRemoved]:
        folder = self.path
        failures = (None if folder is None else _remove(folder, name) for name in names)
        return [failure for failure in failures if failure is not None]


class _Writing:
    """One `write`: its steps in threads, and the disk's refusals as typed errors."""

    def __init__(self, folder: Folder, job_id: int, name: str) -> None:
        self._folder = folder
        self._job_id = job_id
        self._name = name
        self._stored_name = ""
        self._part: PartFile | None = None

    @property
    def size_bytes(self) -> int:
        return self._part.size_bytes if self._part else 0

    async def step(self, function: Callable[[], None]) -> None:
        try:
            await self._folder.work.run(function)
        except OSError as error:
            raise not_written(
                error,
                self._name,
                job_id=self._job_id,
                folder=self._folder.path,
                size_bytes=self.size_bytes,
            ) from error

    async def begin(self, new_name: Callable[[int], str]) -> None:
        """A name that is taken, by what another database left here, is passed over."""
        while self._part is None:
            self._stored_name = new_name(self._job_id)
            check_stored_name(self._stored_name)
            await self.step(self._begin)

    def _begin(self) -> None:
        part = PartFile(self._folder.make() / self._stored_name)
        with contextlib.suppress(FileExistsError):
            part.begin()
            self._part = part

    async def append(self, piece: bytes) -> None:
        part = self._begun()
        await self.step(lambda: part.append(piece))

    async def finish(self) -> StoredFile:
        part = self._begun()
        await self.step(part.finish)
        return StoredFile(self._stored_name, part.digest, part.size_bytes)

    def discard(self) -> None:
        if self._part is not None:
            self._part.discard()

    def _begun(self) -> PartFile:
        if self._part is None:
            raise ValueError(f"begin() was not called for {self._stored_name}")
        return self._part


@dataclass(frozen=True, slots=True)
class _Limit:
    name: str
    bytes_max: int | None

    def check(self, size_bytes: int) -> None:
        if self.bytes_max is not None and size_bytes > self.bytes_max:
            raise AttachmentTooLarge(self.name, bytes_max=self.bytes_max)


async def _compare(reader: FileReader, stored_name: str, digest: str, size_bytes: int) -> None:
    found = await reader.size()
    if found != size_bytes:  # the cheap question first: it spares reading
        raise AttachmentDamaged(
            stored_name,
            Damage.SIZE,
            expected=f"{size_bytes:,} bytes",
            found=f"{found:,} bytes",
        )
    hashed = hashlib.sha256()
    while await reader.feed(hashed.update, PIECE_BYTES):
        pass
    if hashed.hexdigest() != digest:
        raise AttachmentDamaged(
            stored_name,
            Damage.DIGEST,
            expected=f"sha256 {digest}",
            found=f"sha256 {hashed.hexdigest()}",
        )


def _remove(folder: Path, stored_name: str) -> NotRemoved | None:
    if not is_ours(stored_name):
        return NotRemoved(stored_name, "that is no name of a stored file")
    try:
        (folder / stored_name).unlink(missing_ok=True)
    except NotADirectoryError:
        return None  # no folder, no file
    except OSError as error:
        return NotRemoved(stored_name, str(error))
    return None


def _orphans(folder: Path, used: Container[str]) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.name not in used
                and is_ours(entry.name)
                and entry.is_file(follow_symlinks=False)
            )
    except (FileNotFoundError, NotADirectoryError):
        return []
