"""The schema's versions: numbered files in ``migrations/``, each applied once, in order.

`user_version` says which version a file has, `schema_migration` when and by which program it got
there, and with which text: a migration that was released never changes.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from overseen_storage.errors import DatabaseRefused, DatabaseTooNew

_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from a version to the next."""

    version: int
    """The version it leads to."""
    name: str
    """What it does, in a word or two."""
    text: str
    """Its SQL."""

    @property
    def checksum(self) -> str:
        """Of its text, whatever the line ends of the checkout are."""
        return hashlib.sha256(self.text.replace("\r\n", "\n").encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations, oldest first, without a gap."""
    found: list[Migration] = []
    for entry in files("overseen_storage.sqlite").joinpath("migrations").iterdir():
        match = _NAME.fullmatch(entry.name)
        if match is not None:
            found.append(Migration(int(match[1]), match[2], entry.read_text("utf-8")))
    found.sort(key=lambda migration: migration.version)
    assert [migration.version for migration in found] == list(range(1, len(found) + 1))
    return tuple(found)


def check_version(connection: sqlite3.Connection, path: str) -> int:
    """The version of the database's schema; raises `DatabaseRefused` if it is not one of ours."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    known = migrations()
    if version > len(known):
        raise DatabaseTooNew(
            f"{path} has schema version {version}; this version of overseen knows {len(known)}. "
            "Install the newer overseen that wrote it, or give this one another database."
        )
    if version:
        _check_texts(connection, path, known[:version])
    return version


def _check_texts(connection: sqlite3.Connection, path: str, known: tuple[Migration, ...]) -> None:
    rows = connection.execute("SELECT version, checksum FROM schema_migration").fetchall()
    applied: dict[int, str] = dict(rows)
    for migration in known:
        if applied.get(migration.version) != migration.checksum:
            raise DatabaseRefused(
                f"{path}: migration {migration.version} ({migration.name}) was applied with "
                f"another text (checksum {applied.get(migration.version)}, here "
                f"{migration.checksum}). It was written by an unreleased build: use that one, or "
                "another database."
            )


def migrate(connection: sqlite3.Connection, version: int, *, at: int, app_version: str) -> None:
    """Apply what is missing, inside the transaction that is open."""
    for migration in migrations()[version:]:
        for command in commands(migration.text):
            connection.execute(command)
        connection.execute(
            "INSERT INTO schema_migration (version, name, checksum, applied_at, app_version)"
            " VALUES (?, ?, ?, ?, ?)",
            (migration.version, migration.name, migration.checksum, at, app_version),
        )
        connection.execute(f"PRAGMA user_version = {migration.version:d}")


def commands(text: str) -> Iterator[str]:
    """The commands of a script, one by one (`executescript` would commit first)."""
    command = ""
    for line in text.splitlines(keepends=True):
        command += line
        if sqlite3.complete_statement(command):
            yield command
            command = ""
    assert not command.strip(), f"the script ends inside of: {command}"
