"""Reading batches: rows become records; what came of one is summed up from its members' rows."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import msgspec

from overseen_storage.answers import BatchesToDo
from overseen_storage.batch_lifecycle import (
    BATCH_STATUS_CODES,
    BatchStatus,
)
from overseen_storage.batch_records import (
    BatchCounts,
    BatchRecord,
    BatchSnapshot,
    BatchSummary,
    FailureGroup,
)
from overseen_storage.groups import BatchQuery
from overseen_storage.lifecycle import Reason
from overseen_storage.records import JobRecord
from overseen_storage.sqlite.reading import job_record, labelled, read_ledger_end
from overseen_storage.sqlite.statements import statement
from overseen_storage.sqlite.writer import (
    BATCH_POLICY_OF,
    BATCH_STATUS_OF,
    INTEGER_MAX,
    REASON_OF,
    Parameter,
    is_storable,
)

FAILURE_GROUPS_MAX: Final = 100
"""How many groups of failures a summary names."""

_FIELDS = BatchRecord.__struct_fields__

_decode_ids = msgspec.json.Decoder(list[int]).decode
_decode_stopped = msgspec.json.Decoder(list[tuple[int, int]]).decode
_decode_summary = msgspec.json.Decoder(BatchSummary).decode


class _Sums(msgspec.Struct, frozen=True, array_like=True):
    """What one walk over the members tells."""

    total: int
    completed: int
    completed_with_warnings: int
    failed: int
    cancelled: int
    warnings: int
    attempts: int
    retried: int
    started: int
    first_started_at: int | None
    last_ended_at: int | None


class _Group(msgspec.Struct, frozen=True, array_like=True):
    """Members that failed alike, as the statement answers them."""

    kind: str
    reason: int
    error_type: str | None
    count: int
    first_job_id: int
    message: str | None


_decode_sums = msgspec.json.Decoder(_Sums).decode
_decode_groups = msgspec.json.Decoder(list[_Group]).decode
_decode_durations = msgspec.json.Decoder(tuple[int, int, int]).decode


@contextmanager
def _one_moment(connection: sqlite3.Connection) -> Generator[None]:
    """What is read inside is seen at the same moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:  # SQLite may have ended it, after an error of the disk
            connection.execute("COMMIT")


def batch_record(row: tuple[Parameter, ...]) -> BatchRecord:
    """A row, in the order of the record's fields, as the record."""
    values: dict[str, object] = dict(zip(_FIELDS, row, strict=True))
    status, policy, stopped = values["status"], values["policy"], values["stopped"]
    assert isinstance(status, int)
    assert isinstance(policy, int)
    values["status"] = BATCH_STATUS_OF[status]
    values["policy"] = BATCH_POLICY_OF[policy]
    values["stopped"] = REASON_OF[stopped] if isinstance(stopped, int) else None
    values["due"] = bool(values["due"])
    return BatchRecord(**values)  # type: ignore[arg-type] # the columns have the record's types


def read_batch(connection: sqlite3.Connection, batch_id: int) -> BatchRecord | None:
    """One batch, or None."""
    if not is_storable(batch_id):
        return None
    row = connection.execute(statement("batch"), {"id": batch_id}).fetchone()
    return None if row is None else batch_record(row)


def read_batch_snapshot(connection: sqlite3.Connection, batch_id: int) -> BatchSnapshot:
    """A batch, its counts and the ledger's height, seen at the same moment."""
    with _one_moment(connection):
        batch = read_batch(connection, batch_id)
        counts = None if batch is None else _counts(connection, batch)
        return BatchSnapshot(batch, counts, read_ledger_end(connection)[0])


def _counts(connection: sqlite3.Connection, batch: BatchRecord) -> BatchCounts:
    if batch.summary is not None:  # its members may have been pruned since
        summary = _decode_summary(batch.summary)
        return BatchCounts(
            total=summary.total,
            waiting=0,
            running=0,
            completed=summary.completed,
            failed=summary.failed,
            cancelled=summary.cancelled,
        )
    total, still_open, running, failed, cancelled = connection.execute(
        statement("batch_counts"), {"id": batch.id}
    ).fetchone()
    return BatchCounts(
        total=total,
        waiting=still_open - running,
        running=running,
        completed=total - still_open - failed - cancelled,
        failed=failed,
        cancelled=cancelled,
    )


