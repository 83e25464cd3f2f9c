"""Hooks: functions of the program that are called for events, apart from the commit path.

They read the ledger like any other subscriber, from the moment the database was opened: what the
start found of dead processes, and how it judged that, is told too. A hook that is slow delays only
later hooks; one that raises is logged and counted.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from overseen.counters import Counters
from overseen.errors import InvalidOption
from overseen.feed import STORE_TROUBLE_SECONDS, Feed, FeedClosed, Page, Which
from overseen_storage.errors import StoreError
from overseen_storage.lifecycle import FRAMES, EventType
from overseen_storage.records import Event

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Hook", "HookCaller", "Hooks"]

Hook: TypeAlias = Callable[[Event], Awaitable[object] | object]


class Hooks:
    """What ``@supervisor.on(...)`` has registered."""

    def __init__(self) -> None:
        self._hooks: dict[EventType, list[Hook]] = {}

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def add(self, types: tuple[str, ...], hook: Hook) -> None:
        """Call `hook` for every event of these types; for all events when none is named.

        Raises `InvalidOption` for a type that does not exist.
        """
        known = [type for type in EventType if type not in FRAMES]
        for name in types:
            if name not in known:
                raise InvalidOption("event", name, f"one of {', '.join(known)}")
        for type in [EventType(name) for name in types] or known:
            self._hooks.setdefault(type, []).append(hook)

    def of(self, type: EventType) -> list[Hook]:
        """The hooks for one type of events."""
        return self._hooks.get(type, [])


class HookCaller:
    """Calls the hooks for what is committed after a seq: an actor without a mailbox."""

    def __init__(
        self,
        hooks: Hooks,
        feed: Feed,
        counters: Counters,
        log: FilteringBoundLogger,
        *,
        after: int,
    ) -> None:
        self._hooks = hooks
        self._feed = feed
        self._counters = counters
        self._log = log
        self._told_to = after
        """Hooks were called for everything up to this seq; kept over a restart of the actor."""
        self.done = asyncio.Event()
        """The feed is closed, and the hooks were called for all that was committed before."""
        self._call_under_way: asyncio.Task[BaseException | None] | None = None
        """Kept: nobody else holds a hook that was left alone."""

    async def run(self) -> None:
        """Follow the feed. One life of the actor; the next goes on where it stopped."""
        while not self.done.is_set():
            try:
                async for page in self._feed.read(self._told_to, Which()):
                    await self._tell(page)
            except FeedClosed:
                self.done.set()
            except StoreError:
                await asyncio.sleep(STORE_TROUBLE_SECONDS)

    async def _tell(self, page: Page) -> None:
        for event in page.events:
            if event.seq > self._told_to:
                self._told_to = event.seq  # before the call: a hook is never called twice
                for hook in self._hooks.of(event.type):
                    await self._call(hook, event)
        self._told_to = max(self._told_to, page.searched_to)

    async def _call(self, hook: Hook, event: Event) -> None:
        """A hook is the host's code: its failure is its own."""
        try:
            answer = hook(event)
        except BaseException as error:
            failure: BaseException | None = error
        else:
            failure = await self._end_of(answer) if inspect.isawaitable(answer) else None
        if isinstance(failure, KeyboardInterrupt | GeneratorExit):
            raise failure
        if failure is not None:
            self._counters.hook_errors += 1
            self._log.error(
                "hook.failed",
                hook=getattr(hook, "__qualname__", repr(hook)),
                event_type=event.type,
                job_id=event.job_id,
                error=repr(failure),
                exc_info=failure,
            )

    async def _end_of(self, answer: Awaitable[object]) -> BaseException | None:
        """Await a hook in a plain task, as a body: one that ignores its cancellation inside the
        scope of an actor costs a whole core, and no stop would ever end. It is told once."""
        task = self._call_under_way = asyncio.get_running_loop().create_task(_failure_of(answer))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            raise
        return None if task.cancelled() else task.result()


async def _failure_of(answer: Awaitable[object]) -> BaseException | None:
    """As a value: SystemExit, raised in a plain task, would end the loop."""
    try:
        await answer
    except BaseException as error:
        return error
    return None
