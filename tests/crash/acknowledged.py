"""What a program of `histories.py` was told, compared with what is on the disk after its death."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.histories import JOBS, KEEP_ALL
from tests.storage.batch_checkers import check_batches, read_batches
from tests.storage.checkers import Rows, check_everything, check_successor, ensure
from tests.storage.driving import read_ledger, read_rows
from tests.storage.file_checkers import check_files

from overseen import Supervisor
from overseen.attachments import folder_beside
from overseen_storage.batch_records import BatchRecord
from overseen_storage.lifecycle import TERMINAL, Reason, Status
from overseen_storage.records import AttachmentRecord, Event, JobRecord
from overseen_storage.sqlite.hop import Connector
from overseen_storage.sqlite.store import SqliteStore

ENDS = {"completed": Status.COMPLETED, "failed": Status.FAILED, "cancelled": Status.CANCELLED}
WAITS = frozenset({Status.DRAFT, Status.SCHEDULED})
"""Nobody brings these to an end before their time."""


@dataclass(slots=True)
class Acknowledged:
    """What was acknowledged, and so must be there; and what was refused, and so must not."""

    submitted: dict[int, int] = field(default_factory=dict[int, int])
    """The number of each job that was acknowledged."""
    drafted: set[int] = field(default_factory=set[int])
    ended: dict[int, tuple[Status, str]] = field(default_factory=dict[int, tuple[Status, str]])
    attached: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    released: set[int] = field(default_factory=set[int])
    batches: set[int] = field(default_factory=set[int])
    sealed: set[int] = field(default_factory=set[int])
    summed: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    refused: set[int] = field(default_factory=set[int])
    """Numbers of jobs that were refused."""
    pruning: bool = False
    """What completed may be gone."""
    gone: frozenset[int] = frozenset()
    """What was pruned."""
    faults: list[list[str]] = field(default_factory=list[list[str]])
    """What it was told of its disk."""
    declared: int = 0
    """How often the supervisor declared that its store does not work."""
    unwritten: tuple[int, ...] = ()
    """What the stop reported."""
    over: bool = False
    """The program came to its end."""

    def hear(self, words: list[str]) -> None:
        """One line."""
        match words:
            case ["submitted", job_id, number]:
                self.submitted[int(job_id)] = int(number)
            case ["drafted", job_id]:
                self.drafted.add(int(job_id))
            case [("completed" | "failed" | "cancelled") as answer, job_id, *value]:
                self.ended[int(job_id)] = (ENDS[answer], "".join(value))
            case ["attached", job_id, name, digest]:
                self.attached[int(job_id)] = (name, digest)
            case ["released", job_id]:
                self.released.add(int(job_id))
            case ["batch", batch_id]:
                self.batches.add(int(batch_id))
            case ["sealed", batch_id]:
                self.sealed.add(int(batch_id))
            case ["summed", batch_id, completed, failed]:
                self.summed[int(batch_id)] = (int(completed), int(failed))
            case ["refused" | "unknown", what, _, *_]:
                self.faults.append(words)
                if words[0] == "refused" and what.startswith("submit-"):
                    self.refused.add(int(what.removeprefix("submit-")))
            case ["degraded"]:
                self.declared += 1
            case ["stopped", *unwritten]:
                self.unwritten = tuple(map(int, unwritten))
            case ["pruned"]:
                self.gone = frozenset(self.completed)
            case _:
                self.pruning |= words == ["pruning"]
                self.over |= words == ["over"]
                ensure("nothing is raised that nobody expects", words[0] != "raised", words)

    @property
    def completed(self) -> Iterable[int]:
        """Jobs that are known to have completed."""
        return (job for job, (status, _) in self.ended.items() if status is Status.COMPLETED)

    @property
    def count(self) -> int:
        """How many acknowledgements there were."""
        told = (self.submitted, self.drafted, self.ended, self.attached, self.released)
        return sum(map(len, told)) + len(self.batches) + len(self.sealed) + len(self.summed)

    def check(self, found: Found) -> None:
        """Raise `Broken` unless everything acknowledged is there, and nothing that was refused."""
        gone = {row for row in self.ended if self.pruning and row not in found.rows}
        for job_id in (self.submitted.keys() | self.drafted | self.released) - gone:
            ensure("I17 what was acknowledged is there", job_id in found.rows, job_id)
        for job_id in self.released - gone:
            ensure("I17 a release is kept", found.rows[job_id].status is not Status.DRAFT, job_id)
        for job_id, (status, value) in self.ended.items():
            if job_id in gone:
                ensure("only what completed is pruned", status is Status.COMPLETED, job_id)
                continue
            row = found.rows[job_id]
            ensure("I17 an end that was told is kept", row.status is status, row)
            ensure("I17 a result that was told is kept", (row.result or "") == value, row)
            ensure("what was pruned does not come back", job_id not in self.gone, row)
        for job_id, (name, digest) in self.attached.items():
            if job_id not in gone and not was_discarded(found.rows[job_id]):
                kept = found.files.get(job_id, {}).get(name)
                ensure("I17 a file that was attached is kept", kept == digest, job_id, kept)
        self._check_batches({batch.id: batch for batch in found.batches})
        there = {number_of(row) for row in found.rows.values()}
        ensure("what was refused is not there", not self.refused & there, self.refused & there)

    def _check_batches(self, batches: dict[int, BatchRecord]) -> None:
        ensure("I17 batches are kept", self.batches <= batches.keys(), self.batches, batches)
        for batch_id in self.sealed:
            ensure("I17 a seal is kept", batches[batch_id].sealed_at is not None, batch_id)
        for batch_id, told in self.summed.items():
            batch = batches[batch_id]
            summary = json.loads(batch.summary or "{}")
            kept = (summary.get("completed"), summary.get("failed"))
            ensure("I17 a summary that was told is kept", batch.ended and kept == told, batch)


async def recover(database: Path, before: Found) -> Found:
    """Let a supervisor go on with what a dead one left: everything that can run comes to its end,
    what has ended stays as it is."""
    supervisor = Supervisor(database, jobs=JOBS, owner_wait=0, retention=KEEP_ALL, state=Hurried())
    async with supervisor:
        for row in before.rows.values():
            if row.status not in WAITS:
                await supervisor.handle(row.id).wait()
        for batch in before.batches:
            if batch.sealed_at is not None:
                await supervisor.find_batch(batch.id).summary()
    after = await find(database)
    check_successor(before.rows, after.rows)
    for row in after.rows.values():
        ensure("what can run has an end", row.status in TERMINAL | WAITS, row)
    for batch in after.batches:
        ensure("a sealed batch has an end", batch.ended == (batch.sealed_at is not None), batch)
    return after


class Hurried:
    """What bodies that last ask for: nothing keeps them here."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.told.set()

    def running(self) -> None:
        """Nobody listens."""


