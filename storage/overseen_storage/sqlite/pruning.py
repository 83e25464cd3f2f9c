"""Pruning: old ended jobs go, with everything that belongs to them, and are counted."""

from __future__ import annotations

import sqlite3
from itertools import accumulate
from typing import Final

import msgspec

from overseen_storage.answers import Pruned
from overseen_storage.groups import PruneRequest
from overseen_storage.lifecycle import STATUS_CODES, Status
from overseen_storage.sqlite.rows import document
from overseen_storage.sqlite.statements import statement

ROWS_MAX: Final = 20_000
"""Events and log lines deleted in one transaction. A job that ran for an hour may have thousands,
and every commit waits behind it: 20,000 take about 100 ms."""

LOOKED_AT_MAX: Final = 5_000
"""Ended jobs of one status looked at in one transaction: some milliseconds."""

_decode_sizes = msgspec.json.Decoder(list[int]).decode
_decode_names = msgspec.json.Decoder(list[str]).decode


def prune(connection: sqlite3.Connection, request: PruneRequest) -> Pruned:
    """Delete one chunk, inside the transaction that is open."""
    found, looked_to = _oldest(connection, request)
    ids = [job_id for _, job_id in found[: request.limit]]
    if not ids:
        return Pruned(0, 0, looked_to is not None, looked_to or 0)
    chosen = {"ids": document(ids)}
    seq, stamp, events, lines = _heights(connection, chosen)
    if events + lines > ROWS_MAX:
        ids = _first_that_fit(connection, ids)
        chosen = {"ids": document(ids)}
        seq, stamp, events, _ = _heights(connection, chosen)
    freed = _decode_names(connection.execute(statement("freed_files"), chosen).fetchone()[0])
    for name in ("prune_ledger", "prune_logs", "prune_attachments", "prune_jobs"):
        connection.execute(statement(name), chosen)
    connection.execute(statement("prune_meta"), {"events": events, "seq": seq, "stamp": stamp})
    left = found[len(ids) :]
    if left:
        looked_to = left[0][0] - 1
    return Pruned(len(ids), events, looked_to is not None, looked_to or 0, freed)


def _heights(connection: sqlite3.Connection, chosen: dict[str, str]) -> tuple[int, int, int, int]:
    """Highest seq and stamp, number of events, number of log lines."""
    row = connection.execute(statement("prune_heights"), chosen).fetchone()
    seq, stamp, events, lines = (int(value or 0) for value in row)
    return seq, stamp, events, lines


def _first_that_fit(connection: sqlite3.Connection, ids: list[int]) -> list[int]:
    """As many of `ids` as have no more than `ROWS_MAX` rows together; the first in any case."""
    sizes = connection.execute(statement("prune_sizes"), {"ids": document(ids)}).fetchone()[0]
    fitting = sum(height <= ROWS_MAX for height in accumulate(_decode_sizes(sizes)))
    return ids[: max(fitting, 1)]


def _oldest(
    connection: sqlite3.Connection, request: PruneRequest
) -> tuple[list[tuple[int, int]], int | None]:
    """When they ended and who they are, oldest first; and up to which stamp all ended jobs were
    looked at, None if there are no more.

    A large batch that is not finalized keeps all its members, which are passed over: so no more
    than `LOOKED_AT_MAX` rows are looked at, for every commit waits meanwhile.
    """
    befores = {
        Status.COMPLETED: request.completed_before,
        Status.FAILED: request.failed_before,
        Status.CANCELLED: request.cancelled_before,
    }
    found: list[tuple[int, int]] = []
    window_ends: list[int] = []
    for status, before in befores.items():
        if before is None:
            continue
        parameters = {"status": STATUS_CODES[status], "after": request.after, "before": before}
        window = {**parameters, "window": LOOKED_AT_MAX}
        end = connection.execute(statement("prune_window"), window).fetchone()
        if end is not None:
            window_ends.append(end[0])
            parameters["before"] = end[0] + 1
        some = {**parameters, "limit": request.limit + 1}
        rows = connection.execute(statement("prunable"), some).fetchall()
        found.extend((completed_at, job_id) for job_id, completed_at in rows)
    found.sort()
    looked_to = min(window_ends, default=None)
    if looked_to is not None:
        found = [one for one in found if one[0] <= looked_to]
    return found[: request.limit + 1], looked_to
