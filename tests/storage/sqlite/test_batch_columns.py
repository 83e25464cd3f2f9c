"""Batches in the tables: marks that were missed, views for people, what the schema refuses."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from tests.storage import batching
from tests.storage.batching import add, end, finalize, member, open_batch, seal, sealed_batch, stop
from tests.storage.driving import Writer, new_job
from tests.storage.filing import new_draft

from overseen_storage.batch_lifecycle import (
    BATCH_ENDED,
    BATCH_MOVES,
    BATCH_STATUS_CODES,
    BatchMove,
    BatchPolicy,
    BatchStatus,
)
from overseen_storage.batch_records import BatchRecord
from overseen_storage.groups import PruneRequest
from overseen_storage.items import ClaimFrom, NewJob, SetQueue
from overseen_storage.lifecycle import Status
from overseen_storage.orders import FinalizeBatch
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.statements import statement
from overseen_storage.sqlite.store import SqliteStore

T = TypeVar("T")
BY_CODE = {code: status for status, code in BATCH_STATUS_CODES.items()}


class Traced(sqlite3.Connection):
    """A connection that writes down what it executes."""

    used: ClassVar[list[str]] = []

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.set_trace_callback(self.used.append)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "jobs.db"


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[Writer]:
    """An open store on the loop's thread."""
    connector = InlineConnector(factory=Traced)
    store = SqliteStore(path, connector=connector, synchronous="normal")
    async with Writer(store) as writer:
        yield writer


@pytest.fixture
def used() -> Iterator[list[str]]:
    """What the connections executed since it was cleared."""
    Traced.used.clear()
    yield Traced.used
    Traced.used.clear()


def look(path: Path, question: Callable[[sqlite3.Connection], T]) -> T:
    """Ask the file as a person with a shell does."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return question(connection)
    finally:
        connection.close()


def ask(path: Path, text: str) -> list[tuple[object, ...]]:
    """The rows of a query."""
    return look(path, lambda connection: connection.execute(text).fetchall())


def code_in(name: str, pattern: str) -> BatchStatus:
    """The status that a statement names at one place."""
    (found,) = re.findall(pattern, statement(name))
    return BY_CODE[int(found)]


def test_moves_of_a_batch_are_those_of_its_statements() -> None:
    """BATCH_MOVES is what the SQL lets through: from where, and to where."""
    assert set(BATCH_MOVES) == {
        (None, BatchMove.OPEN),
        (code_in("seal_batch", r"AND status = (\d+)"), BatchMove.SEAL),
        (code_in("finalize_batch", r"AND status = (\d+)"), BatchMove.FINALIZE),
    }
    assert BATCH_MOVES[None, BatchMove.OPEN] == {code_in("open_batch", r":name, (\d+)")}
    sealed = code_in("seal_batch", r"SET\s+status = (\d+)")
    assert BATCH_MOVES[BatchStatus.OPEN, BatchMove.SEAL] == {sealed}


async def test_a_batch_ends_only_where_its_moves_lead(writer: Writer) -> None:
    """Finalizing into a status that is no end is refused by the schema, whatever it says."""
    batch_id, _ = await sealed_batch(writer, 0)
    good = await batching.finalizing(writer.store, batch_id)
    ends = BATCH_MOVES[BatchStatus.PROCESSING, BatchMove.FINALIZE]
    assert ends == BATCH_ENDED
    for status in set(BatchStatus) - ends:
        bad = FinalizeBatch(batch_id=batch_id, status=status, summary=good.summary)
        assert (await batching.declined(writer, bad)).why == "row"
    await batching.obeyed(writer, good)


def test_rows_of_batches_are_read_in_the_order_of_the_record() -> None:
    """The columns of `batch` are the record's fields, in order."""
    columns = re.sub(r"\s+", "", statement("batch").partition("FROM")[0].removeprefix("SELECT"))
    assert tuple(columns.split(",")) == BatchRecord.__struct_fields__


async def test_the_sweep_does_not_trust_marks(writer: Writer, path: Path) -> None:
    """A due batch whose mark was lost is found in its members' rows, and finalized. (R41)"""
    batch_id, claimed = await sealed_batch(writer, 1)
    await end(writer, *claimed)
    look(path, lambda connection: connection.execute("UPDATE batch SET due = 0"))
    assert (await writer.store.batches_to_do(limit=9)).due == [batch_id]
    await finalize(writer, batch_id)


