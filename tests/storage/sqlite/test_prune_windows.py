"""Pruning looks at a bounded number of rows in one transaction, and still at all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.storage.batching import end, finalize, member, open_batch, seal
from tests.storage.driving import Writer, new_job

from overseen_storage.groups import PruneRequest
from overseen_storage.lifecycle import Status
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore

ALL = PruneRequest(10**18, 10**18, 10**18)


@pytest.fixture
async def writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Writer]:
    """An open store that looks at four rows at a time."""
    monkeypatch.setattr("overseen_storage.sqlite.pruning.LOOKED_AT_MAX", 4)
    store = SqliteStore(tmp_path / "jobs.db", connector=InlineConnector(), owner_wait_seconds=0)
    writer = Writer(store)
    await writer.open()
    yield writer
    await store.close(at=None)


async def prune(writer: Writer, request: PruneRequest) -> tuple[int, int]:
    """As a sweep does: chunk after chunk. How many chunks, how many jobs."""
    chunks = jobs = 0
    while True:
        done = await writer.store.prune(request)
        chunks, jobs = chunks + 1, jobs + done.jobs
        if not done.remaining:
            return chunks, jobs
        assert done.looked_to > request.after, "each chunk goes on where the last one ended"
        request = msgspec.structs.replace(request, after=done.looked_to)


@pytest.mark.parametrize("limit", [1, 2, 1000])
async def test_what_must_stay_hides_nothing_behind_it(writer: Writer, limit: int) -> None:
    """Members of a batch that is not finalized stay, however many; what ended after them, or
    between them, goes in the same sweep. Once the batch is finalized they go, too. (R15)"""
    batch_id = await open_batch(writer)
    await writer.submit(*[member(batch_id, new_job()) for _ in range(10)])
    members = await writer.claim(limit=10)
    await end(writer, *members[:5])
    await writer.end(Status.COMPLETED)
    await writer.end(Status.FAILED)
    await end(writer, *members[5:])
    await writer.end(Status.COMPLETED)

    request = msgspec.structs.replace(ALL, limit=limit)
    chunks, jobs = await prune(writer, request)
    assert jobs == 3
    assert chunks > 2
    assert sorted(await writer.rows()) == [one.id for one in members]

    await seal(writer, batch_id)
    await finalize(writer, batch_id)
    assert (await prune(writer, request))[1] == 10
    assert await writer.rows() == {}