def read_batches(connection: sqlite3.Connection, query: BatchQuery) -> list[BatchRecord]:
    """A page of batches, newest first."""
    conditions, parameters = labelled(query.labels)
    if query.status is not None:
        codes = sorted(BATCH_STATUS_CODES[status] for status in query.status)
        conditions.append(f"status IN ({', '.join(map(str, codes))})")
    if query.name is not None:
        conditions.append("name = :name")
        parameters["name"] = query.name
    if query.before_id is not None:
        conditions.append("id < :before_id")
        parameters["before_id"] = min(query.before_id, INTEGER_MAX)
    columns = statement("batch").partition("FROM batch")[0]
    where = " AND ".join(conditions) or "1"
    text = f"{columns} FROM batch WHERE {where} ORDER BY id DESC LIMIT :limit"
    rows = connection.execute(text, {**parameters, "limit": query.limit}).fetchall()
    return [batch_record(row) for row in rows]


def read_batches_to_do(connection: sqlite3.Connection, limit: int) -> BatchesToDo:
    """Batches that wait for the watchdog."""
    with _one_moment(connection):
        due = _text(connection, "batches_due", limit=limit)
        stopped = _text(connection, "batches_stopped", limit=limit)
    return BatchesToDo(
        _decode_ids(due), {id_: REASON_OF[reason] for id_, reason in _decode_stopped(stopped)}
    )


def read_members(
    connection: sqlite3.Connection, batch_id: int, after_id: int, limit: int
) -> list[JobRecord]:
    """Members of a batch, by id."""
    if not is_storable(batch_id):
        return []
    parameters = {"batch_id": batch_id, "after_id": min(after_id, INTEGER_MAX), "limit": limit}
    rows = connection.execute(statement("members"), parameters).fetchall()
    return [job_record(row) for row in rows]


def read_batch_began_at_seq(connection: sqlite3.Connection, batch_id: int) -> int | None:
    """Seq of the batch's first event: none of its members has an earlier one."""
    if not is_storable(batch_id):
        return None
    seq: int | None = connection.execute(statement("batch_began"), {"id": batch_id}).fetchone()[0]
    return seq


def sum_up(connection: sqlite3.Connection, batch_id: int) -> BatchSummary | None:
    """What came of a batch that can be finalized now; None if it cannot."""
    with _one_moment(connection):
        batch = read_batch(connection, batch_id)
        if batch is None or batch.status is not BatchStatus.PROCESSING:
            return None
        (has_open,) = connection.execute(statement("batch_has_open"), {"id": batch_id}).fetchone()
        return None if has_open else _summary(connection, batch)


def _summary(connection: sqlite3.Connection, batch: BatchRecord) -> BatchSummary:
    assert batch.sealed_at is not None
    sums = _decode_sums(_text(connection, "batch_sums", id=batch.id))
    failures = _failures(connection, batch.id) if sums.failed else ()
    durations = _durations(connection, batch.id, sums.started) if sums.started else (None,) * 3
    return BatchSummary(
        batch_id=batch.id,
        name=batch.name,
        status=_ended_as(batch, sums),
        reason=batch.stopped,
        total=sums.total,
        completed=sums.completed,
        completed_with_warnings=sums.completed_with_warnings,
        failed=sums.failed,
        cancelled=sums.cancelled,
        warnings=sums.warnings,
        attempts=sums.attempts,
        retried=sums.retried,
        created_at=batch.created_at,
        sealed_at=batch.sealed_at,
        first_started_at=sums.first_started_at,
        last_ended_at=sums.last_ended_at,
        duration_p50_us=durations[0],
        duration_p95_us=durations[1],
        duration_max_us=durations[2],
        failures=failures,
        failures_beyond=sums.failed - sum(group.count for group in failures),
    )


def _ended_as(batch: BatchRecord, sums: _Sums) -> BatchStatus:
    if batch.stopped is Reason.REQUESTED and (sums.cancelled or not sums.total):
        return BatchStatus.CANCELLED
    if sums.failed or sums.cancelled:
        return BatchStatus.COMPLETED_WITH_ERRORS
    return BatchStatus.COMPLETED


def _durations(connection: sqlite3.Connection, batch_id: int, count: int) -> tuple[int, int, int]:
    """Median, 95th percentile and maximum: the nearest ranks."""
    text = _text(
        connection,
        "batch_durations",
        id=batch_id,
        before_p50=math.ceil(count / 2) - 1,
        before_p95=math.ceil(count * 19 / 20) - 1,
        before_max=count - 1,
    )
    return _decode_durations(text)


def _failures(connection: sqlite3.Connection, batch_id: int) -> tuple[FailureGroup, ...]:
    text = _text(connection, "batch_failure_groups", id=batch_id, limit=FAILURE_GROUPS_MAX)
    return tuple(
        FailureGroup(
            kind=group.kind,
            reason=REASON_OF[group.reason],
            error_type=group.error_type,
            count=group.count,
            first_job_id=group.first_job_id,
            message=group.message,
        )
        for group in _decode_groups(text)
    )


def _text(connection: sqlite3.Connection, name: str, /, **parameters: int) -> str:
    text: str = connection.execute(statement(name), parameters).fetchone()[0]
    return text
