"""A draft whose author went away before he had its id: nobody else will give it up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from overseen.face_checks import reason_text
from overseen.messages import PlaceOrder, SubmitAnswered
from overseen_storage.orders import Discard, OrderAnswer

if TYPE_CHECKING:
    from overseen.running import Running

__all__ = ["discard_unheard"]

WHY: Final = "its begin was cancelled: nobody has its id"


def discard_unheard(running: Running, begun: asyncio.Future[SubmitAnswered]) -> None:
    """Its author does not wait for the answer to its begin any more: discard what it began.

    Only that: what was found by its key is another author's. If the request was withdrawn, or
    nothing was stored, there is nothing to do; if that is unknown, or the supervisor stops first,
    the draft expires.
    """
    begun.add_done_callback(lambda answered: _discard(running, answered))


def _discard(running: Running, begun: asyncio.Future[SubmitAnswered]) -> None:
    if begun.cancelled() or begun.exception() is not None or running.mailbox.closed:
        return
    answered = begun.result()
    created = answered.created or [True] * len(answered.ids)
    for job_id, is_new in zip(answered.ids, created, strict=True):
        if is_new:
            reply: asyncio.Future[OrderAnswer] = running.loop.create_future()
            reply.add_done_callback(_look_at)
            running.mailbox.post(PlaceOrder(Discard(job_id, data=reason_text(WHY)), reply))


def _look_at(reply: asyncio.Future[OrderAnswer]) -> None:
    """A store that does not work: the draft expires."""
    if not reply.cancelled():
        reply.exception()
