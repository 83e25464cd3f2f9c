"""Restarts as in OTP: which child is started anew after which end, and when to give up."""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Final

import anyio
from anyio.abc import TaskGroup

from overseen_actors.errors import (
    ChildExists,
    ChildrenFailedToStop,
    InvalidBound,
    KeeperStopped,
    RestartIntensityReached,
)

Factory = Callable[[], Awaitable[object]]
"""Makes one life of a child: called at the start and at every restart, awaited to its end."""


class Restart(enum.Enum):
    """What a child's end means."""

    PERMANENT = "permanent"
    """It has to be there: started anew whenever it ends, even without an error."""
    TRANSIENT = "transient"
    """It may finish: started anew after an error only. Right for an actor that ends by closing
    its mailbox."""
    TEMPORARY = "temporary"
    """One life: never started anew; its error goes to the loop's exception handler."""


class Ending(enum.Enum):
    """How a life of a child ended."""

    NORMAL = "normal"
    """It returned."""
    ERROR = "error"
    """It raised, be it a CancelledError that nobody had asked for."""
    CANCELLED = "cancelled"
    """It was told to stop."""


RESTARTS: Final[Mapping[tuple[Restart, Ending], bool]] = MappingProxyType(
    {
        (Restart.PERMANENT, Ending.NORMAL): True,
        (Restart.PERMANENT, Ending.ERROR): True,
        (Restart.PERMANENT, Ending.CANCELLED): False,
        (Restart.TRANSIENT, Ending.NORMAL): False,
        (Restart.TRANSIENT, Ending.ERROR): True,
        (Restart.TRANSIENT, Ending.CANCELLED): False,
        (Restart.TEMPORARY, Ending.NORMAL): False,
        (Restart.TEMPORARY, Ending.ERROR): False,
        (Restart.TEMPORARY, Ending.CANCELLED): False,
    }
)
"""The whole decision."""


def should_restart(restart: Restart, ending: Ending) -> bool:
    """Whether a child of this kind is started anew after this end."""
    return RESTARTS[restart, ending]


@dataclass(frozen=True, slots=True)
class RestartIntensity:
    """At most `restarts` restarts within any `period_seconds`, all children of a keeper together.

    One more is not a failure to be healed by restarting: the keeper gives up.
    """

    restarts: int = 3
    period_seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.restarts < 0:
            raise InvalidBound("restarts", self.restarts, "0 or more")
        if not self.period_seconds > 0:
            raise InvalidBound("period_seconds", self.period_seconds, "more than 0")


@dataclass(frozen=True, slots=True)
class Restarted:
    """A child is about to be started anew."""

    child: str
    at: float
    """Loop seconds."""
    error: BaseException | None
    """What it raised; None if it returned."""
    restarts_within_period: int
    """This one included, all children of the keeper together."""


@dataclass(frozen=True, slots=True)
class _Child:
    name: str
    factory: Factory
    restart: Restart
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)

    def told_to_stop(self) -> bool:
        """Whether a cancellation of this child's task was asked for, by the keeper or around it."""
        task = asyncio.current_task()
        return self.scope.cancel_called or (task is not None and task.cancelling() > 0)


