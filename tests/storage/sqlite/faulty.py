"""Real connections that fail where a test says so."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

Execute = Callable[[], sqlite3.Cursor]


class Faults:
    """What goes wrong next; one for each test."""

    def __init__(self) -> None:
        self.on: Callable[[str, Execute], sqlite3.Cursor] | None = None
        """Called instead of every statement, with its text and how to execute it."""

    def factory(self) -> type[sqlite3.Connection]:
        """A class of connections that ask these faults."""
        faults = self

        class Faulty(sqlite3.Connection):
            def execute(self, sql: str, parameters: object = ()) -> sqlite3.Cursor:
                def really() -> sqlite3.Cursor:
                    return super(Faulty, self).execute(sql, parameters)  # type: ignore[arg-type] # typeshed's is private

                return really() if faults.on is None else faults.on(sql, really)

        return Faulty


def disk_error(code: int, message: str = "disk I/O error") -> sqlite3.OperationalError:
    """What sqlite3 raises when the disk fails."""
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return error
