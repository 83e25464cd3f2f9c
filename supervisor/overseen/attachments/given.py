"""What a body gets: its files, by name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from overseen.attachments.blocking import BlockingWork
from overseen.attachments.errors import AttachmentNotFound
from overseen.attachments.reading import FileReader, open_file, read_exactly

__all__ = ["Attachment", "Attachments"]

CHUNK_BYTES = 1 << 20


@final
@dataclass(frozen=True, slots=True)
class Attachment:
    """One file of a job. It does not change, and it is there as long as the job runs.

    A plain ``def`` body opens `path`; an async one reads through threads, so that its neighbours
    go on meanwhile::

        async with ctx.attachments["input.mp4"].open() as reader:
            head = await reader.read(512)

    Reading raises OSError, as everywhere.
    """

    name: str
    """What the job calls it."""
    path: Path
    """Where it lies. Others may share the file: read it, never write to it."""
    size_bytes: int
    """Its size."""
    digest: str
    """sha256 of its content, hexadecimal; it was compared before the body began."""
    created_at: int
    """When it was attached, in microseconds since the Unix epoch."""
    work: BlockingWork = field(repr=False, compare=False)
    """How reading reaches a thread."""

    def open(self) -> FileReader:
        """Return the file for ``async with``; see `FileReader`."""
        return FileReader(self.path, self.work)

    async def chunks(self, size: int = CHUNK_BYTES) -> AsyncGenerator[bytes, None]:
        """Give the content in pieces of `size` bytes, the last one shorter.

            async for chunk in ctx.attachments["log"].chunks():
                hashed.update(chunk)

        A loop that is left early leaves nothing open: each piece opens the file anew.
        """
        if size < 1:
            raise ValueError(f"chunks({size}): a piece has at least 1 byte")
        position = 0
        while piece := await self._read(position, size):
            position += len(piece)
            yield piece

    async def read_bytes(self) -> bytes:
        """Return all of it. Mind the size: `size_bytes` tells before."""
        return await self._read(0, -1)

    async def _read(self, position: int, size: int) -> bytes:
        return await self.work.run(lambda: _read_at(self.path, position, size))


def _read_at(path: Path, position: int, size: int) -> bytes:
    with open_file(path) as file:
        file.seek(position)
        return read_exactly(file.read, size)


@final
class Attachments(Mapping[str, Attachment]):
    """The files of a job by name, in order of their names. ``ctx.attachments`` is one.

    A name that is not there is an AttachmentNotFound, which is a KeyError and lists what is.
    """

    __slots__ = ("_by_name",)

    def __init__(self, attachments: Iterable[Attachment] = ()) -> None:
        ordered = sorted(attachments, key=lambda attachment: attachment.name)
        self._by_name = {attachment.name: attachment for attachment in ordered}

    def __getitem__(self, name: str) -> Attachment:
        try:
            return self._by_name[name]
        except KeyError:
            raise AttachmentNotFound(name, self._by_name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def __repr__(self) -> str:
        return f"Attachments({', '.join(map(repr, self._by_name))})"
