"""What a disk may hold after the power has gone, rebuilt from what a program did to it.

Kept is what was synced: the content of a file by a sync of the file, its name by a sync of its
folder (more than POSIX no file system promises; most keep more). Of everything else anything may
be there: each write is lost, kept, or torn into sectors of 512 bytes of which some arrived; of the
changes of names the first few, in order, as journals keep them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeAlias, assert_never

from tests.crash.recording import Create, Rename, Said, Step, Sync, Truncate, Unlink, Write

SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that were written at a place."""

    offset: int
    content: bytes


@dataclass(slots=True, eq=False)
class File:
    """One file, whatever its names: what is safe, and what was done to it since."""

    safe: bytearray = field(default_factory=bytearray)
    since: list[Piece | int] = field(default_factory=list[Piece | int])
    """Writes and new lengths."""
    length: int = 0
    """As the program sees it."""
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A name more; for a rename, `instead_of` another."""

    path: str
    file: File
    instead_of: str | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """A name less."""

    path: str


Naming: TypeAlias = Link | Gone
Image: TypeAlias = dict[str, bytes | None]
"""Content by path; None: a folder."""


class Disk:
    """What is safe on it, and what is not yet."""

    def __init__(self) -> None:
        self._seen: dict[str, File] = {}
        """Names as the program sees them."""
        self._safe: dict[str, File] = {}
        self._since: list[Naming] = []

    def do(self, step: Step) -> None:
        """Do what the program did."""
        match step:
            case Create():
                self._name(Link(step.path, File(is_folder=step.is_folder)))
            case Rename():
                self._name(Link(step.to, self._seen[step.path], instead_of=step.path))
            case Unlink():
                self._name(Gone(step.path))
            case Write():
                file = self._seen[step.path]
                offset = file.length if step.offset is None else step.offset
                file.since.append(Piece(offset, step.content))
                file.length = max(file.length, offset + len(step.content))
            case Truncate():
                file = self._seen[step.path]
                file.since.append(step.length)
                file.length = step.length
            case Sync():
                self._sync(step.path)
            case Said():
                pass
            case _:
                assert_never(step)

    def _name(self, naming: Naming) -> None:
        apply_naming(self._seen, naming)
        self._since.append(naming)

    def _sync(self, path: str) -> None:
        file = self._seen.get(path)
        if file is not None and not file.is_folder:
            file.safe = content_of(file, file.since)
            file.since.clear()
            return
        inside = [one for one in self._since if str(Path(one.path).parent) == path]
        for naming in inside:
            apply_naming(self._safe, naming)
        self._since = [one for one in self._since if one not in inside]

    @property
    def is_safe(self) -> bool:
        """Whether nothing could be lost."""
        return not self._since and not any(file.since for file in self._seen.values())

    def least(self) -> Image:
        """Nothing survived but what was synced."""
        return image_of(self._safe, {})

    def some(self, random: Random) -> Image:
        """One of the many things that may be there."""
        names = dict(self._safe)
        for naming in self._since[: random.randint(0, len(self._since))]:
            apply_naming(names, naming)
        return image_of(names, {id(file): survivors(file, random) for file in names.values()})


def survivors(file: File, random: Random) -> list[Piece | int]:
    """What arrived of what was not synced."""
    arrived: list[Piece | int] = []
    for change in file.since:
        fate = random.random()
        if fate < 0.4:
            continue
        if fate < 0.6 and isinstance(change, Piece):
            arrived += [one for one in sectors(change) if random.random() < 0.5]
        else:
            arrived.append(change)
    return arrived


def sectors(piece: Piece) -> Iterator[Piece]:
    """The parts of a write that lie in one sector each."""
    at, end = piece.offset, piece.offset + len(piece.content)
    while at < end:
        to = min((at // SECTOR_BYTES + 1) * SECTOR_BYTES, end)
        yield Piece(at, piece.content[at - piece.offset : to - piece.offset])
        at = to


def content_of(file: File, changes: Sequence[Piece | int]) -> bytearray:
    """What is safe, and these changes."""
    content = bytearray(file.safe)
    for change in changes:
        if isinstance(change, int):
            content = content[:change].ljust(change, b"\0")
        else:
            end = change.offset + len(change.content)
            content = content.ljust(change.offset, b"\0")
            content[change.offset : end] = change.content
    return content


def apply_naming(names: dict[str, File], naming: Naming) -> None:
    """Change names."""
    if isinstance(naming, Gone):
        names.pop(naming.path, None)
        return
    names[naming.path] = naming.file
    if naming.instead_of is not None:
        names.pop(naming.instead_of, None)


def image_of(names: dict[str, File], arrived: dict[int, list[Piece | int]]) -> Image:
    """Every file that has a name, in a folder that has one."""
    return {
        path: None if file.is_folder else bytes(content_of(file, arrived.get(id(file), [])))
        for path, file in names.items()
    }


def put(image: Image, was: Path, folder: Path) -> None:
    """Lay an image of the files in `was` down in `folder`. What SQLite maps into memory (``-shm``)
    is not laid down: it is made anew."""
    for path in sorted(image):
        content = image[path]
        place = folder / Path(path).relative_to(was)
        if path.endswith("-shm") or not place.parent.is_dir():
            continue
        if content is None:
            place.mkdir(exist_ok=True)
        else:
            place.write_bytes(content)
