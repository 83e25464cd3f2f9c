"""How committed events reach subscribers: pull, not push.

A subscriber is a cursor over the ledger. There is no queue for each, so nothing overflows and
nothing is dropped: who is slow reads from the table. While somebody waits at the end of the
ledger, one *tail* reads what each commit added, once, into a ring that all cursors share. While
nobody does, a commit costs the feed one comparison.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from overseen_storage.errors import StoreClosed, StoreError
from overseen_storage.records import Event
from overseen_storage.store import Store

__all__ = ["Feed", "FeedClosed", "Which"]

RING_EVENTS: Final = 20_000
PAGE_EVENTS: Final = 1_000
STORE_TROUBLE_SECONDS: Final = 1.0


class FeedClosed(Exception):
    """The supervisor stops. Subscribers end."""


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


class Page(msgspec.Struct, frozen=True):
    """Events that a subscriber wanted, in order, and how far the ledger was searched for them."""

    events: list[Event]
    searched_to: int
    pruned_to: int = 0


class Feed:
    """The ledger's height, the ring, and those who wait."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.height = 0
        """Seq of the last committed event."""
        self._ring: deque[Event] = deque(maxlen=RING_EVENTS)
        self._ring_to = 0
        """The ring holds everything from its first event up to this seq."""
        self._waiting: dict[int | None, list[asyncio.Future[None]]] = {}
        """Cursors at the end of the ledger, by the job they follow (None: any)."""
        self._tail_wanted = asyncio.Event()
        self._closed = False
        self._reading = 0
        """Cursors that are inside `read`: their readers want more. The others are busy."""
        self._nobody_reads = asyncio.Event()

    def start(self, height: int) -> None:
        """The ledger is this high: nothing is in the ring."""
        self.height = self._ring_to = height

    def advance(self, height: int) -> None:
        """A commit has made the ledger this high."""
        if height > self.height:
            self.height = height
            if self._waiting:
                self._tail_wanted.set()

    def close(self) -> None:
        """End every subscription."""
        self._closed = True
        self._wake_all()
        self._tail_wanted.set()

    async def drained(self) -> None:
        """After `close`: return once every reader that keeps up has got all there is."""
        while self._reading:
            self._nobody_reads.clear()
            await self._nobody_reads.wait()

    async def run_tail(self) -> None:
        """Read what commits add, as long as somebody waits for it. One life of the tail actor."""
        while not self._closed:
            await self._tail_wanted.wait()
            self._tail_wanted.clear()
            try:
                while self._waiting and self._ring_to < self.height and not self._closed:
                    await self._read_tail()
            except StoreError:
                # Whoever waits must not miss what is there already: look again, commit or not.
                await asyncio.sleep(STORE_TROUBLE_SECONDS)
                self._tail_wanted.set()

    async def _read_tail(self) -> None:
        begun, height = self._ring_to, self.height
        page = await self._store.events(after=begun, limit=PAGE_EVENTS, up_to=height)
        if self._ring_to != begun:
            return  # all who waited left and others came: they began a new ring further on
        self._ring.extend(page.events)
        self._ring_to = max(page.searched_to, begun)
        self._wake(None)
        for event in page.events:
            if event.job_id in self._waiting:
                self._wake(event.job_id)

    def _wake(self, job_id: int | None) -> None:
        for future in self._waiting.pop(job_id, ()):
            if not future.done():
                future.set_result(None)

    def _wake_all(self) -> None:
        for job_id in list(self._waiting):
            self._wake(job_id)

    async def read(self, after: int, which: Which) -> AsyncIterator[Page]:
        """Yield what comes after a seq, page by page, for ever; pages may be empty.

        Raises `FeedClosed` when the supervisor stops, after everything committed was delivered.
        """
        cursor = after
        while True:
            self._reading += 1
            try:
                page = await self._next(cursor, which)
            except StoreClosed:
                raise FeedClosed from None
            finally:
                self._reading -= 1
                self._nobody_reads.set()
            cursor = max(page.searched_to, cursor)
            yield page

    async def _next(self, cursor: int, which: Which) -> Page:
        while cursor >= self.height:
            if self._closed:
                raise FeedClosed
            await self._wait(which.job_id)
        return self._from_ring(cursor, which) or await self._from_table(cursor, which)

    async def _wait(self, job_id: int | None) -> None:
        """Wait until there is something new. Who follows one job sleeps through all others."""
        if not self._waiting and self._ring_to < self.height:
            # Nobody has watched for a while: begin a new ring here rather than read the gap.
            self._ring.clear()
            self._ring_to = self.height
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(job_id, []).append(future)
        try:
            await future
        finally:
            waiting = self._waiting.get(job_id)
            if waiting is not None and future in waiting:
                waiting.remove(future)
                if not waiting:
                    del self._waiting[job_id]

    async def _from_table(self, cursor: int, which: Which) -> Page:
        found = await self._store.events(
            after=cursor,
            limit=PAGE_EVENTS,
            up_to=self.height,
            job_id=which.job_id,
            batch_id=which.batch_id,
            kind=which.kind,
        )
        return Page(found.events, found.searched_to, found.pruned_to)

    def _from_ring(self, cursor: int, which: Which) -> Page | None:
        """Return what the ring holds after `cursor`; None when it does not reach back so far."""
        ring = self._ring
        if self._ring_to <= cursor or not ring or ring[0].seq > cursor + 1:
            return None
        fresh: list[Event] = []
        for event in reversed(ring):
            if event.seq <= cursor:
                break
            if which.wants(event):
                fresh.append(event)
        fresh.reverse()
        return Page(fresh, self._ring_to)
