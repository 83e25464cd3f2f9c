"""The disk of a history between two lives: everything that is on it, as records."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from overseen_storage.batch_records import BatchRecord
from overseen_storage.groups import BatchQuery, JobQuery
from overseen_storage.lifecycle import TERMINAL
from overseen_storage.records import AttachmentRecord, EpochRecord, Event, JobRecord, QueueRecord
from overseen_storage.sqlite import reading
from overseen_storage.sqlite.attachment_reading import read_attachments
from overseen_storage.sqlite.batch_reading import read_batches

ALL = 1_000_000
FILES_SUFFIX = ".files"


@dataclass(frozen=True)
class Disk:
    """All that is on it."""

    rows: dict[int, JobRecord]
    events: list[Event]
    batches: dict[int, BatchRecord]
    attachments: dict[int, list[AttachmentRecord]]
    queues: dict[str, QueueRecord]
    epochs: list[EpochRecord]
    files: dict[str, int]
    """Stored name and size of every file beside the database."""
    events_pruned: int
    height: int
    """The highest seq ever given out."""
    complaints: list[str]
    """Of SQLite about itself."""

    @cached_property
    def by_tag(self) -> dict[int, list[int]]:
        """Ids of the jobs that were submitted with each tag; retries by operators left out."""
        found: dict[int, list[int]] = defaultdict(list)
        for row in self.rows.values():
            if row.retried_from is None:
                tag = tag_of(row)
                if tag is not None:
                    found[tag].append(row.id)
        return found

    @cached_property
    def of_job(self) -> dict[int, list[Event]]:
        """Events by job."""
        found: dict[int, list[Event]] = defaultdict(list)
        for event in self.events:
            if event.job_id is not None:
                found[event.job_id].append(event)
        return found

    @property
    def prunes(self) -> bool:
        """Whether anything was pruned: what is missing may have been."""
        return self.events_pruned > 0

    def lacks(self, job_id: int) -> bool:
        """Whether a job is gone without having been pruned, as far as can be told."""
        return job_id not in self.rows and not self.prunes

    def open_jobs(self) -> list[JobRecord]:
        """Jobs that have not ended."""
        return [row for row in self.rows.values() if row.status not in TERMINAL]


def tag_of(row: JobRecord) -> int | None:
    """The tag a client gave a job, if a client submitted it."""
    tag = msgspec.json.decode(row.arguments, type=dict[str, object]).get("tag")
    return tag if isinstance(tag, int) else None


def read_disk(database: Path) -> Disk:
    """Read everything and change nothing: a log that a dead process left is left again."""
    connection = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        return _read(connection, database)
    finally:
        connection.close()


def _read(connection: sqlite3.Connection, database: Path) -> Disk:
    rows = reading.read_jobs(connection, JobQuery(limit=ALL))
    page = reading.event_page(read_ledger(connection), ALL)
    folder = Path(f"{database}{FILES_SUFFIX}")
    numbers = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    return Disk(
        rows={row.id: row for row in reversed(rows)},
        events=page.events,
        batches={one.id: one for one in read_batches(connection, BatchQuery(limit=ALL))},
        attachments={
            row.id: read_attachments(connection, row.id) for row in rows if row.attachments
        },
        queues={queue.name: queue for queue in reading.read_queues(connection)},
        epochs=reading.read_epochs(connection),
        files={one.name: one.stat().st_size for one in folder.iterdir()} if folder.exists() else {},
        events_pruned=int(numbers.get("events_pruned", 0)),
        height=reading.read_ledger_end(connection)[0],
        complaints=_complaints(connection),
    )


def read_ledger(connection: sqlite3.Connection) -> reading.EventsText:
    """Every event."""
    return reading.read_events(
        connection, after=0, limit=ALL, up_to=None, job_id=None, batch_id=None, kind=None
    )


def _complaints(connection: sqlite3.Connection) -> list[str]:
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    found += [f"foreign key of {row}" for row in connection.execute("PRAGMA foreign_key_check")]
    return found
