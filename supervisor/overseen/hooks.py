"""Hooks: functions of the program that are called for events, apart from the commit path.

They read the ledger like any other subscriber, from the moment the supervisor started. A hook that
is slow delays only later hooks; one that raises is logged and counted.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from overseen.counters import Counters
from overseen.errors import InvalidOption
from overseen.feed import Feed, FeedClosed, Which
from overseen_storage.lifecycle import FRAMES, EventType
from overseen_storage.records import Event

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Hook", "Hooks"]

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

    async def run(self, feed: Feed, counters: Counters, log: FilteringBoundLogger) -> None:
        """Follow the feed from here on. One life of the hooks' actor."""
        try:
            async for page in feed.read(feed.height, Which()):
                for event in page.events:
                    for hook in self._hooks.get(event.type, ()):
                        await _call(hook, event, counters, log)
        except FeedClosed:
            return


async def _call(hook: Hook, event: Event, counters: Counters, log: FilteringBoundLogger) -> None:
    try:
        answer = hook(event)
        if inspect.isawaitable(answer):
            await answer
    except Exception as error:  # a hook is the host's code: its failure is its own
        counters.hook_errors += 1
        log.error(
            "hook.failed",
            hook=getattr(hook, "__qualname__", repr(hook)),
            event_type=event.type,
            job_id=event.job_id,
            error=repr(error),
            exc_info=error,
        )
