"""Reading: rows become records. Each function is one short transaction; nothing stays open."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import msgspec

from overseen_storage.answers import Deadlines, EventPage, JobSnapshot
from overseen_storage.groups import JobQuery
from overseen_storage.lifecycle import LIVE, STATUS_CODES, Status
from overseen_storage.records import (
    EpochRecord,
    Event,
    JobError,
    JobRecord,
    LogLine,
    Progress,
    QueueRecord,
)
from overseen_storage.sqlite.statements import statement
from overseen_storage.sqlite.writer import (
    CAUSE_OF,
    EVENT_OF,
    HELD_OF,
    INTEGER_MAX,
    REASON_OF,
    STATUS_OF,
    Parameter,
    is_storable,
)

_FIELDS = JobRecord.__struct_fields__
_CODES = {
    "status": STATUS_OF,
    "reason": REASON_OF,
    "cause": CAUSE_OF,
    "held": HELD_OF,
    "stop_reason": REASON_OF,
}
_DOCUMENTS: dict[str, Callable[[str], object]] = {
    "error": msgspec.json.Decoder(JobError).decode,
    "progress": msgspec.json.Decoder(Progress).decode,
}
_LIVE = "status IN (5 /* running */, 6 /* cancelling */)"
_SCAN_MIN = 2_000
_SCAN_FACTOR = 20


class EventRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event as the statements answer it."""

    seq: int
    at: int
    type: int
    job_id: int | None
    kind: str | None
    queue: str | None
    batch_id: int | None
    status: int | None
    fence: int | None
    reason: int | None
    cause: int
    data: str | None


_decode_events = msgspec.json.Decoder(list[EventRow]).decode


def job_record(row: tuple[Parameter, ...]) -> JobRecord:
    """A row, in the order of the record's fields, as the record."""
    values: dict[str, object] = dict(zip(_FIELDS, row, strict=True))
    for name, words in _CODES.items():
        code = values[name]
        if code is not None:
            values[name] = words[code]  # type: ignore[index] # a code is an int: the schema says so
    for name, decode in _DOCUMENTS.items():
        text = values[name]
        if isinstance(text, str):
            values[name] = decode(text)
    return JobRecord(**values)  # type: ignore[arg-type] # the columns have the record's types


def event_record(row: EventRow) -> Event:
    """An event with words for its numbers."""
    return Event(
        seq=row.seq,
        at=row.at,
        type=EVENT_OF[row.type],
        job_id=row.job_id,
        kind=row.kind,
        queue=row.queue,
        batch_id=row.batch_id,
        status=None if row.status is None else STATUS_OF[row.status],
        fence=row.fence,
        reason=None if row.reason is None else REASON_OF[row.reason],
        cause=CAUSE_OF[row.cause],
        data=row.data,
    )


def read_job(connection: sqlite3.Connection, job_id: int) -> JobRecord | None:
    """One row, or None."""
    if not is_storable(job_id):
        return None
    row = connection.execute(statement("job"), {"id": job_id}).fetchone()
    return None if row is None else job_record(row)


def read_snapshot(connection: sqlite3.Connection, job_id: int) -> JobSnapshot:
    """One row and the ledger's height, seen at the same moment."""
    connection.execute("BEGIN")
    try:
        job = read_job(connection, job_id)
        return JobSnapshot(job, read_ledger_end(connection)[0])
    finally:
        connection.execute("COMMIT")


def read_ledger_end(connection: sqlite3.Connection) -> tuple[int, int]:
    """The ledger's height, and up to where it may have been pruned."""
    row: tuple[int, int] = connection.execute(statement("ledger_end")).fetchone()
    return row


def read_jobs(connection: sqlite3.Connection, query: JobQuery) -> list[JobRecord]:
    """A page of jobs, newest first."""
    conditions, parameters = _conditions(query)
    columns = statement("job").partition("FROM job")[0]
    where = " AND ".join(conditions) or "1"
    text = f"{columns} FROM job WHERE {where} ORDER BY id DESC LIMIT :limit"
    rows = connection.execute(text, {**parameters, "limit": query.limit}).fetchall()
    return [job_record(row) for row in rows]


def _conditions(query: JobQuery) -> tuple[list[str], dict[str, Parameter]]:
    # Statuses are written out, not bound, so that SQLite sees which partial index serves them.
    conditions: list[str] = []
    parameters: dict[str, Parameter] = {}
    if query.status is not None:
        conditions.append(_among(query.status))
    if query.held is not None:
        conditions.append("held IS NOT NULL" if query.held else "held IS NULL")
    given: dict[str, Parameter] = {
        "kind": query.kind,
        "queue": query.queue,
        "batch_id": query.batch_id,
        "key": query.key,
        "callback_of": query.callback_of,
    }
    for name, value in given.items():
        if value is not None:
            conditions.append(f"{name} = :{name}")
            parameters[name] = value
    with_labels, texts = labelled(query.labels)
    conditions += with_labels
    parameters |= texts
    if query.before_id is not None:
        conditions.append("id < :before_id")
        parameters["before_id"] = min(query.before_id, INTEGER_MAX)
    return conditions, parameters


def labelled(labels: dict[str, str]) -> tuple[list[str], dict[str, Parameter]]:
    """The conditions for rows that have all of `labels`, and their parameters."""
    conditions: list[str] = []
    parameters: dict[str, Parameter] = {}
    for number, (label, text) in enumerate(sorted(labels.items())):
        conditions.append(
            f"EXISTS (SELECT 1 FROM json_each(labels) AS label{number}"
            f" WHERE label{number}.key = :label{number} AND label{number}.value = :text{number})"
        )
        parameters[f"label{number}"] = label
        parameters[f"text{number}"] = text
    return conditions, parameters


