"""A job's situation from inside the program that owns the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overseen.errors import JobNotFound
from overseen.explaining.situation import AHEAD_MAX, Owner, Situation, Slots
from overseen_storage.lifecycle import Status

if TYPE_CHECKING:
    from overseen.running import Running

__all__ = ["situation_here"]


async def situation_here(running: Running, job_id: int) -> Situation:
    """Read what is known of a job, with what only the program itself knows: slots, stuck bodies.

    Raises `JobNotFound`.
    """
    store = running.store
    job = await store.job(job_id)
    if job is None:
        raise JobNotFound(job_id)
    paused = {one.name: one for one in await store.queues()}.get(job.queue)
    waits = job.status is Status.PENDING and job.held is None
    attempt = running.live.get(job_id)
    queues = running.queues
    return Situation(
        job=job,
        events=await store.attempts(job_id),
        now=running.stamper.now(),
        owner=Owner("This program", True),
        slots=Slots(
            queues.running,
            queues.concurrency,
            queues.running_in(job.queue),
            queues.limits.get(job.queue),
        ),
        paused_at=paused.paused_at if paused else None,
        paused_by=paused.paused_by if paused else None,
        batch=None if job.batch_id is None else await store.batch(job.batch_id),
        ahead=await store.ahead(job_id, limit=AHEAD_MAX + 1) if waits else None,
        stuck=attempt is not None and attempt.stuck,
    )
