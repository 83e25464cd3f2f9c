"""Payloads near SQLite's own limit on the length of a text."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from tests.storage.driving import Writer, new_job

from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore

LENGTH_MAX = 1_000_000


class Limited(sqlite3.Connection):
    """A connection whose texts may have a million bytes (else: a thousand million)."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LENGTH_MAX)


async def test_claims_that_no_text_can_hold_are_read_in_parts(tmp_path: Path) -> None:
    """Jobs whose arguments together are longer than SQLite's longest text start all the same, in
    order, with the arguments they were submitted with."""
    connector = InlineConnector(factory=Limited)
    store = SqliteStore(tmp_path / "jobs.db", connector=connector, owner_wait_seconds=0)
    async with Writer(store) as writer:
        jobs = [new_job(arguments=f'{{"n":{n},"x":"{"x" * 300_000}"}}') for n in range(11)]
        ids = await writer.submit(*jobs)
        claimed = await writer.claim()
        assert [one.id for one in claimed] == ids
        assert [one.arguments for one in claimed] == [job.arguments for job in jobs]
