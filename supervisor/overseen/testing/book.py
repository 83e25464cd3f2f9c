"""What happened: every event of the ledger, written down as it is committed, and the rows now.

Read with a connection of its own, on the loop's thread and in no simulated time, so that a test may
look at any moment, also while the supervisor is dead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final, TypeVar

from overseen_storage.groups import JobQuery
from overseen_storage.lifecycle import TERMINAL, Status
from overseen_storage.records import Event, JobRecord
from overseen_storage.sqlite.hop import connect_sqlite
from overseen_storage.sqlite.reading import event_page, read_events, read_jobs, read_queues

__all__ = ["Book"]

T = TypeVar("T")

_PAGE: Final = 1_000
_OPEN: Final = frozenset(Status) - TERMINAL - {Status.DRAFT, Status.BLOCKED}
_SHOWN: Final = 10
_UNFINISHED_BATCHES: Final = """
SELECT id, name, why FROM stuck_batches
WHERE why IN ('due, not finalized', 'stopped, members not cancelled yet')
LIMIT 10
"""


class Book:
    """The events so far, and questions about the present."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        """In order; also those that were pruned since."""
        self._path: str | None = None
        self._connection: sqlite3.Connection | None = None

    def write_down(self, path: str) -> None:
        """The database at `path` may have changed: note what is new."""
        if path != self._path:
            self.close()
            self._path = path
        connection = self._open()
        if connection is None:
            return
        while True:
            after = self.events[-1].seq if self.events else 0
            text = read_events(
                connection,
                after=after,
                limit=_PAGE,
                up_to=None,
                job_id=None,
                batch_id=None,
                kind=None,
            )
            found = event_page(text, _PAGE).events
            self.events.extend(found)
            if len(found) < _PAGE:
                return

    def submitted(self, kind: str) -> list[JobRecord]:
        """Jobs of a kind as they are now, in order of submission."""
        return self._ask(lambda connection: _all_jobs(connection, JobQuery(kind=kind)), [])

    def unfinished(self) -> list[str]:
        """A line for each of the first jobs and batches with which something will happen yet."""
        return self._ask(_unfinished, [])

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ask(self, question: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        connection = self._open()
        return nothing if connection is None else question(connection)

    def _open(self) -> sqlite3.Connection | None:
        """None as long as there are no tables."""
        if self._connection is None and self._path is not None:
            connection = connect_sqlite(self._path, read_only=True)
            found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger'")
            if found.fetchone() is None:
                connection.close()
                return None
            self._connection = connection
        return self._connection


def _all_jobs(connection: sqlite3.Connection, query: JobQuery) -> list[JobRecord]:
    found: list[JobRecord] = []
    before_id: int | None = None
    while True:
        page = read_jobs(
            connection,
            JobQuery(
                status=query.status,
                kind=query.kind,
                held=query.held,
                before_id=before_id,
                limit=_PAGE,
            ),
        )
        found.extend(page)
        if len(page) < _PAGE:
            return found[::-1]
        before_id = page[-1].id


def _unfinished(connection: sqlite3.Connection) -> list[str]:
    paused = {queue.name for queue in read_queues(connection) if queue.paused_at is not None}
    going_on = JobQuery(status=_OPEN, held=False, limit=_SHOWN)
    jobs = _all_jobs(connection, going_on) if paused else read_jobs(connection, going_on)
    lines = [
        f"job {job.id} ({job.kind}) is {job.status}" + _why(job)
        for job in jobs
        if not (job.status is Status.PENDING and job.queue in paused)
    ]
    batches = connection.execute(_UNFINISHED_BATCHES).fetchall()
    lines += [f"batch {id} ({name}): {why}" for id, name, why in batches]
    return lines[:_SHOWN]


def _why(job: JobRecord) -> str:
    if job.status is Status.RETRYING:
        return f" after {job.failures} failures, {job.losses} losses"
    return f", attempt {job.fence}" if job.status is Status.RUNNING else ""
