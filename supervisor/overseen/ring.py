"""Events in memory, shared by all who want them: stretches, pages, and the ring of recent ones."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from operator import attrgetter
from typing import Final

import msgspec

from overseen_storage.records import Event

__all__ = ["PAGE_EVENTS", "RING_EVENTS", "Page", "Ring", "Stretch", "Which", "page_end"]

PAGE_EVENTS: Final = 1_000
"""A subscriber gets so many at a time, at most."""
RING_EVENTS: Final = 20_000

_seq = attrgetter("seq")


class Which(msgspec.Struct, frozen=True):
    """Which events a subscriber wants; everything given must hold."""

    job_id: int | None = None
    batch_id: int | None = None
    kind: str | None = None

    def wants(self, event: Event) -> bool:
        """Whether `event` is one of them."""
        return (
            (self.job_id is None or event.job_id == self.job_id)
            and (self.batch_id is None or event.batch_id == self.batch_id)
            and (self.kind is None or event.kind == self.kind)
        )

    @property
    def key(self) -> tuple[str, int | str] | None:
        """The narrowest condition, as name and value of the event's field; None: all events."""
        if self.job_id is not None:
            return "job_id", self.job_id
        if self.batch_id is not None:
            return "batch_id", self.batch_id
        return None if self.kind is None else ("kind", self.kind)

    @property
    def is_key_alone(self) -> bool:
        """Whether the narrowest condition is the only one."""
        return (self.job_id, self.batch_id, self.kind).count(None) >= 2


class Stretch:
    """Events in order. Only ever grows, at its end."""

    __slots__ = ("_replayed", "events")

    def __init__(self, events: list[Event] | None = None) -> None:
        self.events = [] if events is None else events
        self._replayed: list[Event] = []

    def first_after(self, seq: int) -> int:
        """Index of the first event after a seq."""
        return bisect_right(self.events, seq, key=_seq)

    def replayed(self, start: int, end: int) -> list[Event]:
        """Some of the events, marked as history: each is marked once, for all who want it."""
        for event in self.events[len(self._replayed) : end]:
            self._replayed.append(msgspec.structs.replace(event, replayed=True))
        return self._replayed[start:end]


_NOTHING: Final = Stretch()


class Page:
    """Events that a subscriber wanted, in order, and how far the ledger was searched for them.
    Any number of subscribers may hold the same one."""

    __slots__ = ("_end", "_start", "_stretch", "pruned_to", "searched_to")

    def __init__(
        self, stretch: Stretch, start: int, searched_to: int, *, pruned_to: int = 0
    ) -> None:
        self._stretch = stretch
        self._start = start
        self._end = len(stretch.events)
        self.searched_to = searched_to
        """Continue after this seq."""
        self.pruned_to = pruned_to
        """History up to this seq may have been pruned."""

    @property
    def events(self) -> list[Event]:
        """The events, as they are on the ledger."""
        return self._stretch.events[self._start : self._end]

    def marked(self, height: int) -> list[Event]:
        """The events; those up to `height` as history, which is what the snapshot contains."""
        history_end = min(self._stretch.first_after(height), self._end)
        if history_end <= self._start:
            return self.events
        history = self._stretch.replayed(self._start, history_end)
        return history + self._stretch.events[history_end : self._end]


class _Block:
    """One aligned stretch of the ring, and what of it is wanted by whom: looked up once for all."""

    __slots__ = ("_indexes", "all")

    def __init__(self) -> None:
        self.all = Stretch()
        self._indexes: dict[str, tuple[int, dict[object, Stretch]]] = {}

    def of(self, which: Which) -> Stretch:
        """The wanted ones."""
        key = which.key
        if key is None:
            return self.all
        name, value = key
        found = self._index(name).get(value, _NOTHING)
        if which.is_key_alone:
            return found
        return Stretch([event for event in found.events if which.wants(event)])

    def _index(self, name: str) -> dict[object, Stretch]:
        done, index = self._indexes.get(name, (0, {}))
        if done < len(self.all.events):
            value_of = attrgetter(name)
            for event in self.all.events[done:]:
                index.setdefault(value_of(event), Stretch()).events.append(event)
            self._indexes[name] = len(self.all.events), index
        return index


class Ring:
    """The last events, without a gap, in blocks that end at multiples of a page."""

    def __init__(self) -> None:
        self.begin = 0
        """It holds everything after this seq ..."""
        self.end = 0
        """... up to this one."""
        self._blocks: deque[_Block] = deque()

    def restart(self, height: int) -> None:
        """Forget everything; go on after this seq."""
        self._blocks.clear()
        self.begin = self.end = height

    def reaches(self, cursor: int) -> bool:
        """Whether it knows what comes right after `cursor`."""
        return self.begin <= cursor < self.end

    def extend(self, events: list[Event], to: int) -> None:
        """Add what comes next, up to a seq."""
        for event in events:
            self._block_of(event.seq - 1).all.events.append(event)
        if to > self.end:
            self._block_of(to - 1)
            self.end = to
        while len(self._blocks) > RING_EVENTS // PAGE_EVENTS:
            self._blocks.popleft()
            self.begin = page_end(self.begin)

    def _block_of(self, cursor: int) -> _Block:
        """The block with what comes right after `cursor`."""
        index = cursor // PAGE_EVENTS - self.begin // PAGE_EVENTS
        while len(self._blocks) <= index:
            self._blocks.append(_Block())
        return self._blocks[index]

    def page(self, cursor: int, which: Which) -> Page | None:
        """The next wanted events after `cursor`, at most a block of them; None when the ring does
        not reach there."""
        if not self.reaches(cursor):
            return None
        while cursor < self.end:
            stretch = self._block_of(cursor).of(which)
            start = stretch.first_after(cursor)
            cursor = min(page_end(cursor), self.end)
            if start < len(stretch.events):
                return Page(stretch, start, cursor)
        return Page(_NOTHING, 0, cursor)


def page_end(cursor: int) -> int:
    """Where the page with what comes right after `cursor` ends. Subscribers who lag all stop at
    the same places, so that they can share what is read from there on."""
    return (cursor // PAGE_EVENTS + 1) * PAGE_EVENTS
