"""Items of a group on their way into a statement: one JSON document for all of them.

sqlite3 gives the interpreter lock back and takes it again at every row it steps; beside a busy
event loop that halves the throughput. So rows travel as one parameter and are unfolded by
``json_each``: the statement steps once. The document is made on the loop's side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import msgspec

from overseen_storage.sqlite.safe_text import make_safe

Item = TypeVar("Item", bound=msgspec.Struct)
Item_co = TypeVar("Item_co", bound=msgspec.Struct, covariant=True)

LARGE_BYTES = 16_384
"""Payloads above this many characters are bound as parameters of their own: escaping them into
JSON and out of it again costs more than a statement."""

_encode = msgspec.json.Encoder().encode
_ESCAPED_NUL = b"\\u0000"


def document(values: object) -> str:
    """`values` as JSON text. Raises ValueError or OverflowError for what JSON cannot hold."""
    return _encode(values).decode()


def safe_document(items: Sequence[Item]) -> str:
    """The items as one JSON document, their text made safe.

    Raises ValueError or OverflowError if one of them holds what cannot be stored.
    """
    try:
        encoded = _encode(items)
    except UnicodeEncodeError:  # a lone surrogate somewhere
        encoded = _encode([make_safe(item) for item in items])
    if _ESCAPED_NUL in encoded:  # SQLite would cut the text there without a word
        encoded = _encode([make_safe(item) for item in items])
    return encoded.decode()


class Rows(Generic[Item_co]):
    """A stretch of one of a group's lists: the items, where it begins, and its document."""

    __slots__ = ("_document", "first", "items")

    def __init__(self, items: Sequence[Item_co], first: int = 0) -> None:
        self.items = items
        self.first = first
        self._document: str | None = None

    def __len__(self) -> int:
        return len(self.items)

    @property
    def document(self) -> str:
        """The items as JSON, made when it is first asked for."""
        if self._document is None:
            self._document = safe_document(self.items)
        return self._document

    def prepare(self) -> Rows[Item_co]:
        """Make the document now, on this thread; an item that refuses is met again later, when it
        is looked for among the others."""
        if self.items:
            try:
                self._document = safe_document(self.items)
            except (ValueError, OverflowError):
                self._document = None
        return self

    def part(self, start: int, stop: int) -> Rows[Item_co]:
        """Some of the items, with their indexes in the whole."""
        return Rows(self.items[start:stop], self.first + start)

    def halves(self) -> tuple[Rows[Item_co], Rows[Item_co]]:
        """Both halves, in order."""
        middle = len(self.items) // 2
        return self.part(0, middle), self.part(middle, len(self.items))

    def split_at(self, apart: Callable[[Item_co], bool]) -> Iterator[Rows[Item_co]]:
        """The rows in order, each item that is to stand `apart` alone."""
        positions = [n for n, item in enumerate(self.items) if apart(item)]
        if not positions:
            yield self
            return
        start = 0
        for position in positions:
            if position > start:
                yield self.part(start, position)
            yield self.part(position, position + 1)
            start = position + 1
        if start < len(self.items):
            yield self.part(start, len(self.items))
