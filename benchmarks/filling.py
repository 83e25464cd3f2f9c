"""A large database in seconds: rows as the product would have left them, written by plain SQL."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from benchmarks.database import BASE_AT, connect, make_empty
from benchmarks.sampling import Sample, answer

BACKLOG_PRIORITY = -1
"""Pending rows wait in the queue that is measured, below it in priority: each claim searches the
index they fill, and new jobs go before them."""

# An event's stamp is BASE_AT + its seq; seqs below FIRST_SEQ are those of making the file. A
# finished job has its three events in a row, as if each had been the only one of its time.
_FIRST_SEQ = 10
_NUMBERS = "WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number LIMIT :rows)"
_FINISHED = f"""{_NUMBERS}
INSERT INTO job (id, status, fence, priority, queue, kind, created_at, changed_at, ready_at,
    started_at, attempt_started_at, completed_at, epoch, cause, retries, losses_allowed, arguments,
    result)
SELECT 1 + n, 8, 1, 0, 'default', 'noop', :at + 3 * n, :at + 3 * n + 2, :at + 3 * n,
    :at + 3 * n + 1, :at + 3 * n + 1, :at + 3 * n + 2, 1, 2, 0, 3, '{{"x":' || n || '}}', n
FROM number"""
_FINISHED_EVENTS = f"""{_NUMBERS}
INSERT INTO ledger (seq, at, type, cause, job_id, status, fence)
SELECT :seq + 3 * n + step.column1, :at + 3 * n + step.column1, step.column2, step.column3, 1 + n,
    step.column4, step.column5
FROM number CROSS JOIN (VALUES (0, 1, 1, 4, NULL), (1, 7, 5, 5, 1), (2, 8, 2, 8, 1)) AS step"""
_PENDING = f"""{_NUMBERS}
INSERT INTO job (id, status, priority, queue, kind, created_at, changed_at, ready_at, cause,
    retries, losses_allowed, arguments)
SELECT :id + n, 4, :priority, 'default', 'noop', :at + n, :at + n, :at + n, 1, 0, 3,
    '{{"x":' || n || '}}'
FROM number"""
_PENDING_EVENTS = f"""{_NUMBERS}
INSERT INTO ledger (seq, at, type, cause, job_id, status)
SELECT :seq + n, :at + n, 1, 1, :id + n, 4
FROM number"""


def fill(path: Path, rows: int) -> None:
    """Make a database with `rows` finished jobs and `rows` pending ones."""
    make_empty(path)
    connection = connect(path)
    connection.execute("PRAGMA synchronous = OFF")  # nobody needs this file after a power cut
    connection.execute("BEGIN IMMEDIATE")
    finished = {"rows": rows, "seq": _FIRST_SEQ, "at": BASE_AT + _FIRST_SEQ}
    connection.execute(_FINISHED, finished)
    connection.execute(_FINISHED_EVENTS, finished)
    seq = _FIRST_SEQ + 3 * rows
    pending = {"rows": rows, "seq": seq, "at": BASE_AT + seq, "id": 1 + rows}
    connection.execute(_PENDING, {**pending, "priority": BACKLOG_PRIORITY})
    connection.execute(_PENDING_EVENTS, pending)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


def orphan(path: Path, count: int) -> None:
    """Make the last `count` pending jobs look as a killed process leaves those it ran."""
    connection = connect(path)
    connection.execute("BEGIN IMMEDIATE")
    seq, at = connection.execute("SELECT seq, at FROM ledger ORDER BY seq DESC LIMIT 1").fetchone()
    found = connection.execute(
        "SELECT id FROM job INDEXED BY job_claimable WHERE queue = 'default' AND status = 4"
        " AND held IS NULL ORDER BY priority DESC, ready_at, id LIMIT ?",
        (count,),
    ).fetchall()
    for n, (job_id,) in enumerate(found, 1):
        _start(connection, job_id, seq + n, at + n)
    connection.execute("COMMIT")
    connection.close()


def _start(connection: sqlite3.Connection, job_id: int, seq: int, at: int) -> None:
    connection.execute(
        "UPDATE job SET status = 5, fence = fence + 1, epoch = 1, started_at = ifnull(started_at,"
        " :at), attempt_started_at = :at, changed_at = :at, cause = 5 WHERE id = :id",
        {"at": at, "id": job_id},
    )
    connection.execute(
        "INSERT INTO ledger (seq, at, type, cause, job_id, status, fence)"
        " SELECT :seq, :at, 7, 5, id, 5, fence FROM job WHERE id = :id",
        {"seq": seq, "at": at, "id": job_id},
    )


def measure(*, path: str, rows: int, orphans: int) -> Sample:
    """In a process of its own: what the filling leaves in memory is nobody's figure."""
    if rows:
        fill(Path(path), rows)
    if orphans:
        orphan(Path(path), orphans)
    return {}


if __name__ == "__main__":
    answer(measure)
