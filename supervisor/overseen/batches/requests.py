"""The requests behind a batch: orders, their answers, and the wait for its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from overseen.batches.errors import BatchEnded, BatchError, BatchNotFound, BatchSealed
from overseen.errors import RequestRefused, SupervisorStopped
from overseen.messages import PlaceOrder
from overseen.requesting import ask, place
from overseen_storage.batch_records import BatchRecord, BatchSnapshot, BatchSummary
from overseen_storage.errors import StoreClosed, StoreUnavailable
from overseen_storage.lifecycle import Cause
from overseen_storage.orders import (
    Declined,
    Obeyed,
    OpenBatch,
    OrderAnswer,
    SealBatch,
    StopBatch,
)

if TYPE_CHECKING:
    from overseen.running import Running

__all__ = ["open_batch", "read_batch", "read_snapshot", "seal", "stop", "wait_for_summary"]

TROUBLE_SECONDS: Final = 1.0
"""Pause after the store failed."""

_decode_summary: Final = msgspec.json.Decoder(BatchSummary).decode


async def open_batch(running: Running, order: OpenBatch) -> int:
    """Open a batch; return its id. If the caller goes away before he knows it, and it is opened all
    the same, it is cancelled: nobody else would ever seal it."""
    reply: asyncio.Future[OrderAnswer] = running.loop.create_future()
    try:
        answer = await ask(running, PlaceOrder(order, reply), asyncio.shield(reply))
    except asyncio.CancelledError:
        reply.add_done_callback(lambda answered: _cancel_unknown(running, answered))
        raise
    if isinstance(answer, Declined):
        raise RequestRefused(f"batch {order.name!r}", answer.message or answer.why)
    assert answer.batch_id is not None, "an opened batch has an id"
    return answer.batch_id


def _cancel_unknown(running: Running, reply: asyncio.Future[OrderAnswer]) -> None:
    if reply.cancelled() or reply.exception() is not None or running.mailbox.closed:
        return
    opened = reply.result()
    if isinstance(opened, Obeyed) and opened.batch_id is not None:
        data = msgspec.json.encode({"message": "its author went away while it was opened"}).decode()
        unheard: asyncio.Future[OrderAnswer] = running.loop.create_future()
        unheard.add_done_callback(lambda heard: heard.cancelled() or heard.exception())
        running.mailbox.post(PlaceOrder(StopBatch(opened.batch_id, Cause.CALLER, data), unheard))


async def seal(running: Running, batch_id: int, cause: Cause) -> None:
    """No more members. Raises `BatchSealed` if it was sealed before."""
    answer = await place(running, SealBatch(batch_id, cause))
    if isinstance(answer, Declined):
        raise _refusal(batch_id, answer, "it cannot be sealed again")


async def stop(running: Running, batch_id: int, cause: Cause, data: str | None) -> None:
    """Somebody wants it to end. Asking again changes nothing. Raises `BatchEnded`."""
    answer = await place(running, StopBatch(batch_id, cause, data))
    if isinstance(answer, Declined) and answer.why != "stopped":
        raise _refusal(batch_id, answer, "it cannot be cancelled")


def _refusal(batch_id: int, declined: Declined, what: str) -> BatchError | RequestRefused:
    match declined.why:
        case "no_batch":
            return BatchNotFound(batch_id)
        case "finalized":
            return BatchEnded(batch_id, declined.batch_status)
        case "sealed":
            return BatchSealed(batch_id, declined.batch_status, what)
        case _:
            return RequestRefused(f"a change of batch {batch_id}", declined.message or declined.why)


async def read_batch(running: Running, batch_id: int) -> BatchRecord:
    """Return the row. Raises `BatchNotFound`."""
    record = await running.store.batch(batch_id)
    if record is None:
        raise BatchNotFound(batch_id)
    return record


async def read_snapshot(running: Running, batch_id: int) -> BatchSnapshot:
    """Return the row and its counts. Raises `BatchNotFound`."""
    snapshot = await running.store.batch_snapshot(batch_id)
    if snapshot.batch is None:
        raise BatchNotFound(batch_id)
    return snapshot


async def wait_for_summary(running: Running, batch_id: int) -> BatchSummary:
    """Return the frozen summary as soon as there is one. Asking makes the condition be looked at,
    so that a batch whose end was missed by everybody else is finalized now."""
    while True:
        news = running.finalizer.wait_for(batch_id)
        try:
            frozen = await _frozen_if_it_can_be_read(running, batch_id)
            if frozen is not None:
                return _decode_summary(frozen)
            if running.ended:
                what = f"batch {batch_id} was not finalized in this life; the next one does it"
                raise running.failure or SupervisorStopped(what)
            running.finalizer.look_at([batch_id])
            await news
        finally:
            running.finalizer.give_up(batch_id, news)


async def _frozen_if_it_can_be_read(running: Running, batch_id: int) -> str | None:
    """A store that does not work is no answer: everybody looks again when it does."""
    while True:
        try:
            return (await read_batch(running, batch_id)).summary
        except StoreClosed:
            raise running.failure or SupervisorStopped(
                f"the summary of batch {batch_id} was asked for too late"
            ) from None
        except StoreUnavailable:
            if running.ended or not running.committing.degraded:
                raise
            await asyncio.sleep(TROUBLE_SECONDS)
