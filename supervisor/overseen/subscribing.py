"""Subscriptions: a snapshot, then every event exactly once, then, for one job, the end.

Register, snapshot, replay, live, in one place and in that order, so that it works the same for a
job that is not started, that ends meanwhile, or that ended an hour ago.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Literal, TypeAlias

import msgspec

from overseen.errors import InvalidOption, JobNotFound, SupervisorStopped
from overseen.feed import Feed, FeedClosed, Page, Which
from overseen_storage.errors import StoreClosed
from overseen_storage.lifecycle import TERMINAL, Cause, EventType
from overseen_storage.records import Event, JobRecord
from overseen_storage.store import Store

__all__ = ["After", "follow_all", "follow_job"]

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
            for event in page.events:
                yield _marked(event, snapshot.seq)
            if any(event.status in TERMINAL for event in page.events):
                return
            if job.ended and page.searched_to >= snapshot.seq:
                return
    except FeedClosed:
        raise SupervisorStopped(f"job {job_id} has not ended, its events end here") from None


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
            for event in page.events:
                yield _marked(event, height)
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


def _marked(event: Event, height: int) -> Event:
    """History is what the snapshot already contains."""
    return msgspec.structs.replace(event, replayed=True) if event.seq <= height else event


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


def _pruned_frame(page: Page) -> Event:
    return Event(seq=page.pruned_to, at=0, type=EventType.HISTORY_PRUNED, cause=Cause.SUPERVISOR)
