"""What must hold of the batches in any database."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from tests.storage.checkers import Rows, ensure
from tests.storage.driving import PAGE

from overseen_storage.batch_records import BatchRecord, BatchSummary
from overseen_storage.groups import BatchQuery
from overseen_storage.lifecycle import TERMINAL, EventType
from overseen_storage.records import Event, JobRecord
from overseen_storage.store import Store

decode_summary = msgspec.json.Decoder(BatchSummary).decode


async def read_batches(store: Store) -> list[BatchRecord]:
    """Every batch, newest first, read in pages."""
    batches: list[BatchRecord] = []
    before: int | None = None
    while page := await store.batches(BatchQuery(before_id=before, limit=PAGE)):
        batches += page
        before = page[-1].id
    return batches


async def check_batches(store: Store, rows: Rows, events: Sequence[Event]) -> None:
    """Every check below, for all batches of one database."""
    todo = await store.batches_to_do(limit=1_000_000)
    for batch in await read_batches(store):
        members = [row for row in rows.values() if row.batch_id == batch.id]
        own = [one for one in events if one.batch_id == batch.id and one.job_id is None]
        theirs = [one for one in events if one.batch_id == batch.id and one.job_id is not None]
        check_story(batch, own)
        check_members(batch, own, theirs)
        check_due(batch, members)
        open_members = not all(row.ended for row in members)
        ensure("I28 a due batch is found", (batch.id in todo.due) == batch.due, batch, todo)
        stopped = batch.stopped is not None and not batch.ended and open_members
        ensure("a stopped batch is found", (batch.id in todo.stopped) == stopped, batch, todo)
        check_numbers(batch, members)
        check_callbacks(batch, rows)


def check_story(batch: BatchRecord, own: Sequence[Event]) -> None:
    """Its own events are on the ledger at most once, and their stamps are its columns."""
    at = {one.type: one.at for one in own}
    ensure("a batch's events happen once", len(at) == len(own), own)
    ensure("a batch begins with its opening", own[0].type is EventType.BATCH_OPENED, own)
    ensure("created_at is the opening's", at[EventType.BATCH_OPENED] == batch.created_at, batch)
    ensure("sealed_at is the seal's", at.get(EventType.BATCH_SEALED) == batch.sealed_at, batch)
    finalized = at.get(EventType.BATCH_FINALIZED)
    ensure("I27 finalized exactly once", finalized == batch.finalized_at, batch, own)
    ensure("I27 finalized exactly when ended", (finalized is not None) == batch.ended, batch)
    if batch.ended:
        ensure("a batch ends with its finalization", own[-1].at == finalized, own)
    stops = {EventType.BATCH_TRIPPED, EventType.BATCH_CANCELLING} & set(at)
    ensure("a batch that is stopped was stopped", bool(stops) == (batch.stopped is not None), own)


def check_members(batch: BatchRecord, own: Sequence[Event], theirs: Sequence[Event]) -> None:
    """R34: nobody joins after the seal; nobody starts after a stop; nobody ends after the end."""
    at = {one.type: one.seq for one in own}
    sealed, finalized = at.get(EventType.BATCH_SEALED), at.get(EventType.BATCH_FINALIZED)
    stopped = [at[kind] for kind in STOPS if kind in at]
    for event in theirs:
        if event.type in BEGINNINGS:
            ensure("R34 no member after the seal", sealed is None or event.seq < sealed, event)
        if event.status in TERMINAL:
            late = finalized is not None and event.seq > finalized
            ensure("I28 no end after the finalization", not late, event, batch)
        if event.type is EventType.STARTED and stopped:
            ensure("nothing starts after the stop", event.seq < min(stopped), event, batch)


def check_due(batch: BatchRecord, members: Sequence[JobRecord]) -> None:
    """R41: the mark is the condition: sealed, not finalized, nobody open."""
    is_due = batch.sealed_at is not None and not batch.ended and all(row.ended for row in members)
    ensure("I28 due is never missed", batch.due == is_due, batch)


def check_numbers(batch: BatchRecord, members: Sequence[JobRecord]) -> None:
    """I26: the total is the number of members; the summary's numbers add up to it."""
    if not batch.ended and batch.total is not None:
        ensure("I26 the total is all members", batch.total == len(members), batch)
    if batch.summary is not None:
        one = decode_summary(batch.summary)
        ensure("I26 a summary adds up", one.completed + one.failed + one.cancelled == one.total)
        ensure("I26 a summary is about all", one.total == batch.total, one, batch)
        ensure("a batch ends as its summary says", one.status is batch.status, one, batch)


def check_callbacks(batch: BatchRecord, rows: Rows) -> None:
    """R43: one job at most for each event of a batch, and none before its end."""
    calls = [row.callback_event for row in rows.values() if row.callback_of == batch.id]
    ensure("R43 one callback for each event", len(set(calls)) == len(calls), calls, batch)
    ensure("R43 no callback before the end", batch.ended or not calls, calls, batch)


STOPS = (EventType.BATCH_TRIPPED, EventType.BATCH_CANCELLING)
BEGINNINGS = frozenset({EventType.SUBMITTED, EventType.SCHEDULED, EventType.DRAFTED})
