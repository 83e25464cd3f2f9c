"""What a program did to its disk, in order: writes, syncs, names; and what it said meanwhile."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

OPTIONS = ("-y", "-xx", "-s", "2000000")
"""How strace must be told to write its log: paths, and every byte as hexadecimal."""

CALLS = (
    *("openat", "write", "pwrite64", "ftruncate", "fdatasync", "fsync"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat"),
)


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes at a place; None: at the end."""

    path: str
    offset: int | None
    content: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A new length."""

    path: str
    length: int


@dataclass(frozen=True, slots=True)
class Sync:
    """A file, or the names in a folder, are to be safe."""

    path: str


@dataclass(frozen=True, slots=True)
class Create:
    """A new name, of a new file or folder."""

    path: str
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class Rename:
    """Another name."""

    path: str
    to: str


@dataclass(frozen=True, slots=True)
class Unlink:
    """A name less."""

    path: str


@dataclass(frozen=True, slots=True)
class Said:
    """A line that the program said."""

    words: tuple[str, ...]


Step: TypeAlias = Write | Truncate | Sync | Create | Rename | Unlink | Said

RESUMED = re.compile(r"^<\.\.\. \w+ resumed>(.*)$")
TEXT = r'"((?:\\x[0-9a-f]{2})*)"'
OPENED = r"\d+<([^>]*)>"
FORMS = {
    "openat": re.compile(rf"openat\((?:AT_FDCWD|{OPENED})[^,]*, {TEXT}, ([A-Z_|0-9]+)"),
    "write": re.compile(rf"write\({OPENED}, {TEXT}, (\d+)\)"),
    "pwrite64": re.compile(rf"pwrite64\({OPENED}, {TEXT}, (\d+), (\d+)\)"),
    "ftruncate": re.compile(rf"ftruncate\({OPENED}, (\d+)\)"),
    "sync": re.compile(rf"f(?:data)?sync\({OPENED}\)"),
    "rename": re.compile(rf"rename(?:at2?)?\([^\"]*{TEXT}, [^\"]*{TEXT}"),
    "unlink": re.compile(rf"unlink(?:at)?\([^\"]*{TEXT}"),
    "mkdir": re.compile(rf"mkdir(?:at)?\([^\"]*{TEXT}"),
}


def read(log: Path, folder: Path) -> list[Step]:
    """The steps of a log that strace wrote with `OPTIONS`, as far as they are about `folder`."""
    steps: list[Step] = []
    begun: dict[str, str] = {}
    there: set[str] = set()
    for line in log.read_text().splitlines():
        thread, _, rest = line.partition(" ")
        text = rest.strip()
        if text.endswith("<unfinished ...>"):
            begun[thread] = text.removesuffix("<unfinished ...>").rstrip()
            continue
        if (resumed := RESUMED.match(text)) is not None:
            text = begun.pop(thread) + resumed[1]
        if ") = -1 " in text or ") = ?" in text or ") = " not in re.sub(r" +=", " =", text):
            continue
        step = _step(text, there)
        if isinstance(step, Said) or (step is not None and step.path.startswith(f"{folder}")):
            steps.append(step)
    return steps


def _step(text: str, there: set[str]) -> Step | None:
    name = text.partition("(")[0]
    kind = "sync" if name.endswith("sync") else re.sub(r"at2?$", "", name)
    match = FORMS["openat" if name == "openat" else kind].match(text)
    if match is None:
        return None
    match kind:
        case "open":
            path = _text(match[2])
            if "O_CREAT" not in match[3] or path in there:
                return None
            there.add(path)
            return Create(path)
        case "write":
            path, content = _path(match[1]), _bytes(match[2])
            if path.startswith("socket:"):
                return Said(tuple(content.decode().split()))
            return Write(path, None, content)
        case "pwrite64":
            content = _bytes(match[2])
            assert len(content) == int(match[3]), "strace wrote all of it"
            return Write(_path(match[1]), int(match[4]), content)
        case "ftruncate":
            return Truncate(_path(match[1]), int(match[2]))
        case "sync":
            return Sync(_path(match[1]))
        case "rename":
            old, new = _text(match[1]), _text(match[2])
            there.discard(old)
            there.add(new)
            return Rename(old, new)
        case "unlink":
            there.discard(_text(match[1]))
            return Unlink(_text(match[1]))
        case _:
            return Create(_text(match[1]), is_folder=True)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _text(text: str) -> str:
    return _bytes(text).decode()


def _path(text: str) -> str:
    return _text(text) if text.startswith("\\x") else text
