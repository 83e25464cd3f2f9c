"""One request to the supervisor, and the wait for its answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from overseen.errors import SupervisorStopped
from overseen.messages import PlaceOrder, Request
from overseen_actors.errors import MailboxClosed
from overseen_storage.orders import Order, OrderAnswer

if TYPE_CHECKING:
    from overseen.running import Running

__all__ = ["ask", "place"]

T = TypeVar("T")


async def ask(running: Running, message: Request, reply: asyncio.Future[T]) -> T:
    """Send a request and wait for its answer. Cancelling the wait withdraws the request if it was
    not taken up yet; else it may be carried out. Waits while the mailbox is full. The message's own
    `reply` is cancelled when it will not be carried out for certain."""
    mailbox = running.mailbox
    try:
        await mailbox.put(message, not_taken=message.reply.cancel)
    except MailboxClosed:
        message.reply.cancel()
        raise running.failure or SupervisorStopped() from None
    try:
        return await reply
    except asyncio.CancelledError:
        if not mailbox.closed and mailbox.withdraw(message):
            message.reply.cancel()
        raise


async def place(running: Running, order: Order) -> OrderAnswer:
    """Place an order and wait for its answer."""
    reply: asyncio.Future[OrderAnswer] = running.loop.create_future()
    return await ask(running, PlaceOrder(order, reply), reply)
