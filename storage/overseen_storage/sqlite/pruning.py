"""Pruning: old ended jobs go, with everything that belongs to them, and are counted."""

from __future__ import annotations

import sqlite3

from overseen_storage.groups import Pruned, PruneRequest
from overseen_storage.lifecycle import STATUS_CODES, Status
from overseen_storage.sqlite.rows import document
from overseen_storage.sqlite.statements import statement


def prune(connection: sqlite3.Connection, request: PruneRequest) -> Pruned:
    """Delete one chunk, inside the transaction that is open."""
    found = _oldest(connection, request)
    ids = [job_id for _, job_id in found[: request.limit]]
    if not ids:
        return Pruned(0, 0, False)
    chosen = {"ids": document(ids)}
    row = connection.execute(statement("prune_heights"), chosen).fetchone()
    seq, stamp, events = (int(value or 0) for value in row)
    for name in ("prune_ledger", "prune_logs", "prune_attachments", "prune_jobs"):
        connection.execute(statement(name), chosen)
    connection.execute(statement("prune_meta"), {"events": events, "seq": seq, "stamp": stamp})
    return Pruned(len(ids), events, len(found) > request.limit)


def _oldest(connection: sqlite3.Connection, request: PruneRequest) -> list[tuple[int, int]]:
    """When they ended and who they are, oldest first; one more than the limit, if there is."""
    befores = {
        Status.COMPLETED: request.completed_before,
        Status.FAILED: request.failed_before,
        Status.CANCELLED: request.cancelled_before,
    }
    found: list[tuple[int, int]] = []
    for status, before in befores.items():
        if before is None:
            continue
        parameters = {
            "status": STATUS_CODES[status],
            "before": before,
            "limit": request.limit + 1,
        }
        rows = connection.execute(statement("prunable"), parameters).fetchall()
        found.extend((completed_at, job_id) for job_id, completed_at in rows)
    found.sort()
    return found[: request.limit + 1]