def _among(statuses: frozenset[Status]) -> str:
    if not statuses:
        return "0"
    codes = sorted(STATUS_CODES[status] for status in statuses)
    among = f"status IN ({', '.join(map(str, codes))})"
    if len(codes) > 1:
        return among
    # The index of the live ones is over both, so one of them is asked for as one of both.
    return f"{_LIVE} AND {among}" if statuses <= LIVE else f"status = {codes[0]}"


def read_orphans(
    connection: sqlite3.Connection, epoch: int, after_id: int, limit: int
) -> list[JobRecord]:
    """Live rows of other epochs, by id."""
    parameters = {"epoch": epoch, "after_id": after_id, "limit": limit}
    rows = connection.execute(statement("orphans"), parameters).fetchall()
    return [job_record(row) for row in rows]


class EventsText(msgspec.Struct, frozen=True):
    """A page of events as the database answers it; decoded on the loop's side."""

    rows: str
    searched_to: int
    pruned_to: int


def read_events(
    connection: sqlite3.Connection,
    *,
    after: int,
    limit: int,
    up_to: int | None,
    job_id: int | None,
    batch_id: int | None,
    kind: str | None,
) -> EventsText:
    """The ledger after a seq, in order; how far it was searched when the page is not full."""
    connection.execute("BEGIN")
    try:
        height, pruned_to = read_ledger_end(connection)
        after = min(after, INTEGER_MAX)
        end = height if up_to is None else min(up_to, height)
        parameters: dict[str, Parameter] = {"after": after, "up_to": end, "limit": limit}
        searched_to = max(after, end)
        if job_id is not None:
            if not is_storable(job_id):
                return EventsText("[]", searched_to, pruned_to)
            name = "events_of_job"
            parameters.update(job_id=job_id, batch_id=batch_id, kind=kind)
        elif batch_id is None and kind is None:
            name = "events"
        else:
            # Any number of other events may lie between two of these: one call looks at so many.
            name = "events_among"
            parameters["window"] = max(_SCAN_MIN, limit * _SCAN_FACTOR)
            row = connection.execute(statement("window_end"), parameters).fetchone()
            searched_to = max(after, row[0] or end)
            parameters.update(batch_id=batch_id, kind=kind)
        rows: str = connection.execute(statement(name), parameters).fetchone()[0]
        return EventsText(rows, searched_to, pruned_to)
    finally:
        connection.execute("COMMIT")


def event_page(text: EventsText, limit: int) -> EventPage:
    """The answer to the caller."""
    events = [event_record(row) for row in _decode_events(text.rows)]
    full = bool(events) and len(events) >= limit
    return EventPage(events, events[-1].seq if full else text.searched_to, text.pruned_to)


def read_history(connection: sqlite3.Connection, job_id: int) -> list[Event]:
    """All events of one job, inside a transaction that is open."""
    if not is_storable(job_id):
        return []
    parameters: dict[str, Parameter] = {"after": 0, "up_to": INTEGER_MAX, "limit": INTEGER_MAX}
    parameters.update(job_id=job_id, batch_id=None, kind=None)
    rows: str = connection.execute(statement("events_of_job"), parameters).fetchone()[0]
    return [event_record(row) for row in _decode_events(rows)]


def read_ahead(connection: sqlite3.Connection, job_id: int, limit: int) -> int:
    """How many jobs of its queue go before a pending job."""
    if not is_storable(job_id):
        return 0
    found: int = connection.execute(statement("ahead"), {"id": job_id, "limit": limit}).fetchone()[
        0
    ]
    return found


def read_logs(connection: sqlite3.Connection, job_id: int) -> list[LogLine]:
    """The log lines of one job."""
    if not is_storable(job_id):
        return []
    rows = connection.execute(statement("logs"), {"job_id": job_id}).fetchall()
    return [LogLine(*row) for row in rows]


def read_queues(connection: sqlite3.Connection) -> list[QueueRecord]:
    """Every queue that was ever paused."""
    rows = connection.execute(statement("queues")).fetchall()
    return [
        QueueRecord(name=name, paused_at=at, paused_by=None if by is None else CAUSE_OF[by])
        for name, at, by in rows
    ]


def read_ready_queues(connection: sqlite3.Connection) -> list[str]:
    """Queues with a claimable job, by name."""
    return [row[0] for row in connection.execute(statement("ready_queues")).fetchall()]


def read_deadlines(connection: sqlite3.Connection) -> Deadlines:
    """What becomes due or expires next."""
    return Deadlines(*connection.execute(statement("deadlines")).fetchone())


def read_counts(connection: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """Jobs by queue and status."""
    counts: dict[str, dict[str, int]] = {}
    for queue, status, count in connection.execute(statement("counts")).fetchall():
        counts.setdefault(queue, {})[STATUS_OF[status].value] = count
    return counts


def read_epochs(connection: sqlite3.Connection) -> list[EpochRecord]:
    """Every epoch, oldest first."""
    rows = connection.execute(statement("epochs")).fetchall()
    return [
        EpochRecord(
            id=id_, pid=pid, host=host, version=version, started_at=started, stopped_at=stopped
        )
        for id_, pid, host, version, started, stopped in rows
    ]
