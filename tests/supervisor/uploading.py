"""What tests upload, what they find in the folder of files, and what the rows say of it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from overseen import Event

__all__ = ["MIB", "files_beside", "rows_of_files", "stream", "told"]

MIB = 1 << 20
"""About what is written to a file at a time."""


def files_beside(database: Path) -> list[str]:
    """What lies in the folder of a database's files, in order."""
    folder = Path(f"{database}.files")
    return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []


def rows_of_files(database: Path) -> list[tuple[int, str, str]]:
    """Each job's files as the database names them: job, name, stored name."""
    with closing(sqlite3.connect(database)) as file:
        query = "SELECT job_id, name, stored_name FROM attachment ORDER BY job_id, name"
        return [(int(job), str(name), str(stored)) for job, name, stored in file.execute(query)]


async def stream(
    pieces: Iterable[bytes], *, every: float = 0, error: BaseException | None = None
) -> AsyncGenerator[bytes, None]:
    """An upload that takes `every` seconds for each piece, and may break off in the end."""
    for piece in pieces:
        await asyncio.sleep(every)
        yield piece
    if error is not None:
        raise error


def told(event: Event) -> Any:
    """What an event says, decoded."""
    return json.loads(event.data or "null")