async def test_the_state_of_batches_is_shown_in_words(writer: Writer, path: Path) -> None:
    """The view has a row for each batch; its numbers add up, also when the members are gone."""
    policy = BatchPolicy.THRESHOLD
    batch_id = await open_batch(writer, policy, 9.0, name="mixed")
    jobs = [new_job(), new_job(), new_job(), new_draft(), new_job()]
    await writer.submit(*[member(batch_id, job) for job in jobs])
    first, second, third, last = await writer.claim()
    text = (
        "SELECT status, policy, stopped, total, waiting, running, completed, failed, cancelled, "
        "finalized IS NOT NULL FROM batch_status"
    )
    assert ask(path, text) == [("open", "threshold", None, 5, 1, 4, 0, 0, 0, 0)]
    await seal(writer, batch_id)
    await end(writer, first, second)
    await end(writer, third, status=Status.FAILED)
    assert ask(path, text) == [("processing", "threshold", None, 5, 1, 1, 2, 1, 0, 0)]
    await stop(writer, batch_id)
    await batching.cancel_members(writer, batch_id)
    await end(writer, last)
    assert ask(path, text) == [("processing", "threshold", "requested", 5, 0, 0, 3, 1, 1, 0)]
    await finalize(writer, batch_id)
    ended = [("cancelled", "threshold", "requested", 5, 0, 0, 3, 1, 1, 1)]
    assert ask(path, text) == ended
    everything = 10**18
    await writer.store.prune(PruneRequest(everything, everything, everything))
    assert ask(path, text) == ended


async def test_stuck_batches_say_why(writer: Writer, path: Path) -> None:
    """Each batch that does not go on by itself is named, with the reason; the others are not."""

    async def made(name: str, *jobs: NewJob, sealed: bool = True) -> int:
        batch_id = await open_batch(writer, name=name)
        if jobs:
            await writer.submit(*[member(batch_id, job) for job in jobs])
        if sealed:
            await seal(writer, batch_id)
        return batch_id

    later = new_job(status=Status.SCHEDULED, due_at=10**17)
    await made("runs", new_job(queue="busy"), new_draft())
    await writer.claim("busy")
    await made("open and busy", new_job(), sealed=False)
    await made("can start", new_job(), later)
    await made("forgotten", sealed=False)
    await made("forgotten too", later, sealed=False)
    await made("over")
    await made("drafts", new_draft(), later)
    await made("paused", new_job(queue="paused"), new_draft())
    await made("held", new_job("gone", "unknown"), new_draft())
    await made("later", later)
    stopped = await made("stopped", new_job(), new_job())
    await stop(writer, stopped)
    done = await made("done")
    await finalize(writer, done)
    await writer.commit(
        queues=[SetQueue("paused", True)],
        claims=[ClaimFrom("unknown", 9)],
        kinds=frozenset({"work"}),
    )
    assert ask(path, "SELECT name, why, open_members FROM stuck_batches ORDER BY id") == [
        ("forgotten", "never sealed", 0),
        ("forgotten too", "never sealed", 1),
        ("over", "due, not finalized", 0),
        ("drafts", "waits for drafts", 2),
        ("paused", "waits for a paused queue", 2),
        ("held", "waits for held jobs", 2),
        ("later", "waits for scheduled jobs", 1),
        ("stopped", "stopped, members not cancelled yet", 2),
    ]


async def test_only_stopped_batches_change_how_jobs_are_claimed(
    writer: Writer, used: list[str]
) -> None:
    """Without a stopped batch the plain statements are used, with one the others, and again."""
    batch_id = await open_batch(writer)
    await add(writer, batch_id)
    await writer.claim()
    plain = [text for text in used if "job_claimable" in text]
    assert plain
    assert not any("batch_stopped" in text for text in plain)
    await stop(writer, batch_id)
    used.clear()
    await writer.claim()
    assert any("batch_stopped" in text for text in used if "job_claimable" in text)


async def test_without_batches_nobody_looks_at_them(writer: Writer, used: list[str]) -> None:
    """A group of plain jobs runs no statement about batches, whatever ends in it."""
    await sealed_batch(writer, 0)
    await finalize(writer, 1)
    used.clear()
    await writer.end()
    await writer.end(Status.FAILED)
    assert used
    assert not any(re.search(r"\b(FROM|JOIN|UPDATE) batch\b", text) for text in used)
