"""What can SQLite do at best? Raw sqlite3 writes the rows of the product, and nothing else runs.

A job is six writes: its row, two updates of it, and three ledger rows. A queue whose process may be
killed at any moment must commit a job's submit, start and end apart, so the floor is the best way
with three transactions a group; one transaction for all three is shown beside it. No claim is
looked for, no row is read back, no guard can fail: a lower bound of the cost, not a queue.

Each way is tried on the product's schema (its checks and indexes) and on a lean one (same columns,
no checks, the one index that claiming needs). Same settings of SQLite as the product's writer.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.database import BASE_AT, connect, make_empty, make_lean
from benchmarks.figures import Figure
from benchmarks.sampling import Sample, answer, sample
from benchmarks.settings import Settings

GROUP = 1_000
QUESTION = f"floor: raw sqlite3, groups of {GROUP:,}, synchronous=FULL"

Write = Callable[[sqlite3.Connection, int, int], None]
"""Writes a group, given its first job id and first seq; an event's stamp is BASE_AT + seq."""


def insert_by_executemany(connection: sqlite3.Connection, first: int, seq: int) -> None:
    at = BASE_AT + seq
    connection.executemany(
        "INSERT INTO job (id, status, priority, queue, kind, created_at, changed_at, ready_at,"
        " cause, retries, losses_allowed, arguments)"
        " VALUES (?, 4, 0, 'default', 'noop', ?, ?, ?, 1, 0, 3, ?)",
        [(first + n, at + n, at + n, at + n, f'{{"x":{first + n}}}') for n in range(GROUP)],
    )
    connection.executemany(
        "INSERT INTO ledger (seq, at, type, cause, job_id, status) VALUES (?, ?, 1, 1, ?, 4)",
        [(seq + n, at + n, first + n) for n in range(GROUP)],
    )


def start_by_executemany(connection: sqlite3.Connection, first: int, seq: int) -> None:
    at = BASE_AT + seq
    connection.executemany(
        "UPDATE job SET status = 5, fence = 1, epoch = 1, started_at = ?, attempt_started_at = ?,"
        " changed_at = ?, cause = 5 WHERE id = ? AND status = 4",
        [(at + n, at + n, at + n, first + n) for n in range(GROUP)],
    )
    connection.executemany(
        "INSERT INTO ledger (seq, at, type, cause, job_id, status, fence)"
        " VALUES (?, ?, 7, 5, ?, 5, 1)",
        [(seq + n, at + n, first + n) for n in range(GROUP)],
    )


def finish_by_executemany(connection: sqlite3.Connection, first: int, seq: int) -> None:
    at = BASE_AT + seq
    connection.executemany(
        "UPDATE job SET status = 8, completed_at = ?, changed_at = ?, result = ?, cause = 2"
        " WHERE id = ? AND fence = 1 AND status = 5",
        [(at + n, at + n, str(first + n), first + n) for n in range(GROUP)],
    )
    connection.executemany(
        "INSERT INTO ledger (seq, at, type, cause, job_id, status, fence)"
        " VALUES (?, ?, 8, 2, ?, 8, 1)",
        [(seq + n, at + n, first + n) for n in range(GROUP)],
    )


_INSERT_BY_JSON = (
    "INSERT INTO job (id, status, priority, queue, kind, created_at, changed_at, ready_at, cause,"
    " retries, losses_allowed, arguments)"
    " SELECT :first + key, 4, 0, 'default', 'noop', :at + key, :at + key, :at + key, 1, 0, 3, value"
    " FROM json_each(:rows)"
)
_START_BY_JSON = (
    "UPDATE job SET status = 5, fence = 1, epoch = 1, started_at = :at + entry.key,"
    " attempt_started_at = :at + entry.key, changed_at = :at + entry.key, cause = 5"
    " FROM json_each(:rows) AS entry WHERE job.id = entry.value AND job.status = 4"
)
_FINISH_BY_JSON = (
    "UPDATE job SET status = 8, completed_at = :at + entry.key, changed_at = :at + entry.key,"
    " result = json_extract(entry.value, '$[1]'), cause = 2 FROM json_each(:rows) AS entry"
    " WHERE job.id = json_extract(entry.value, '$[0]') AND job.fence = 1 AND job.status = 5"
)
_TELL_BY_JSON = (
    "INSERT INTO ledger (seq, at, type, cause, job_id, status, fence)"
    " SELECT :seq + key, :at + key, :type, :cause, value, :status, :fence FROM json_each(:ids)"
)


