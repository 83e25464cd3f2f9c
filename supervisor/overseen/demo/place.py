"""Where the demo keeps its database, and what beginning afresh removes.

By default in the user's cache folder, one database for each corpus, so that the same command goes
on with the same work and nothing appears in the folder one happens to be in.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from overseen.attachments.folder import folder_beside
from overseen_storage.errors import OverseenError


class NotADemo(OverseenError):
    """The database that was named is somebody's work. Nothing was written and nothing removed."""


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one demo."""

    database: Path
    """The SQLite database."""

    @property
    def planted(self) -> Path:
        """The folder of planted files; that it is there tells that the database is a demo's."""
        return self.database.with_name(f"{self.database.stem}-planted")

    @property
    def uploaded(self) -> Path:
        """The folder of files that were attached to jobs."""
        folder = folder_beside(self.database)
        assert folder is not None, "a demo is never in memory"
        return folder

    @property
    def files_of_database(self) -> tuple[Path, ...]:
        """The database and what SQLite puts beside it (the owner's lock file stays)."""
        endings = ("", "-wal", "-shm", "-journal")
        return tuple(self.database.with_name(self.database.name + ending) for ending in endings)


def default_place(
    label: str, roots: Iterable[Path], cache: Path, version: tuple[int, int] = sys.version_info[:2]
) -> Place:
    """The place of the demo over `roots`: another corpus, or another Python, is another database.

    >>> default_place("my code", [Path("/src")], Path("/cache"), (3, 13)).database.name[:12]
    'my-code-3.13'
    """
    word = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40] or "files"
    digest = hashlib.blake2b(digest_size=4)
    for root in roots:
        digest.update(os.fsencode(root) + b"\0")
    name = f"{word}-{version[0]}.{version[1]}-{digest.hexdigest()}.db"
    return Place(cache / "overseen" / "demo" / name)


def cache_folder(environment: Mapping[str, str], platform: str = sys.platform) -> Path:
    """The user's cache folder, as each system has it; a temporary one for users without a home."""
    if platform == "win32" and environment.get("LOCALAPPDATA"):
        return Path(environment["LOCALAPPDATA"])
    if Path(environment.get("XDG_CACHE_HOME", "")).is_absolute():
        return Path(environment["XDG_CACHE_HOME"])
    try:
        home = Path.home()
    except RuntimeError:
        home = Path()
    if not home.is_absolute() or not os.access(home, os.W_OK):
        return Path(tempfile.gettempdir()) / f"cache-of-{environment.get('USER', 'nobody')}"
    return home / ("Library/Caches" if platform == "darwin" else ".cache")


def check(place: Place) -> None:
    """Refuse a database that no demo has made: it must not get our jobs, let alone be removed.

    To be asked before anything is planted, for the planted files are the sign of a demo.
    """
    if place.database.exists() and not place.planted.is_dir():
        raise NotADemo(
            f"{place.database} was not made by `overseen demo` (there is no {place.planted.name} "
            "beside it), so the demo leaves it alone. Name another file with --database"
        )


def remove(place: Place) -> None:
    """Remove what an earlier demo left here.

    The caller holds the database's owner lock: nobody works on it. Raises `NotADemo`.
    """
    check(place)
    for path in place.files_of_database:
        path.unlink(missing_ok=True)
    shutil.rmtree(place.uploaded, ignore_errors=True)
    shutil.rmtree(place.planted, ignore_errors=True)
