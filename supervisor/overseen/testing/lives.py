"""Lives of a simulated supervisor: each in a world of its own, which a crash can end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from overseen.errors import SupervisorFailed
from overseen.life import Life
from overseen.lives import Lives
from overseen.running import Running
from overseen.testing.loop import SimulatedLoop
from overseen.testing.worlds import World, context_of

__all__ = ["Crashed", "SimulatedLives"]


class Crashed(SupervisorFailed):
    """The supervisor was killed by `sim.crash()` while somebody waited for it."""

    def __init__(self) -> None:
        super().__init__(
            "the supervisor was killed by sim.crash() meanwhile. What it had acknowledged is on "
            "disk: `await sim.restart()`, then ask again"
        )


class SimulatedLives(Lives):
    """As `Lives`, for a loop that can end a world."""

    def __init__(self, make: Callable[[], Running], loop: SimulatedLoop) -> None:
        super().__init__(make)
        self._loop = loop
        self._world = World()
        self._starting: list[asyncio.Future[None]] = []

    async def start(self) -> None:
        """Begin a life, in a new world."""
        if self._now is None:
            self._world = World()
        started: asyncio.Future[None] = self._loop.create_future()
        self._starting.append(started)
        context = context_of(self._world)
        task = self._loop.create_task(self._start(started), context=context)
        try:
            await started
        except asyncio.CancelledError:
            task.cancel()
            if not self._world.ended:
                await asyncio.wait([task])
            raise
        finally:
            self._starting.remove(started)

    async def _start(self, started: asyncio.Future[None]) -> None:
        try:
            await super().start()
        except BaseException as error:
            if not started.done():
                started.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            if not started.done():
                started.set_result(None)

    def crash(self) -> None:
        """Run nothing more of the life under way; whoever waits for it elsewhere is told."""
        self._loop.end_world(self._world)
        life, self._now, self._last = self._now, None, None
        for started in self._starting:
            if not started.done():
                started.set_exception(Crashed())
        if life is not None and life.is_open:
            _tell_who_waits(life)

    def bury(self) -> None:
        """After a stop: what outlived it does not outlive the simulation."""
        self._loop.end_world(self._world)


def _tell_who_waits(life: Life) -> None:
    running = life.running
    running.failure = crashed = Crashed()
    running.ended = running.quiet = True
    unfinished = running.planner.take_unfinished()
    if unfinished is not None:
        running.committing.give_up(unfinished)
    running.committing.leave()
    in_hand = running.planner.take_unanswered(running.backlog)
    running.mailbox.close()
    for message in (*in_hand, *running.backlog, *running.mailbox.drain()):
        reply: object = getattr(message, "reply", None)
        if isinstance(reply, asyncio.Future) and not reply.done():
            reply.set_exception(crashed)
    running.feed.close()
    running.recent.wake_all()
    running.finalizer.wake_all()