def _tell(
    connection: sqlite3.Connection, ids: str, seq: int, what: tuple[int, int, int, int | None]
) -> None:
    names = ("type", "cause", "status", "fence")
    parameters = dict(zip(names, what, strict=True))
    connection.execute(_TELL_BY_JSON, {"ids": ids, "seq": seq, "at": BASE_AT + seq, **parameters})


def _ids(first: int) -> str:
    return json.dumps(list(range(first, first + GROUP)))


def insert_by_json(connection: sqlite3.Connection, first: int, seq: int) -> None:
    rows = json.dumps([f'{{"x":{first + n}}}' for n in range(GROUP)])
    connection.execute(_INSERT_BY_JSON, {"rows": rows, "first": first, "at": BASE_AT + seq})
    _tell(connection, _ids(first), seq, (1, 1, 4, None))


def start_by_json(connection: sqlite3.Connection, first: int, seq: int) -> None:
    ids = _ids(first)
    connection.execute(_START_BY_JSON, {"rows": ids, "at": BASE_AT + seq})
    _tell(connection, ids, seq, (7, 5, 5, 1))


def finish_by_json(connection: sqlite3.Connection, first: int, seq: int) -> None:
    rows = json.dumps([(first + n, str(first + n)) for n in range(GROUP)])
    connection.execute(_FINISH_BY_JSON, {"rows": rows, "at": BASE_AT + seq})
    _tell(connection, _ids(first), seq, (8, 2, 8, 1))


WAYS: dict[str, tuple[Write, Write, Write]] = {
    "executemany": (insert_by_executemany, start_by_executemany, finish_by_executemany),
    "json_each": (insert_by_json, start_by_json, finish_by_json),
}


def measure(*, folder: str, jobs: int, way: str, three: bool, lean: bool) -> Sample:
    """Write `jobs` jobs: jobs/s, and CPU a job."""
    path = Path(folder) / "floor.db"
    (make_lean if lean else make_empty)(path)
    connection = connect(path)
    writes = WAYS[way]
    begun, cpu = time.perf_counter(), time.process_time()
    for group in range(jobs // GROUP):
        first, seq = 1 + group * GROUP, 10 + 3 * group * GROUP
        for step, write in enumerate(writes):
            if three or step == 0:
                connection.execute("BEGIN IMMEDIATE")
            write(connection, first, seq + step * GROUP)
            if three or step == 2:
                connection.execute("COMMIT")
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    completed = connection.execute("SELECT count(*) FROM job WHERE status = 8").fetchone()[0]
    told = connection.execute("SELECT count(*) FROM ledger WHERE job_id > 0").fetchone()[0]
    connection.close()
    assert (completed, told) == (jobs, 3 * jobs), (completed, told)
    return {"jobs_per_second": jobs / seconds, "cpu_us_per_job": cpu * 1e6 / jobs}


def once(settings: Settings, way: str, *, three: bool = True, lean: bool = False) -> float:
    """One sample of one way, in jobs/s."""
    with settings.scratch() as folder:
        jobs = settings.amounts.floor_jobs
        took = sample("floor", folder=str(folder), jobs=jobs, way=way, three=three, lean=lean)
        return took["jobs_per_second"]


def ask(settings: Settings) -> list[Figure]:
    """Every way, with three transactions a group and with one, on both schemas; in turn."""
    cases = [
        (way, three, lean) for lean in (False, True) for three in (True, False) for way in WAYS
    ]
    taken: dict[tuple[str, bool, bool], list[float]] = {case: [] for case in cases}
    for _ in range(settings.amounts.repeats):
        for way, three, lean in cases:
            taken[way, three, lean].append(once(settings, way, three=three, lean=lean))
    return [
        Figure(
            QUESTION,
            f"{'lean' if lean else 'product'} schema, {'three' if three else 'one'} tx, {way}",
            "jobs/s",
            tuple(samples),
        )
        for (way, three, lean), samples in taken.items()
    ]


if __name__ == "__main__":
    answer(measure)
