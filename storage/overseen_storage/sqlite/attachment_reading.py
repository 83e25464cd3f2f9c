"""Reading: the files of jobs."""

from __future__ import annotations

import sqlite3

import msgspec

from overseen_storage.records import AttachmentRecord
from overseen_storage.sqlite.statements import statement
from overseen_storage.sqlite.writer import is_storable

_decode_names = msgspec.json.Decoder(set[str]).decode
_FIELDS = AttachmentRecord.__struct_fields__


def read_attachments(connection: sqlite3.Connection, job_id: int) -> list[AttachmentRecord]:
    """The files of one job, by name."""
    if not is_storable(job_id):
        return []
    rows = connection.execute(statement("attachments"), {"job_id": job_id}).fetchall()
    return [AttachmentRecord(**dict(zip(_FIELDS, row, strict=True))) for row in rows]


def read_stored_files(connection: sqlite3.Connection) -> str:
    """Stored names of all files that a job uses, as a JSON array."""
    names: str = connection.execute(statement("stored_files")).fetchone()[0]
    return names


def stored_files(names: str) -> set[str]:
    """The answer to the caller, decoded on the loop's side."""
    return _decode_names(names)