def was_discarded(row: JobRecord) -> bool:
    """Whether it ended as a draft, whose files go with it."""
    return row.reason in (Reason.DRAFT_DISCARDED, Reason.DRAFT_EXPIRED)


def number_of(row: JobRecord) -> int | None:
    """The number that was submitted with a job."""
    arguments: dict[str, int] = json.loads(row.arguments)
    return arguments.get("number")


@dataclass(frozen=True, slots=True)
class Found:
    """A database, read and checked from its first row to its last file."""

    rows: Rows
    ledger: list[Event]
    batches: list[BatchRecord]
    files: dict[int, dict[str, str]]
    """The digests of the files that rows mention, as they lie on the disk."""


async def find(database: Path, *, connector: Connector | None = None) -> Found:
    """Open the database of a dead process, as its next owner would, and check all of it."""
    store = SqliteStore(database, owner_wait_seconds=0, connector=connector)
    await store.open(at=1, pid=1, host="witness", version="0")
    try:
        rows, ledger = await read_rows(store), await read_ledger(store)
        height = await store.last_seq()
        check_everything(rows, ledger, pruned=check_file(database), height=height)
        await check_files(store, rows, ledger)
        await check_batches(store, rows, ledger)
        files = {row: digests(database, await store.attachments(row)) for row in rows}
        return Found(rows, ledger, await read_batches(store), files)
    finally:
        await store.close(at=None)


def check_file(database: Path) -> int:
    """I20: SQLite finds nothing wrong with the file. Returns how many events were pruned."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        told = connection.execute("PRAGMA integrity_check").fetchall()
        ensure("I20 integrity_check", told == [("ok",)], told)
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
        ensure("I20 foreign_key_check", broken == [], broken)
        pruned: int = connection.execute(
            "SELECT value FROM meta WHERE key = 'events_pruned'"
        ).fetchone()[0]
        return pruned


def digests(database: Path, records: Iterable[AttachmentRecord]) -> dict[str, str]:
    """What the files of a job are, by name; each must be what its row says."""
    folder = folder_beside(database)
    assert folder is not None
    found: dict[str, str] = {}
    for record in records:
        path = folder / record.stored_name
        content = path.read_bytes() if path.exists() else b""
        found[record.name] = hashlib.sha256(content).hexdigest()
        ensure("a row's file is on the disk", found[record.name] == record.digest, record)
    return found
