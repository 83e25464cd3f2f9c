"""One transaction under way: its connection and its counters.

Ids, seqs and stamps are counted in memory, from high-water marks that are read from the disk when
the store is opened and after every rollback. One writer owns the database, so nobody else counts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from overseen_storage.batch_lifecycle import (
    BATCH_POLICY_CODES,
    BATCH_STATUS_CODES,
    BatchPolicy,
    BatchStatus,
)
from overseen_storage.lifecycle import (
    CAUSE_CODES,
    EVENT_CODES,
    HELD_CODES,
    REASON_CODES,
    STATUS_CODES,
    Cause,
    EventType,
    Held,
    Reason,
    Status,
)
from overseen_storage.sqlite.rows import Item, Rows
from overseen_storage.sqlite.statements import statement
from overseen_storage.sqlite.translate_errors import is_about_a_row

Parameter = int | float | str | bytes | None
T = TypeVar("T")

STATUS_OF: dict[int, Status] = {code: status for status, code in STATUS_CODES.items()}
REASON_OF: dict[int, Reason] = {code: reason for reason, code in REASON_CODES.items()}
CAUSE_OF: dict[int, Cause] = {code: cause for cause, code in CAUSE_CODES.items()}
HELD_OF: dict[int, Held] = {code: held for held, code in HELD_CODES.items()}
EVENT_OF: dict[int, EventType] = {code: kind for kind, code in EVENT_CODES.items()}
BATCH_STATUS_OF: dict[int, BatchStatus] = {code: one for one, code in BATCH_STATUS_CODES.items()}
BATCH_POLICY_OF: dict[int, BatchPolicy] = {code: one for one, code in BATCH_POLICY_CODES.items()}


INTEGER_MAX = 2**63 - 1
"""The largest number that SQLite can keep: no id, seq or stamp is higher."""


def is_storable(number: int) -> bool:
    """Whether SQLite can keep it: if not, nothing has this number."""
    return -INTEGER_MAX <= number <= INTEGER_MAX


@dataclass(frozen=True, slots=True)
class BatchMarks:
    """Whether there are batches to look after: where there are none, nobody pays for them."""

    unfinalized: bool = False
    """A batch is not finalized."""
    stopped: bool = False
    """One of those was stopped: its members must not be claimed."""


@dataclass(slots=True)
class Heights:
    """The highest numbers given out, and what else is known without a look at the disk."""

    seq: int
    id: int
    stamp: int
    batches: BatchMarks = BatchMarks()


class Writer:
    """Applies parts of a group, one after the other, and counts."""

    __slots__ = (
        *("_batches", "_connection", "at", "careful", "freed_files", "id", "refused", "seq"),
        "touched_batches",
    )

    def __init__(
        self, connection: sqlite3.Connection, heights: Heights, at: int, *, careful: bool
    ) -> None:
        self._connection = connection
        self.seq: int = heights.seq + 1
        """The next event's."""
        self.id: int = heights.id + 1
        """The next job's."""
        self.at = at
        """The next event's stamp."""
        self.careful = careful
        """Whether an item that the schema refuses is looked for, so that the others are kept."""
        self.refused: dict[str, dict[int, str]] = {}
        self.freed_files: list[str] = []
        """Stored names that no job uses any more."""
        self.touched_batches: set[int] = set()
        """Batches that were sealed: it is looked at what that means for them."""
        self._batches: BatchMarks | None = heights.batches

    def run(self, name: str, /, **parameters: Parameter) -> int:
        """Execute a statement; how many rows it changed."""
        return self._connection.execute(statement(name), parameters).rowcount

    def insert(self, name: str, /, **parameters: Parameter) -> int:
        """Execute a statement that creates one row; its id."""
        created = self._connection.execute(statement(name), parameters).lastrowid
        assert created is not None
        return created

    def one(self, name: str, /, **parameters: Parameter) -> tuple[Parameter, ...] | None:
        """Execute a statement; its first row."""
        row: tuple[Parameter, ...] | None
        row = self._connection.execute(statement(name), parameters).fetchone()
        return row

    def all(self, name: str, /, **parameters: Parameter) -> list[tuple[Parameter, ...]]:
        """Execute a statement; its rows."""
        return self._connection.execute(statement(name), parameters).fetchall()

    def text(self, name: str, /, **parameters: Parameter) -> str:
        """Execute a statement that answers one JSON text."""
        row = self.one(name, **parameters)
        answer = None if row is None else row[0]
        assert isinstance(answer, str), f"{name} answered {row!r}"
        return answer

    def event(
        self,
        kind: EventType,
        cause: Cause,
        *,
        job_id: int | None = None,
        status: Status | None = None,
        reason: Reason | None = None,
        data: str | None = None,
        queue: str | None = None,
        batch_id: int | None = None,
    ) -> int:
        """Write one event; its stamp."""
        at = self.at
        self.run(
            "event",
            seq=self.seq,
            at=at,
            type=EVENT_CODES[kind],
            cause=CAUSE_CODES[cause],
            job_id=job_id,
            status=None if status is None else STATUS_CODES[status],
            fence=None,
            reason=None if reason is None else REASON_CODES[reason],
            data=data,
            queue=queue,
            batch_id=batch_id,
        )
        self.seq += 1
        self.at += 1
        return at

    @property
    def batches(self) -> BatchMarks:
        """Whether there are batches to look after, as of now in this transaction."""
        if self._batches is None:
            row = self.one("batch_marks")
            assert row is not None
            self._batches = BatchMarks(bool(row[0]), bool(row[1]))
        return self._batches

    def batches_changed(self) -> None:
        """A batch was opened, stopped or finalized: `batches` is read again when it is asked."""
        self._batches = None

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """What happens inside is undone, the counters too, if an exception leaves it."""
        before = (self.seq, self.id, self.at)
        freed = len(self.freed_files)
        self._connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK TO part")
            self._connection.execute("RELEASE part")
            self.seq, self.id, self.at = before
            del self.freed_files[freed:]
            self.batches_changed()
            raise
        self._connection.execute("RELEASE part")

    def apply(
        self, field: str, rows: Rows[Item], function: Callable[[Rows[Item]], dict[int, T]]
    ) -> dict[int, T]:
        """Apply `function` to `rows`; what it answers, by index.

        When careful, a stretch that the schema refuses is halved until the offender stands alone:
        it is noted in `refused`, everything else is kept.
        """
        if not rows.items:
            return {}
        if not self.careful:
            return function(rows)
        try:
            with self.savepoint():
                return function(rows)
        except Exception as error:
            if not is_about_a_row(error):
                raise
            if len(rows) == 1:
                self.refused.setdefault(field, {})[rows.first] = str(error)
                return {}
        left, right = rows.halves()
        return {**self.apply(field, left, function), **self.apply(field, right, function)}
