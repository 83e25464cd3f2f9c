"""Stopping, in phases that each have an end: quiet, drain, cancel, persist, close.

A stop never waits longer than its deadlines. What it could not bring to an end is named in its
report: bodies that ignore their cancellation, and results that a failing store would not take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import msgspec

from overseen.attempt import Attempt
from overseen.errors import SupervisorError
from overseen.live import Live
from overseen.watch import Watch

__all__ = ["StopReport", "abandon", "drain", "interrupt", "refuse_bodies", "within"]

OBEY_SECONDS: Final = 0.5
"""How long something that was given up may take to end in order."""


class StopReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a stop went."""

    drained: int
    """Bodies that ended by themselves while the stop waited."""
    interrupted: int
    """Bodies that were told to stop and did. Their jobs are at the front of the queue again, at
    no cost, unless they returned a value or raised something of their own."""
    stuck: tuple[int, ...] = ()
    """Jobs whose bodies ignore their cancellation. Their rows stay as they are, and the database
    stays owned until they end, so that nobody starts them twice."""
    unwritten: tuple[int, ...] = ()
    """Jobs whose end could not be stored, because the store does not work. At the next start they
    are recovered as lost, and run again if their kind allows."""
    seconds: float
    """How long it took, by the event loop's time."""

    @property
    def clean(self) -> bool:
        """Whether nothing is stuck or unwritten."""
        return not self.stuck and not self.unwritten


def refuse_bodies(live: Live) -> None:
    """A body that awaits the stop would wait for its own end. Raises `SupervisorError`."""
    task = asyncio.current_task()
    for attempt in live:
        if attempt.task is task:
            raise SupervisorError(
                f"stop() was awaited by the body of job {attempt.claimed.id}, for whose end the "
                "stop waits. Tell the program instead, for example by an asyncio.Event in "
                "Supervisor(state=...) that it waits for before it stops"
            )


async def drain(live: Live, seconds: float, hurry: asyncio.Event) -> int:
    """Wait until nothing runs, at most so long, or until `hurry`. Returns how many bodies ended
    meanwhile."""
    before = len(live)
    async with asyncio.TaskGroup() as group:
        idle = group.create_task(live.wait_idle())
        hurried = group.create_task(hurry.wait())
        await asyncio.wait({idle, hurried}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        hurried.cancel()
    return before - len(live)


async def interrupt(live: Live, watch: Watch, seconds: float) -> int:
    """Tell what runs to stop and wait for it, at most so long. Returns how many did."""
    now = asyncio.get_running_loop().time()
    told: list[Attempt] = []
    for attempt in live:
        if attempt.ended is not None:
            continue
        attempt.interrupted = True
        if attempt.stopping_since is None:
            attempt.stopping_since = now
            watch.follow(attempt, now)
        attempt.deliver_cancellation()
        told.append(attempt)
    await within(seconds, live.wait_idle())
    return sum(live.get(attempt.claimed.id) is not attempt for attempt in told)


async def abandon(live: Live, seconds: float) -> None:
    """Nobody writes ends any more: tell every body to stop, and wait for them at most so long."""
    tasks = [attempt.task for attempt in live if attempt.task is not None]
    now = asyncio.get_running_loop().time()
    for attempt in live:
        attempt.interrupted = True
        attempt.stopping_since = attempt.stopping_since or now
        attempt.deliver_cancellation()
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)


async def within(seconds: float, waiting: Coroutine[Any, Any, object]) -> bool:
    """Wait for `waiting`, at most so long (by the loop's time); whether it came to its end.

    After its time it is cancelled and left to itself: something that waits for a disk which does
    not answer cannot even be cancelled in order.
    """
    task = asyncio.get_running_loop().create_task(waiting)
    try:
        await asyncio.wait([task], timeout=seconds)
        if task.done():
            task.result()
            return True
    except asyncio.CancelledError:
        task.cancel()
        raise
    task.cancel()
    await asyncio.wait([task], timeout=OBEY_SECONDS)
    task.add_done_callback(_look_at)
    return False


def _look_at(task: asyncio.Task[object]) -> None:
    if not task.cancelled():
        task.exception()
