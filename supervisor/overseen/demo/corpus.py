"""Which files the demo asks about: found under some folders, chosen, and a few planted.

The choice is by a digest of each file's path: the same files in every run, spread over all of
them, and a larger choice contains a smaller one.
"""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

SIZE_LIMIT_BYTES = 128 * 1024
"""Larger files are left out: Python's parser lets no other thread run meanwhile (128 KiB: 0.2 s),
and the event loop is one of them. What must take longer belongs into a process of its own."""

FLAKY = "flaky"
BROKEN = "broken"

GOOD_SOURCE = '''"""Planted by overseen demo: good Python, whose first attempt is made to fail."""


def answer(question: str) -> int:
    """Answer every question alike."""
    return 42 if question else 0
'''

BROKEN_SOURCES: tuple[tuple[str, bytes], ...] = (
    ("syntax_unclosed", b"def area(width, height:\n    return width * height\n"),
    ("encoding_latin", b'"""Caf\xe9."""\n\nopen_at = 8\n'),
    ("nul_byte", b"first = 1\nsecond = \x002\n"),
    ("syntax_python2", b'print "hello"\n'),
    ("encoding_unknown", b"# coding: klingon\nqapla = True\n"),
    ("syntax_indentation", b"def one():\nreturn 1\n"),
    ("encoding_cut", b'"""Cut off."""\n\nname = "na\xc3'),
    ("nul_padding", b"padded = True\n" + bytes(512)),
    ("syntax_assignment", b"1 = one\n"),
    ("encoding_mixed", b"# coding: ascii\nsign = '\xe2\x82\xac'\n"),
    ("nul_middle", b'text = "a\x00b"\n'),
    ("syntax_merge", b"<<<<<<< ours\nlimit = 1\n=======\nlimit = 2\n>>>>>>> theirs\n"),
)
"""Deliberately broken: syntax, encoding and NUL in turn, so that a small demo has each."""

FLAKY_COUNT = 8


@dataclass(frozen=True, slots=True)
class Corpus:
    """The files of one demo."""

    files: tuple[Path, ...]
    """What is asked about, in the order of asking; the planted ones are among them."""
    found: int
    """How many Python files there were to choose from."""
    flaky: frozenset[Path]
    """Those of `files` whose first attempts are to fail."""
    broken: frozenset[Path]
    """Those of `files` that the demo has written so that they fail for good."""


def default_roots() -> tuple[Path, ...]:
    """The running Python's standard library and the folders of installed packages beside it."""
    library = Path(sysconfig.get_path("stdlib"))
    beside = (Path(entry) for entry in sys.path if entry.endswith("-packages"))
    return tuple(dict.fromkeys(root.resolve() for root in (library, *beside) if root.is_dir()))


def find(roots: Iterable[Path]) -> list[Path]:
    """Find the Python files under some folders (or take the files themselves), each once."""
    found = (path for root in roots for path in find_under(root))
    return list(dict.fromkeys(found))


def find_under(root: Path) -> Iterator[Path]:
    """Walk one folder, without caches, hidden folders and links to folders."""
    if root.is_file():
        yield root
        return
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if name[0] != "." and name != "__pycache__")
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def choose(paths: Iterable[Path], count: int) -> list[Path]:
    """Choose up to `count` files that can be read at a reasonable size, the same ones each time."""
    in_order = sorted(paths, key=place_in_order)
    return list(islice(filter(is_small_file, in_order), max(0, count)))


def place_in_order(path: Path) -> bytes:
    """A number drawn from the path: an order that spreads over the corpus and never changes."""
    return hashlib.blake2b(os.fsencode(path), digest_size=8).digest()


def is_small_file(path: Path) -> bool:
    """Whether it is a file (a pipe would never end) within the limit, with a name one can write."""
    try:
        str(path).encode()
        return path.is_file() and path.stat().st_size <= SIZE_LIMIT_BYTES
    except (OSError, UnicodeEncodeError):
        return False


def plant(folder: Path, files: int) -> tuple[list[Path], list[Path]]:
    """Write the broken and the flaky files for a demo over `files`; what is there stays."""
    broken = [
        (folder / BROKEN / f"{name}.py", source)
        for name, source in BROKEN_SOURCES[: share(files, len(BROKEN_SOURCES))]
    ]
    flaky = [
        (folder / FLAKY / f"first_read_fails_{number}.py", GOOD_SOURCE.encode())
        for number in range(1, 1 + share(files, FLAKY_COUNT))
    ]
    for path, source in (*broken, *flaky):
        if not path.is_file() or path.read_bytes() != source:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source)
    return [path for path, _ in broken], [path for path, _ in flaky]


def share(files: int, most: int) -> int:
    """How many planted files of one sort suit a corpus: up to a twentieth, at least one."""
    return max(1, min(most, files // 20))


def gather(found: Iterable[Path], planted_folder: Path, count: int) -> Corpus:
    """Choose from what was found, and plant; the planted files come evenly among the others."""
    others = [path for path in found if not path.is_relative_to(planted_folder)]
    broken, flaky = plant(planted_folder, count)
    chosen = choose(others, count - len(broken) - len(flaky))
    files = mixed(mixed(chosen, broken), flaky)
    return Corpus(tuple(files), len(others), frozenset(flaky), frozenset(broken))


def mixed(many: list[Path], few: list[Path]) -> list[Path]:
    """Spread the few evenly among the many, keeping the order of both.

    >>> [str(path) for path in mixed([Path("a"), Path("b"), Path("c")], [Path("x")])]
    ['a', 'b', 'x', 'c']
    """
    places = [((n + 0.5) / len(many), path) for n, path in enumerate(many)]
    places += [((n + 0.6) / len(few), path) for n, path in enumerate(few)]
    return [path for _, path in sorted(places, key=lambda place: place[0])]
