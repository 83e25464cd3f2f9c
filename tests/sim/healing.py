"""The second phase of a history: nothing goes wrong any more, and everything has to come to its
end within bounded virtual time."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from tests.sim.client import note_end
from tests.sim.witness import NARROW
from tests.sim.world import Life

from overseen import (
    BatchStatus,
    Degraded,
    JobNotFound,
    JobRecord,
    OutcomeUnknown,
    OverseenError,
    Status,
    StillRunning,
    SupervisorError,
    SupervisorFailed,
    SupervisorStopped,
)
from overseen_storage.errors import StoreError
from overseen_storage.lifecycle import LIVE, TERMINAL

SETTLE_SECONDS = 60.0
"""Time for what a fault has left behind: probes of the disk, restarts, looks of the watchdog."""
STARVES_SECONDS = 6.0
"""A job that could start for longer than this is forgotten."""
SECONDS_OF_A_JOB = 250.0
"""More than any job takes, all its attempts and the waits between them included."""
STOP_SECONDS_MAX = 20.0
"""A stop with nothing to wait for."""
OPEN = frozenset(Status) - TERMINAL
POLL_SECONDS = 1.0


async def heal(life: Life) -> None:
    """Bring everything to its end."""
    life.disk.heal()
    await _start_for_certain(life)
    life.phase = "healing"
    await _until_all_ended(life)
    await _ask_again(life)
    await _stop_in_order(life)


async def _start_for_certain(life: Life) -> None:
    """A disk that works lets everybody start; bodies that are stuck end sooner or later."""
    for _ in range(60):
        try:
            await life.supervisor.start()
            if not life.supervisor.degraded:
                await _resume_all(life)  # the last fault may be felt only now
                return
        except SupervisorFailed:
            life.book.sometimes.reach("the supervisor gave up")
            await _give_up_life(life)
        except (StillRunning, OutcomeUnknown, Degraded, SupervisorStopped, StoreError):
            pass  # what a slow disk has not answered yet, such as the last life's farewell
        await asyncio.sleep(POLL_SECONDS)
    life.book.broken("L4 a start succeeds when nothing goes wrong", "60 s of trying")


async def _give_up_life(life: Life) -> None:
    try:
        await life.supervisor.stop()
    except SupervisorFailed:
        return


async def _resume_all(life: Life) -> None:
    for queue in ("default", NARROW):
        await life.supervisor.resume(queue)


async def _until_all_ended(life: Life) -> None:
    loop, supervisor = life.loop, life.supervisor
    begun = loop.time()
    starving_since: dict[int, float] = {}
    most, pause = 0, POLL_SECONDS
    while True:
        jobs = await supervisor.jobs(status=OPEN, limit=10_000)
        batches = await supervisor.batches(
            status=[BatchStatus.OPEN, BatchStatus.PROCESSING], limit=10_000
        )
        if not jobs and not batches:
            life.book.sometimes.reach("time healed everything")
            return
        most = max(most, len(jobs) + len(batches))
        if loop.time() > begun + SETTLE_SECONDS + most * SECONDS_OF_A_JOB:
            left = [f"job {one.id} {one.status} {one.held or ''}" for one in jobs]
            left += [f"batch {one.id} {one.status}" for one in batches]
            life.book.broken("L2 everything ends in bounded time", f"{left}")
            return
        await _help(life, jobs, [one.id for one in batches if one.sealed_at is None])
        if loop.time() > begun + SETTLE_SECONDS:
            _look_for_starving(life, jobs, starving_since)
        await asyncio.sleep(pause)
        pause = min(1.3 * pause, STARVES_SECONDS)


async def _help(life: Life, jobs: list[JobRecord], unsealed: list[int]) -> None:
    """What an operator does: nothing else would end these."""
    supervisor = life.supervisor
    try:
        for batch_id in unsealed:
            await supervisor.find_batch(batch_id).seal()
        for one in jobs:
            if one.held is not None:
                await supervisor.release(one.id)
            elif one.due_wall_at is not None and one.status is Status.SCHEDULED:
                await supervisor.promote(one.id)  # the wall may have been set back by years
    except OverseenError as error:  # it has moved meanwhile
        life.say("operator", type(error).__name__)


def _look_for_starving(life: Life, jobs: list[JobRecord], since: dict[int, float]) -> None:
    """L1: no job that could start waits while a slot is free."""
    options, now = life.world.options, life.loop.time()
    running: dict[str, int] = defaultdict(int)
    for one in jobs:
        if one.status in LIVE:
            running[one.queue] += 1
    free = sum(running.values()) < options.concurrency
    patience = STARVES_SECONDS + 10 * options.latency_seconds[1]
    stamp = life.witness.stamp_now()
    for one in jobs:
        if stamp is not None and one.due_at is not None and one.due_at < stamp - patience * 1e6:
            what = f"job {one.id} is {one.status} at {stamp}, due at {one.due_at}"
            life.book.broken("L1 what is due is not waited for", what)
        queue_free = one.queue != NARROW or running[NARROW] < options.narrow_limit
        if one.status is not Status.PENDING or one.held is not None or not free or not queue_free:
            since.pop(one.id, None)
            continue
        waited = now - since.setdefault(one.id, now)
        if waited > patience:
            what = f"job {one.id} waits for {waited} s in {one.queue}, running: {dict(running)}"
            life.book.broken("L1 no ready job waits beside a free slot", what)


async def _ask_again(life: Life) -> None:
    """Everybody gets the same answers, however late."""
    supervisor, book = life.supervisor, life.book
    for row in await supervisor.jobs(limit=10_000):
        try:
            note_end(book, await supervisor.handle(row.id).wait(timeout=60))
        except JobNotFound:
            if life.world.options.keeps_seconds is None:
                book.broken("I17 nothing goes away by itself", f"job {row.id}")
    for one in await supervisor.batches(limit=10_000):
        summary = await supervisor.find_batch(one.id).summary(timeout=60)
        if summary.completed + summary.failed + summary.cancelled != summary.total:
            book.broken("I28 a summary adds up", f"{summary}")


async def _stop_in_order(life: Life) -> None:
    await asyncio.sleep(POLL_SECONDS)  # a life may be too short to look for files that nobody has
    begun = life.loop.time()
    life.phase = "stopping"
    try:
        report = await life.supervisor.stop()
    except SupervisorError as error:
        life.book.broken("L4 a stop ends in order", repr(error))
        return
    took = life.loop.time() - begun
    if not report.clean:
        life.book.broken("L4 nothing is stuck or unwritten in the end", f"{report}")
    if took > STOP_SECONDS_MAX + 20 * life.world.options.latency_seconds[1]:
        life.book.broken("L4 a stop ends in bounded time", f"{took} s: {report}")
    for task in life.background:
        task.cancel()
    if life.background:
        await asyncio.wait(life.background)
