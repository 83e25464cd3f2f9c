"""Reports of attempts that are over, written straight to the store: nobody may believe them (I11).

A worker whose process was given up for dead, or whose message took long, knows an old fence, or an
attempt that has been judged meanwhile. The fence and the status in each write keep it out.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any, cast

import msgspec
from tests.sim.failing_disk import PlantedBug
from tests.sim.workload import Client
from tests.sim.world import Life

from overseen import JobRecord, Status
from overseen.errors import OverseenError
from overseen.running import Running
from overseen_storage.errors import StoreError
from overseen_storage.groups import Group
from overseen_storage.items import Finish, MarkStopping, Note, PutBack, RequestCancel
from overseen_storage.lifecycle import LIVE, Cause, EventType, Reason
from overseen_storage.records import Progress

NOT_A_RESULT = "-1"


async def zombie(life: Life, draw: Random) -> None:
    """One late report of each sort, of a drawn attempt that is over; again, until one came through
    to the store."""
    for _ in range(4):
        await asyncio.sleep(draw.uniform(0, 4))
        running = running_of(life)
        if running is not None and await _report(life, running, draw):
            return


async def report_late(client: Client) -> None:
    """The same, as something that happens on any day."""
    await zombie(client.life, client.draw)


def running_of(life: Life) -> Running | None:
    """What runs in this life, if it does."""
    try:
        return cast(Running, cast(Any, life.supervisor)._asking().running)
    except OverseenError:
        return None


async def _report(life: Life, running: Running, draw: Random) -> bool:
    try:
        rows = await life.supervisor.jobs(limit=1_000)
        stale = [row for row in rows if _fence_of_the_past(row)]
        if not stale or not _stamps_are_ours(running):
            return False
        row = draw.choice(stale)
        answer = await running.store.commit(_group(running, row))
    except (OverseenError, StoreError, PlantedBug):
        return False
    believed = answer.events > 0
    life.book.counts["late reports"] += 1
    if believed:
        what = f"attempt {_fence_of_the_past(row)} of {row}: {answer}"
        life.book.broken("I11 a late report changes nothing", what)
    return True


def _fence_of_the_past(row: JobRecord) -> int:
    """The last attempt of this job that is over for certain; 0 if there is none."""
    return row.fence - 1 if row.status in LIVE else row.fence


def _stamps_are_ours(running: Running) -> bool:
    """Whether no group is on its way: stamps taken now are then the next ones on disk."""
    committing = cast(Any, running.committing)
    under_way: asyncio.Task[None] | None = committing._under_way
    return not running.committing.degraded and (under_way is None or under_way.done())


def _group(running: Running, row: JobRecord) -> Group:
    job, fence = row.id, _fence_of_the_past(row)
    group = Group(
        at=0,
        notes=[
            Note(
                *(EventType.PROGRESS, job, fence, row.batch_id),
                cause=Cause.BODY,
                progress=Progress(99.0, 100.0, "late"),
            )
        ],
        finishes=[Finish(job, fence, Status.COMPLETED, NOT_A_RESULT)],
        put_backs=[PutBack(job, fence, Status.PENDING, Reason.SHUTDOWN, interruptions=1)],
        cancel_requests=[RequestCancel(job, fence)],
        stoppings=[MarkStopping(job, fence, Reason.TIMEOUT)],
    )
    return msgspec.structs.replace(group, at=running.stamper.take(group.stamps_needed))
