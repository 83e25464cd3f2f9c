"""Those who have every event they want and wait for the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TypeAlias

from overseen.ring import Which
from overseen_storage.records import Event

__all__ = ["Waiting"]

_Futures: TypeAlias = dict[asyncio.Future[int], None]


class Waiting:
    """Futures of subscribers, found by the event that concerns them. Who follows one job or one
    batch sleeps through the events of all others."""

    def __init__(self) -> None:
        self._everyone: _Futures = {}
        self._by_field: dict[str, dict[int | str, _Futures]] = {}

    def __bool__(self) -> bool:
        return bool(self._everyone or self._by_field)

    def add(self, which: Which, future: asyncio.Future[int]) -> None:
        """A subscriber waits."""
        key = which.key
        if key is None:
            self._everyone[future] = None
        else:
            name, value = key
            self._by_field.setdefault(name, {}).setdefault(value, {})[future] = None

    def discard(self, which: Which, future: asyncio.Future[int]) -> None:
        """It does not wait any more, if it did."""
        key = which.key
        if key is None:
            self._everyone.pop(future, None)
            return
        name, value = key
        futures = self._by_field.get(name, {}).get(value)
        if futures is not None:
            futures.pop(future, None)
            if not futures:
                self._take_key(name, value)

    def take(self, events: list[Event]) -> Iterator[tuple[asyncio.Future[int], int]]:
        """Take out all whom these events concern, each with the seq before the first one that
        does: there is nothing for it up to there."""
        everyone, self._everyone = self._everyone, {}
        for future in everyone:
            yield future, 0
        for name in list(self._by_field):
            yield from self._take_by(name, events)

    def _take_by(self, name: str, events: list[Event]) -> Iterator[tuple[asyncio.Future[int], int]]:
        waiting = self._by_field[name]
        for event in events:
            value: int | str | None = getattr(event, name)
            if value in waiting:
                for future in self._take_key(name, value):
                    yield future, event.seq - 1

    def _take_key(self, name: str, value: int | str) -> _Futures:
        waiting = self._by_field[name]
        futures = waiting.pop(value)
        if not waiting:
            del self._by_field[name]
        return futures

    def take_all(self) -> list[asyncio.Future[int]]:
        """Take out all."""
        futures = [*self._everyone]
        for waiting in self._by_field.values():
            for found in waiting.values():
                futures.extend(found)
        self._everyone = {}
        self._by_field = {}
        return futures