class Keeper:
    """One-for-one supervision: each child that fails is started anew, alone.

    Leaving the block waits until every child has ended; `stop` ends them. When restarts come too
    often the others are stopped and RestartIntensityReached comes out of the block. An error of
    the block itself stops the children and comes out as it is. Errors that children raise while
    being stopped come out as ChildrenFailedToStop, unless there is one of the above. (Only a
    cancellation from outside reaches all children at once instead of in reverse order.)

        async with Keeper(RestartIntensity(3, 5.0), on_restart=log) as keeper:
            keeper.start("writer", lambda: Writer(mailbox).run())
            await told_to_stop.wait()
            await keeper.stop()

    `on_restart` is called before each restart, in the loop; it must not raise. Periods are
    measured by the running loop's time.
    """

    def __init__(
        self,
        intensity: RestartIntensity | None = None,
        *,
        on_restart: Callable[[Restarted], None] | None = None,
    ) -> None:
        self._intensity = intensity or RestartIntensity()
        self._on_restart = on_restart
        self._children: dict[str, _Child] = {}
        self._restart_times: deque[float] = deque()
        self._group: TaskGroup | None = None
        self._stopping = False
        self._gave_up: RestartIntensityReached | None = None
        self._errors_while_stopping: dict[str, BaseException] = {}

    @property
    def children(self) -> tuple[str, ...]:
        """Names of the children that live, in the order they were started."""
        return tuple(self._children)

    async def __aenter__(self) -> Keeper:
        self._group = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        group = self._group
        assert group is not None, "left without having been entered"
        leaving = error
        if isinstance(error, Exception):
            # The group would wrap it and cancel all children at once: do it in order instead.
            leaving = None
            try:
                await self.stop()
            except asyncio.CancelledError as cancelled:
                leaving = cancelled
        swallowed = await group.__aexit__(type(leaving) if leaving else None, leaving, traceback)
        self._stopping = True
        if self._gave_up is not None:
            raise self._gave_up
        if isinstance(error, Exception):
            return False
        if self._errors_while_stopping:
            raise ChildrenFailedToStop(self._errors_while_stopping)
        return bool(swallowed)

    def start(self, name: str, factory: Factory, restart: Restart = Restart.PERMANENT) -> None:
        """Start a child; its first life begins when the loop next turns.

        Raises ChildExists, KeeperStopped.
        """
        if self._group is None or self._stopping:
            raise KeeperStopped(name)
        if name in self._children:
            raise ChildExists(name)
        child = self._children[name] = _Child(name, factory, restart)
        self._group.start_soon(self._keep, child, name=name)

    async def stop(self) -> None:
        """Cancel the children one after the other, last started first, each to its end.

        Nothing is restarted from here on. Not to be called by a child: it would wait for itself.
        """
        self._stopping = True
        for child in reversed(tuple(self._children.values())):
            child.scope.cancel()
            await child.ended.wait()

    async def _keep(self, child: _Child) -> None:
        try:
            with child.scope:
                while not child.scope.cancel_called and await self._live_once(child):
                    pass
        finally:
            del self._children[child.name]
            child.ended.set()
        if self._gave_up is not None and self._gave_up.child == child.name:
            await self.stop()
            assert self._group is not None
            self._group.cancel_scope.cancel()

    async def _live_once(self, child: _Child) -> bool:
        """One life; then whether there is another."""
        error: BaseException | None = None
        try:
            await child.factory()
        except asyncio.CancelledError as cancelled:
            # One that nobody asked for (an awaited task was cancelled) is an error like another:
            # a permanent child must not vanish by it.
            if child.told_to_stop():
                raise
            error = cancelled
        except Exception as failed:
            error = failed
        if self._stopping or child.told_to_stop():
            return self._end_while_stopping(child, error)
        ending = Ending.NORMAL if error is None else Ending.ERROR
        if not should_restart(child.restart, ending):
            self._report_dropped(child, error)
            return False
        return self._note_restart(child, error)

    def _end_while_stopping(self, child: _Child, error: BaseException | None) -> bool:
        assert not should_restart(child.restart, Ending.CANCELLED)
        if error is not None:
            self._errors_while_stopping[child.name] = error
        return False

    def _note_restart(self, child: _Child, error: BaseException | None) -> bool:
        """Whether one more restart is within the intensity; if so it is announced."""
        now = asyncio.get_running_loop().time()
        times = self._restart_times
        times.append(now)
        while now - times[0] > self._intensity.period_seconds:
            times.popleft()
        if len(times) > self._intensity.restarts:
            self._stopping = True
            self._gave_up = RestartIntensityReached(
                child.name, self._intensity.restarts, self._intensity.period_seconds, tuple(times)
            )
            self._gave_up.__cause__ = error
            return False
        if self._on_restart is not None:
            self._on_restart(Restarted(child.name, now, error, len(times)))
        return True

    def _report_dropped(self, child: _Child, error: BaseException | None) -> None:
        if error is None:
            return
        asyncio.get_running_loop().call_exception_handler(
            {"message": f"{child.restart.value} child {child.name!r} failed", "exception": error}
        )
