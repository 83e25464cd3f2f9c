"""An actor: one mailbox, one reader, one message group at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from overseen_actors.errors import MailboxClosed
from overseen_actors.mailbox import Mailbox

M = TypeVar("M")


class Actor(ABC, Generic[M]):
    """Something that owns its state alone and is spoken to through a mailbox.

    Whoever makes the actor makes its mailbox too, so that a fresh actor can go on with the mailbox
    of one that failed. What the failed one had drained is gone with it: who needs those messages
    answered keeps them elsewhere.

        class Printer(Actor[str]):
            async def receive(self, messages: list[str]) -> None:
                print(*messages)

        printer = Printer("printer", Mailbox(limit=100))
        keeper.start(printer.name, printer.run)
    """

    def __init__(self, name: str, mailbox: Mailbox[M]) -> None:
        self.name = name
        self.mailbox = mailbox

    async def started(self) -> None:
        """Called once, before the first message. If it raises, `stopped` is not called."""
        return

    @abstractmethod
    async def receive(self, messages: list[M]) -> None:
        """Handle all messages that waited: at least one, oldest first.

        New ones collect meanwhile. An error ends the actor: what can go wrong with a single
        message is caught here, what is left is a bug and its keeper's business.
        """

    async def stopped(self) -> None:
        """Called once at the end: closed, failed or cancelled.

        After a cancellation any await in here may be cancelled again.
        """
        return

    async def run(self) -> None:
        """Live until the mailbox is closed and empty. An error of `receive` comes out of here."""
        await self.started()
        try:
            while await self._something_to_drain():
                await self.receive(self.mailbox.drain())
        finally:
            await self.stopped()

    async def _something_to_drain(self) -> bool:
        try:
            await self.mailbox.wait()
        except MailboxClosed:
            return False
        return True
