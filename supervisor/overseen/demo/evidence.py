"""What the database says of a batch and of the deaths it went through, asked when nobody works.

Every question is SQL on the tables and views that anybody with a sqlite3 shell has. Nothing here
remembers what was done: it is what the ledger tells.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from overseen.demo.jobs import Inventory
from overseen_storage.batch_records import BatchSummary

SLOWEST = 5

BATCH = """
SELECT batch.id, batch_status.total, batch.summary,
    batch_status.completed + batch_status.failed + batch_status.cancelled AS ended
FROM batch JOIN batch_status USING (id)
WHERE batch.labels ->> '$.questions' = :questions
"""

# One row for each life that has no end on record and is not the last: its process was killed.
# `next` is when the one after it opened the database.
DEATHS = """
SELECT id, next FROM (
    SELECT id, stopped_at, lead(started_at) OVER (ORDER BY id) AS next FROM epoch
)
WHERE
    stopped_at IS NULL
    AND next > (SELECT created_at FROM batch WHERE id = :batch)
    AND next < (SELECT coalesce(finalized_at, next + 1) FROM batch WHERE id = :batch)
ORDER BY id
"""

# Attempts that had begun before the death and have no end from before it.
DEATH = """
SELECT
    (SELECT count(*) FROM job WHERE batch_id = :batch AND completed_at < :next) AS outcomes,
    count(*) AS running,
    count(*) FILTER (
        WHERE EXISTS (
            SELECT 1 FROM attempt AS later
            WHERE later.job_id = lost.job_id AND later.attempt = lost.attempt + 1
        )
    ) AS again,
    max(lost.ended_at) FILTER (WHERE lost.cause = 'recovery') - :next AS recovery_us,
    (SELECT min(started_at) FROM attempt WHERE started_at > :next) - :next AS first_body_us
FROM attempt AS lost
WHERE lost.started_at < :next AND (lost.ended_at IS NULL OR lost.ended_at > :next)
"""

# How long the lives took, from opening the database to the last event of each.
WORKED = """
SELECT sum(last - started_at) FROM (
    SELECT epoch.started_at, max(ledger.at) AS last
    FROM (
        SELECT started_at, lead(started_at, 1, 1 << 62) OVER (ORDER BY id) AS next FROM epoch
    ) AS epoch
    JOIN ledger ON ledger.at BETWEEN epoch.started_at AND epoch.next - 1
    WHERE ledger.at <= (SELECT coalesce(finalized_at, 1 << 62) FROM batch WHERE id = :batch)
    GROUP BY epoch.started_at
)
"""

TWICE = """
SELECT count(*) FROM (
    SELECT job_id FROM ledger_view
    WHERE type IN ('completed', 'failed', 'cancelled')
    GROUP BY job_id HAVING count(*) > 1
)
"""

UPLOAD = """
SELECT job_view.id, job_view.result, attachment_view.size_bytes, attachment_view.digest, (
    SELECT group_concat(type, ', ') FROM (
        SELECT type FROM ledger_view
        WHERE job_id = job_view.id AND (status IS NOT NULL OR type = 'attached') ORDER BY seq
    )
) AS story
FROM job_view JOIN attachment_view ON attachment_view.job_id = job_view.id
WHERE job_view.batch_id = :batch AND job_view.kind = 'inventory'
"""

SLOWEST_FILES = """
SELECT arguments ->> '$.path' AS path, sum(completed_at - attempt_started_at) AS us
FROM job
WHERE batch_id = :batch AND completed_at IS NOT NULL AND path IS NOT NULL
GROUP BY path ORDER BY us DESC, path LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class Death:
    """One death of the process that worked, and what came after it."""

    outcomes: int
    """Members that had ended by then."""
    running: int
    """Bodies that were running: begun on the ledger, not ended."""
    again: int
    """How many of those were started again, since no end of theirs was on disk."""
    recovery_us: int | None
    """From the next life's opening of the database until the last of them was put back, in
    microseconds; None when nothing was running."""
    first_body_us: int | None
    """From there until its first body began; None if none did."""


@dataclass(frozen=True, slots=True)
class Upload:
    """The job that was a draft until it had its file."""

    job_id: int
    size_bytes: int
    digest: str
    story: str
    """Its events on the ledger, in order."""
    inventory: Inventory | None
    """What it returned, if it completed."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it."""

    total: int
    """Members."""
    ended: int
    """Members with an outcome."""
    summary: BatchSummary | None
    """The frozen summary; None as long as the batch is not finalized."""
    worked_us: int
    """How long all lives together took, up to the end of the batch, in microseconds."""
    deaths: tuple[Death, ...]
    """In order."""
    upload: Upload | None
    slowest: tuple[tuple[str, int], ...]
    """Files by the time their questions took, longest first, in microseconds."""
    acknowledged: int
    """Jobs whose `submit` was seen to return in this run. 0: it only went on with what was there,
    so that all members count."""
    lost: int
    """How many of those have no outcome."""
    twice: int
    """Jobs with more than one end on the ledger."""
    events: int
    """Rows of the ledger."""


def gather_evidence(
    database: Path, questions: str, acknowledged: Collection[int] = ()
) -> Evidence | None:
    """Ask everything about the batch of these questions; None if there is no such batch."""
    if not database.exists():
        return None
    address = f"{database.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")  # one snapshot for all questions
        row = connection.execute(BATCH, {"questions": questions}).fetchone()
        return None if row is None else _evidence(connection, row, acknowledged)


def _evidence(
    connection: sqlite3.Connection, row: sqlite3.Row, acknowledged: Collection[int]
) -> Evidence:
    batch: int = row["id"]
    by_batch = {"batch": batch, "limit": SLOWEST}
    members = dict(
        connection.execute(
            "SELECT id, completed_at IS NOT NULL FROM job WHERE batch_id = :batch", by_batch
        ).fetchall()
    )
    counted = acknowledged or members
    return Evidence(
        total=row["total"],
        ended=row["ended"],
        summary=row["summary"] and msgspec.json.decode(row["summary"], type=BatchSummary),
        worked_us=connection.execute(WORKED, by_batch).fetchone()[0] or 0,
        deaths=tuple(_deaths(connection, batch)),
        upload=_upload(connection, batch),
        slowest=tuple(
            (path, us) for path, us in connection.execute(SLOWEST_FILES, by_batch).fetchall()
        ),
        acknowledged=len(acknowledged),
        lost=sum(not members.get(job_id) for job_id in counted),
        twice=connection.execute(TWICE).fetchone()[0],
        events=connection.execute("SELECT count(*) FROM ledger").fetchone()[0],
    )


def _deaths(connection: sqlite3.Connection, batch: int) -> list[Death]:
    deaths: list[Death] = []
    for row in connection.execute(DEATHS, {"batch": batch}).fetchall():
        told = connection.execute(DEATH, {"batch": batch, "next": row["next"]}).fetchone()
        deaths.append(Death(**dict(told)))
    return deaths


def _upload(connection: sqlite3.Connection, batch: int) -> Upload | None:
    row = connection.execute(UPLOAD, {"batch": batch}).fetchone()
    if row is None:
        return None
    result: str | None = row["result"]
    return Upload(
        job_id=row["id"],
        size_bytes=row["size_bytes"],
        digest=row["digest"],
        story=row["story"],
        inventory=None if result is None else msgspec.json.decode(result, type=Inventory),
    )
