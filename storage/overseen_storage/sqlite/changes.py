"""What an operator changes, one by one: waiting jobs, and whether a queue is paused."""

from __future__ import annotations

import msgspec

from overseen_storage.answers import Missed
from overseen_storage.items import ChangeWaiting, SetQueue
from overseen_storage.lifecycle import (
    CAUSE_CODES,
    REASON_CODES,
    WAITING,
    EventType,
    Held,
    Reason,
    Status,
)
from overseen_storage.sqlite.rows import Rows, document
from overseen_storage.sqlite.safe_text import make_safe
from overseen_storage.sqlite.writer import HELD_OF, STATUS_OF, Writer, is_storable


class Waiting(msgspec.Struct, frozen=True):
    """As much of a row as decides about a change."""

    id: int
    status: Status
    fence: int
    held: Held | None
    queue: str


class Changer:
    """Applies changes and remembers which jobs became pending."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.entered: list[str] = []
        """The queue of each job that can be claimed now and could not before."""
        self.unheld = 0
        """Jobs that were released from their hold."""

    def apply(self, rows: Rows[ChangeWaiting]) -> dict[int, Missed]:
        """Change each; who could not be changed."""
        missed: dict[int, Missed] = {}
        entered, unheld = list(self.entered), self.unheld
        for index, change in enumerate(rows.items, rows.first):
            row = self._read(change.job_id)
            if row is None:
                missed[index] = Missed(change.job_id, None)
            elif _fits(change, row):
                self._change(change, row, entered)
                unheld += change.release_hold and row.held is not None
            else:
                missed[index] = Missed(row.id, row.status, row.fence, row.held)
        self.entered, self.unheld = entered, unheld  # only now: what is refused is undone
        return missed

    def _read(self, job_id: int) -> Waiting | None:
        row = self._writer.one("waiting", id=job_id) if is_storable(job_id) else None
        if row is None:
            return None
        status, fence, held, queue = row
        assert isinstance(status, int)
        assert isinstance(fence, int)
        return Waiting(
            job_id,
            STATUS_OF[status],
            fence,
            HELD_OF[held] if isinstance(held, int) else None,
            str(queue),
        )

    def _change(self, change: ChangeWaiting, row: Waiting, entered: list[str]) -> None:
        writer = self._writer
        writer.run(
            "change_waiting",
            id=row.id,
            at=writer.at,
            promote=change.promote,
            priority=change.priority,
            new_due=_has_due(change),
            due_at=change.due_at,
            due_wall_at=change.due_wall_at,
            release=change.release_hold,
            reason=REASON_CODES[Reason.OPERATOR],
            cause=CAUSE_CODES[change.cause],
        )
        if change.promote:
            writer.event(
                EventType.PROMOTED,
                change.cause,
                job_id=row.id,
                status=Status.PENDING,
                reason=Reason.OPERATOR,
                data=_data(change),
            )
        elif _has_due(change) or change.priority is not None:
            writer.event(
                EventType.CHANGED,
                change.cause,
                job_id=row.id,
                reason=Reason.OPERATOR,
                data=_data(change),
            )
        released = change.release_hold and row.held is not None
        if released:
            writer.event(EventType.UNHELD, change.cause, job_id=row.id, reason=Reason.OPERATOR)
        if change.promote or released:
            entered.append(row.queue)


def _has_due(change: ChangeWaiting) -> bool:
    return change.due_at is not None or change.due_wall_at is not None


def _fits(change: ChangeWaiting, row: Waiting) -> bool:
    if change.release_hold and row.held is None:
        return False
    if row.status is Status.DRAFT:
        return change.priority is not None and not change.promote and not _has_due(change)
    if row.status is Status.PENDING:
        return not change.promote and not _has_due(change)
    return row.status in WAITING


def _data(change: ChangeWaiting) -> str | None:
    """What was changed, for the ledger."""
    changed: dict[str, int] = {}
    if change.priority is not None:
        changed["priority"] = change.priority
    if _has_due(change) and not change.promote:
        if change.due_at is not None:
            changed["due_at"] = change.due_at
        if change.due_wall_at is not None:
            changed["due_wall_at"] = change.due_wall_at
    return document(changed) if changed else None


def set_queues(writer: Writer, rows: Rows[SetQueue]) -> dict[int, Missed]:
    """Pause or resume queues; one that already is so gets no event."""
    for item in rows.items:
        item = make_safe(item)
        row = writer.one("queue_paused", name=item.name)
        if (row is not None and row[0] is not None) == item.paused:
            continue
        at = writer.event(
            EventType.QUEUE_PAUSED if item.paused else EventType.QUEUE_RESUMED,
            item.cause,
            queue=item.name,
        )
        by = CAUSE_CODES[item.cause] if item.paused else None
        writer.run("set_queue", name=item.name, at=at if item.paused else None, by=by)
    return {}
