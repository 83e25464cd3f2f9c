"""What must hold of the batches in any store."""

from __future__ import annotations

from collections.abc import Sequence

from tests.storage.checkers import Rows, check_evidence, ensure
from tests.storage.driving import PAGE

from overseen_storage.audit import Check, Recorded
from overseen_storage.batch_records import BatchRecord
from overseen_storage.groups import BatchQuery
from overseen_storage.records import Event
from overseen_storage.store import Store

OF_BATCHES = frozenset(
    {Check.BATCH_STORY, Check.BATCH_MEMBERS, Check.BATCH_COUNTS, Check.BATCH_STUCK}
    | {Check.CALLBACKS}
)


async def read_batches(store: Store) -> list[BatchRecord]:
    """Every batch, newest first, read in pages."""
    batches: list[BatchRecord] = []
    before: int | None = None
    while page := await store.batches(BatchQuery(before_id=before, limit=PAGE)):
        batches += page
        before = page[-1].id
    return batches


async def check_batches(store: Store, rows: Rows, events: Sequence[Event]) -> None:
    """The audit's checks; and the watchdog is told of every batch that waits for it."""
    batches = await read_batches(store)
    recorded = Recorded(tuple(rows.values()), events, recorded_batches=batches)
    check_evidence(recorded, OF_BATCHES)
    todo = await store.batches_to_do(limit=1_000_000)
    for batch in batches:
        members = [row for row in rows.values() if row.batch_id == batch.id]
        open_members = not all(row.ended for row in members)
        ensure("I28 a due batch is found", (batch.id in todo.due) == batch.due, batch, todo)
        stopped = batch.stopped is not None and not batch.ended and open_members
        ensure("a stopped batch is found", (batch.id in todo.stopped) == stopped, batch, todo)
