"""After a failure of the supervisor actor, or of the disk: memory is made to agree with it."""

from __future__ import annotations

from overseen.attempt import Attempt
from overseen.recovery import reconcile
from overseen.running import Running
from overseen_storage.groups import JobQuery
from overseen_storage.lifecycle import Status
from overseen_storage.records import JobRecord

__all__ = ["resync"]


async def resync(running: Running) -> None:
    """The supervisor actor failed, or the disk did: what is in memory is made to agree with
    the disk again."""
    await reconcile(
        running.store,
        live=running.live,
        take_stamps=running.stamper.take,
        agree=lambda attempt, row: _agree(running, attempt, row),
    )
    running.queues.recount(attempt.claimed.queue for attempt in running.live if not attempt.stuck)
    running.queues.enter_all(await running.store.ready_queues())
    for queue in await running.store.queues():
        (running.queues.resume if queue.paused_at is None else running.queues.pause)(queue.name)
    running.feed.advance(await running.store.last_seq())
    newest = await running.store.jobs(JobQuery(limit=1))
    running.recent.distrust(newest[0].id if newest else 0)


def _agree(running: Running, attempt: Attempt, row: JobRecord) -> None:
    """An attempt is told what its row says, and is looked at when its state says so."""
    now = running.loop.time()
    if row.status is Status.CANCELLING and not attempt.cancelling:
        attempt.cancelling = True
        attempt.cancel_reason = row.reason or attempt.cancel_reason
        attempt.cancel_cause = row.cause
        running.accounting.tell_to_stop(attempt, now)
    if row.stop_reason is not None and attempt.stop_reason is None:
        attempt.stop_reason = row.stop_reason
        running.accounting.tell_to_stop(attempt, now)
    running.watch.follow(attempt, now)
