"""How committed events reach subscribers: pull, not push.

A subscriber is a cursor over the ledger. There is no queue for each, so nothing overflows and
nothing is dropped: who is slow reads from the table. While somebody waits at the end of the
ledger, one *tail* reads what each commit added, once, into a ring that all cursors share. While
nobody does, a commit costs the feed two comparisons.

Whoever is behind the ring reads pages of the table, each read once for all cursors at the same
place. And everybody takes turns, so that any number of subscribers leave the loop to the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from overseen.pacing import Pacer
from overseen.ring import PAGE_EVENTS, Page, Ring, Stretch, Which, page_end
from overseen.sharing import SharedReads
from overseen.waiting import Waiting
from overseen_storage.answers import EventPage
from overseen_storage.batch_records import BatchSnapshot
from overseen_storage.errors import StoreClosed, StoreError
from overseen_storage.store import Store

__all__ = ["Feed", "FeedClosed", "Page", "Which"]

PAGES_KEPT: Final = 16
"""Pages of the table that laggards share."""
SNAPSHOTS_KEPT: Final = 8
STORE_TROUBLE_SECONDS: Final = 1.0


class FeedClosed(Exception):
    """The supervisor stops. Subscribers end."""


class Feed:
    """The ledger's height, the ring, and those who wait."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.height = 0
        """Seq of the last committed event."""
        self._ring = Ring()
        self._behind = 0
        """Cursors that wait for a page of the table, or with it for their turn."""
        self._pages: SharedReads[tuple[Which, int], Page] = SharedReads(PAGES_KEPT)
        self._snapshots: SharedReads[int, BatchSnapshot] = SharedReads(SNAPSHOTS_KEPT)
        self._waiting = Waiting()
        """Cursors at the end of the ledger."""
        self._pacer = Pacer()
        self._tail_wanted = asyncio.Event()
        self._closed = False
        self._reading = 0
        """Cursors that are inside `next_page`: their readers want more. The others are busy."""
        self._given = 0
        """Pages, to anybody."""
        self._nobody_reads = asyncio.Event()

    def start(self, height: int) -> None:
        """The ledger is this high: nothing is in the ring."""
        self.height = height
        self._ring.restart(height)

    def advance(self, height: int) -> None:
        """A commit has made the ledger this high."""
        if height > self.height:
            self.height = height
            if self._waiting:
                self._tail_wanted.set()
            if self._reading:
                self._pacer.committed(asyncio.get_running_loop().time())

    def close(self) -> None:
        """End every subscription."""
        self._closed = True
        for future in self._waiting.take_all():
            if not future.done():
                future.set_result(0)
        self._pacer.lift()
        self._tail_wanted.set()

    async def drained(self, patience_seconds: float | None = None) -> None:
        """After `close`: return once every reader that wants more has got all there is.

        However many lag, and however far, they are waited for as long as they get on; when nobody
        was given a page for `patience_seconds`, they are not.
        """
        while self._reading:
            self._nobody_reads.clear()
            given = self._given
            try:
                async with asyncio.timeout(patience_seconds):
                    await self._nobody_reads.wait()
            except TimeoutError:
                if self._given == given:
                    return

    # The tail: the only one who reads what is new.

    async def run_tail(self) -> None:
        """Read what commits add, as long as somebody waits for it. One life of the tail actor."""
        while not self._closed:
            await self._tail_wanted.wait()
            self._tail_wanted.clear()
            try:
                while self._waiting and self._ring.end < self.height and not self._closed:
                    await self._read_tail()
            except StoreError:
                # Whoever waits must not miss what is there already: look again, commit or not.
                await asyncio.sleep(STORE_TROUBLE_SECONDS)
                self._tail_wanted.set()

    async def _read_tail(self) -> None:
        begun, height = self._ring.end, self.height
        page = await self._store.events(after=begun, limit=PAGE_EVENTS, up_to=height)
        if self._ring.end != begun:
            return  # all who waited left and others came: they began a new ring further on
        self._ring.extend(page.events, max(page.searched_to, begun))
        self._pacer.give(self._waiting.take(page.events))

    # Cursors.

    async def read(self, after: int, which: Which) -> AsyncIterator[Page]:
        """Yield what comes after a seq, page by page, for ever; pages may be empty.

        Raises `FeedClosed` when the supervisor stops, after everything committed was delivered.
        """
        cursor = after
        while True:
            page = await self.next_page(cursor, which)
            cursor = max(page.searched_to, cursor)
            yield page

    async def next_page(self, cursor: int, which: Which) -> Page:
        """Return what comes after a seq, as soon as there is something; it may be empty.

        Raises `FeedClosed` when the supervisor stops and there is nothing more.
        """
        self._reading += 1
        try:
            page = await self._next(cursor, which)
            self._given += 1
            return page
        except StoreClosed:
            raise FeedClosed from None
        finally:
            self._reading -= 1
            if not self._reading:
                self._nobody_reads.set()

    async def _next(self, cursor: int, which: Which) -> Page:
        while True:
            if cursor >= self.height:
                if self._closed:
                    raise FeedClosed
                cursor = max(cursor, await self._wait(which))
            elif self._ring.reaches(cursor):
                await self._pacer.turn()
            else:
                return await self._from_table(cursor, which)
            found = self._ring.page(cursor, which)
            if found is not None:
                return found

    async def _wait(self, which: Which) -> int:
        """Wait until there is something new, and for a turn; return a seq up to which there is
        nothing."""
        if not self._waiting and self._ring.end < self.height:
            # Nobody has watched for a while: begin a new ring here rather than read the gap.
            self._ring.restart(self.height)
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.add(which, future)
        try:
            return await future
        finally:
            self._waiting.discard(which, future)

    async def _from_table(self, cursor: int, which: Which) -> Page:
        """One page for all who want the same from the same place on, each in its turn."""
        self._behind += 1
        try:
            page = await self._pages.get((which, cursor), lambda: self._read_page(cursor, which))
            await self._pacer.turn()
            return page
        finally:
            self._behind -= 1
            if not self._behind:
                self._pages.forget()  # nobody lags: what is kept would only grow old

    async def _read_page(self, cursor: int, which: Which) -> Page:
        everything, height = which.key is None, self.height
        found = await self._store.events(
            after=cursor,
            limit=PAGE_EVENTS,
            up_to=min(height, page_end(cursor)) if everything else height,
            job_id=which.job_id,
            batch_id=which.batch_id,
            kind=which.kind,
        )
        return _page(found, cursor, height if which.job_id is None else 0)

    async def batch_snapshot(self, batch_id: int) -> BatchSnapshot:
        """Return a batch as it is now. Counting its members may take a while, so it is done once
        for all who ask between two commits."""
        height = self.height
        return await self._snapshots.get(
            batch_id,
            lambda: self._store.batch_snapshot(batch_id),
            lambda known: known.seq >= height,
        )


def _page(found: EventPage, cursor: int, height: int) -> Page:
    """What the table answered, as a page that ends where others end, too, unless it goes up to
    `height`."""
    events, to = found.events, found.searched_to
    end = to // PAGE_EVENTS * PAGE_EVENTS
    if cursor < end < to < height:
        events, to = [event for event in events if event.seq <= end], end
    return Page(Stretch(events), 0, to, pruned_to=found.pruned_to)
