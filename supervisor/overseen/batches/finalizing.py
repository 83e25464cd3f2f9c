"""The finalizer: freezes the summaries of batches that are due.

A batch is due when it is sealed and none of its members is open. That is a condition, not an
event: the transaction of each terminal write tests it and says so, the watchdog's sweep looks for
it, and whoever asks for the summary makes it be looked at. All three end here. The members of such
a batch cannot change any more, so the summary is computed on a reader, while submits go on; one
small guarded transaction then freezes it and submits the callbacks. Whoever comes second is
declined by the store; so is a summary that somebody made untrue by cancelling the batch meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from overseen.batches.callbacks import callbacks_of
from overseen.errors import Degraded, OutcomeUnknown
from overseen_storage.batch_records import BatchRecord, BatchSummary
from overseen_storage.errors import StoreClosed, StoreError
from overseen_storage.orders import Declined, FinalizeBatch, Order, OrderAnswer
from overseen_storage.store import Store

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Finalizer"]

TROUBLE_SECONDS: Final = 1.0
"""Pause after the store failed."""


class Finalizer:
    """Batches that may be due, and those who wait for the end of one."""

    def __init__(
        self,
        *,
        store: Store,
        place: Callable[[Order], Awaitable[OrderAnswer]],
        log: FilteringBoundLogger,
    ) -> None:
        self._store = store
        self._place = place
        self._log = log
        self._due: dict[int, None] = {}  # ordered, for repeatable runs
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._waiters: dict[int, list[asyncio.Future[None]]] = {}

    # What others say.

    def look_at(self, batch_ids: Iterable[int]) -> None:
        """These may be due."""
        for batch_id in batch_ids:
            self._due[batch_id] = None
        if self._due:
            self._idle.clear()
            self._wanted.set()

    def ended(self, batch_id: int) -> None:
        """It is finalized, on disk."""
        for waiter in self._waiters.pop(batch_id, ()):
            if not waiter.done():
                waiter.set_result(None)

    def wait_for(self, batch_id: int) -> asyncio.Future[None]:
        """Return a future that is done when the batch is finalized, or when this life ends."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(batch_id, []).append(future)
        return future

    def give_up(self, batch_id: int, future: asyncio.Future[None]) -> None:
        """Its waiter went away."""
        waiters = self._waiters.get(batch_id)
        if waiters is not None and future in waiters:
            waiters.remove(future)
            if not waiters:
                del self._waiters[batch_id]

    def wake_all(self) -> None:
        """This life ends: nobody waits for ever."""
        for batch_id in list(self._waiters):
            self.ended(batch_id)

    async def idle(self) -> None:
        """Return once everything that was due is finalized."""
        await self._idle.wait()

    # What it does.

    async def run(self) -> None:
        """One life of the actor."""
        while True:
            while self._due:
                batch_id = next(iter(self._due))
                # Before, not after: who says meanwhile that it is due must not be forgotten.
                del self._due[batch_id]
                try:
                    await self._finalize(batch_id)
                except StoreClosed:
                    return
                except (StoreError, Degraded, OutcomeUnknown) as error:
                    self._log.warning("batch.not_finalized", batch_id=batch_id, error=str(error))
                    self._due[batch_id] = None
                    await asyncio.sleep(TROUBLE_SECONDS)
                except Exception as error:
                    # A bug, but of this batch only: the sweep and whoever asks come back to it.
                    self._log.exception("batch.not_finalized", batch_id=batch_id, error=str(error))
            self._idle.set()
            await self._wanted.wait()
            self._wanted.clear()

    async def _finalize(self, batch_id: int) -> None:
        summary = await self._store.sum_up_batch(batch_id)
        batch = await self._store.batch(batch_id)
        if summary is None or batch is None:
            # It is not due after all; or it was finalized, and the news was lost on the way here.
            if batch is not None and batch.ended:
                self.ended(batch_id)
            return
        answer = await self._place(self._order(batch, summary))
        if isinstance(answer, Declined) and answer.why == "stopped":
            self.look_at([batch_id])  # somebody asked for its end meanwhile: sum it up again
        if isinstance(answer, Declined) and answer.why == "row":
            self._refused(batch_id, answer.message)
            await self._place(_order(batch, summary, with_callbacks=False))

    def _order(self, batch: BatchRecord, summary: BatchSummary) -> FinalizeBatch:
        try:
            return _order(batch, summary, with_callbacks=True)
        except msgspec.MsgspecError as error:
            self._refused(batch.id, str(error))
            return _order(batch, summary, with_callbacks=False)

    def _refused(self, batch_id: int, message: str) -> None:
        """A callback must never keep a batch from its end."""
        self._log.error("batch.callbacks_refused", batch_id=batch_id, error=message)


def _order(batch: BatchRecord, summary: BatchSummary, *, with_callbacks: bool) -> FinalizeBatch:
    frozen = msgspec.json.encode(summary).decode()
    data = {
        "status": summary.status,
        "total": summary.total,
        "completed": summary.completed,
        "failed": summary.failed,
        "cancelled": summary.cancelled,
    }
    return FinalizeBatch(
        batch_id=batch.id,
        status=summary.status,
        summary=frozen,
        data=msgspec.json.encode(data).decode(),
        callbacks=callbacks_of(batch, summary, frozen) if with_callbacks else (),
    )
