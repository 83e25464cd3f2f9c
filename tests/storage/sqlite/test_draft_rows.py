"""What the database itself holds of drafts and their files."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.storage.driving import Writer
from tests.storage.filing import HOUR, attach, draft, order, release

from overseen_storage.orders import KeepDraft
from overseen_storage.sqlite.store import SqliteStore


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    """An open store over a file."""
    async with Writer(SqliteStore(tmp_path / "jobs.db", owner_wait_seconds=0)) as writer:
        yield writer


def read(writer: Writer, sql: str) -> list[tuple[object, ...]]:
    """What a person with a shell sees."""
    with closing(sqlite3.connect(writer.store.location)) as connection:
        return connection.execute(sql).fetchall()


async def test_a_row_has_the_stamp_of_the_event_that_changed_it(writer: Writer) -> None:
    """`changed_at` goes with attaching and releasing; that a draft is kept has no event, and no
    stamp."""
    job_id = await draft(writer)
    for one in (attach(job_id, "a"), KeepDraft(job_id, writer.next + HOUR), release(job_id)):
        await order(writer, one)
        last = (await writer.store.attempts(job_id))[-1]
        assert read(writer, "SELECT changed_at FROM job") == [(last.at,)]


async def test_a_view_shows_files_in_words(writer: Writer) -> None:
    """`attachment_view` tells whose a file is and what the job is doing."""
    job_id = await draft(writer, "input.mp4")
    columns = "job_id, kind, status, name, size_bytes, stored_name, substr(created, 1, 4)"
    assert read(writer, f"SELECT {columns} FROM attachment_view") == [
        (job_id, "work", "draft", "input.mp4", 9, f"{job_id}-input.mp4", "2027")
    ]
    assert read(writer, "SELECT attachments FROM job_view") == [(1,)]
