"""Subscriptions: a snapshot, then every event exactly once, then, for one job or batch, the end.

Register, snapshot, replay, live, in one place and in that order, so that it works the same for a
job that is not started, that ends meanwhile, or that ended an hour ago.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Literal, TypeAlias

import msgspec

from overseen.batches.errors import BatchNotFound
from overseen.errors import InvalidOption, JobNotFound, SupervisorStopped
from overseen.feed import Feed, FeedClosed, Page, Which
from overseen_storage.batch_records import BatchCounts, BatchRecord
from overseen_storage.errors import StoreClosed
from overseen_storage.lifecycle import TERMINAL, Cause, EventType
from overseen_storage.records import Event, JobRecord
from overseen_storage.store import Store

__all__ = ["After", "follow_all", "follow_batch", "follow_job"]

After: TypeAlias = Literal["start", "now"] | int
"""Where to begin: with the first event that is kept, with the next one, or after a seq."""


async def follow_job(
    store: Store, feed: Feed, job_id: int, after: After
) -> AsyncGenerator[Event, None]:
    """Yield a snapshot of one job, then its events; ends after its end.

    Raises `JobNotFound`, and `SupervisorStopped` when the supervisor stops before the job ends.
    """
    try:
        snapshot = await store.job_snapshot(job_id)
    except StoreClosed:
        raise SupervisorStopped(f"events of job {job_id} were asked for too late") from None
    job = snapshot.job
    if job is None:
        raise JobNotFound(job_id)
    yield _job_frame(job, snapshot.seq)
    cursor = _cursor(after, snapshot.seq)
    if job.ended and cursor >= snapshot.seq:
        return
    try:
        async for page in feed.read(cursor, Which(job_id=job_id)):
            ended = False
            for event in page.marked(snapshot.seq):
                ended = ended or event.status in TERMINAL
                yield event
            if ended:
                return
            if job.ended and page.searched_to >= snapshot.seq:
                return
    except FeedClosed:
        raise SupervisorStopped(f"job {job_id} has not ended, its events end here") from None


async def follow_batch(
    store: Store, feed: Feed, batch_id: int, after: After
) -> AsyncGenerator[Event, None]:
    """Yield a snapshot of one batch, then its events and those of its members, up to
    `batch_finalized`; of a batch that was finalized long ago, those that are kept.

    Raises `BatchNotFound`, and `SupervisorStopped` when the supervisor stops before its end.
    """
    try:
        snapshot = await feed.batch_snapshot(batch_id)
        began = await store.batch_began_at_seq(batch_id)
    except StoreClosed:
        raise SupervisorStopped(f"events of batch {batch_id} were asked for too late") from None
    batch, counts, height = snapshot.batch, snapshot.counts, snapshot.seq
    if batch is None or counts is None:
        raise BatchNotFound(batch_id)
    yield _batch_frame(batch, counts, height)
    # Nothing of it is older than its beginning, and a ledger may be long.
    cursor = max(_cursor(after, height), height if began is None else began - 1)
    if batch.ended and cursor >= height:
        return
    told = False
    # Members of a batch that is not finalized are never pruned, however much of the ledger is.
    complete_to = 0 if batch.ended else None
    try:
        async for page in feed.read(cursor, Which(batch_id=batch_id)):
            if complete_to is None:
                complete_to = page.pruned_to
            if page.pruned_to > max(complete_to, cursor) and not told:
                told = True
                yield _pruned_frame(page)
            for event in page.marked(height):
                yield event
                if event.type is EventType.BATCH_FINALIZED:
                    return
            if batch.ended and page.searched_to >= height:
                return
    except FeedClosed:
        what = f"batch {batch_id} has not ended, its events end here"
        raise SupervisorStopped(what) from None


async def follow_all(
    store: Store, feed: Feed, which: Which, after: After
) -> AsyncGenerator[Event, None]:
    """Yield a frame that tells the ledger's height, then events; ends when the supervisor stops."""
    try:
        height = await store.last_seq()
    except StoreClosed:
        return
    frame = Event(seq=height, at=0, type=EventType.SNAPSHOT, cause=Cause.SUPERVISOR)
    yield frame
    told = False
    cursor = _cursor(after, height)
    try:
        async for page in feed.read(cursor, which):
            if page.pruned_to > cursor and not told and cursor < height:
                told = True
                yield _pruned_frame(page)
            for event in page.marked(height):
                yield event
    except FeedClosed:
        return


def _cursor(after: After, height: int) -> int:
    match after:
        case "start":
            return 0
        case "now":
            return height
        case int() if not isinstance(after, bool) and after >= 0:
            return min(after, height)  # nobody can have seen more than there is
        case _:
            raise InvalidOption("after", after, '"start", "now" or the seq of an event')


def _job_frame(job: JobRecord, seq: int) -> Event:
    state = {
        "status": job.status,
        "attempt": job.fence,
        "progress": job.progress,
        "warnings": job.warnings,
        "error": job.error,
    }
    return Event(
        seq=seq,
        at=job.completed_at or job.attempt_started_at or job.created_at,
        type=EventType.SNAPSHOT,
        job_id=job.id,
        kind=job.kind,
        queue=job.queue,
        batch_id=job.batch_id,
        status=job.status,
        fence=job.fence,
        reason=job.reason,
        cause=job.cause,
        data=msgspec.json.encode(state).decode(),
    )


def _batch_frame(batch: BatchRecord, counts: BatchCounts, seq: int) -> Event:
    state = {
        "name": batch.name,
        "status": batch.status,
        "stopped": batch.stopped,
        "sealed": batch.sealed_at is not None,
        **{name: getattr(counts, name) for name in counts.__struct_fields__},
    }
    return Event(
        seq=seq,
        at=batch.finalized_at or batch.sealed_at or batch.created_at,
        type=EventType.SNAPSHOT,
        batch_id=batch.id,
        cause=Cause.SUPERVISOR,
        data=msgspec.json.encode(state).decode(),
    )


def _pruned_frame(page: Page) -> Event:
    return Event(seq=page.pruned_to, at=0, type=EventType.HISTORY_PRUNED, cause=Cause.SUPERVISOR)
