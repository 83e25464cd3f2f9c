"""Walks two ordered streams side by side: everything that belongs to each owner, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Belongings(Generic[T]):
    """An ordered stream of things that belong to owners with rising ids.

    `nobodys` is called with each that belongs to an id nobody asked for.

    >>> things = Belongings(iter([(1, "a"), (2, "b"), (2, "c")]), lambda one: one[0], print)
    >>> [name for _, name in things.of(2)]
    (1, 'a')
    ['b', 'c']
    """

    def __init__(
        self, items: Iterator[T], owner_of: Callable[[T], int], nobodys: Callable[[T], None]
    ) -> None:
        self._items = items
        self._owner_of = owner_of
        self._nobodys = nobodys
        self._next: T | None = next(items, None)

    def of(self, owner: int) -> Iterator[T]:
        """What belongs to `owner`, piece by piece. Ask for rising owners; read each to its end."""
        item, owner_of = self._next, self._owner_of
        while item is not None and owner_of(item) < owner:
            self._nobodys(item)
            item = next(self._items, None)
        while item is not None and owner_of(item) == owner:
            yield item
            item = next(self._items, None)
        self._next = item

    def finish(self) -> None:
        """There are no more owners: what is left belongs to nobody."""
        item = self._next
        while item is not None:
            self._nobodys(item)
            item = next(self._items, None)
        self._next = None
