"""A bounded mailbox that is drained as a list."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from overseen_actors.errors import InvalidBound, MailboxClosed, MailboxInUse

M = TypeVar("M")


class Mailbox(Generic[M]):
    """Messages for one reader, who takes all that wait at once.

    There are two ways in. `put` is for requests: it waits while the mailbox is full, so a flood
    of submitters is slowed down instead of kept in memory. `post` is for reports: it is always
    taken, even above the limit, because a worker that could not report its result would be worse
    than a long list. Reports are bounded by their senders instead: each may have a fixed small
    number of them under way (a worker has one `Finished` and one `Changed`). Never `post` on
    behalf of somebody who may call as often as he likes.

    Everything here belongs to the event loop's thread and, but for the two waits, is
    synchronous. A plain list that is swapped out costs about 0.1 us a message; a stream that
    hands over one at a time costs 70 times as much.

        mailbox: Mailbox[str] = Mailbox(limit=1000)
        await mailbox.put("please")
        await mailbox.wait()
        for message in mailbox.drain(): ...
    """

    __slots__ = ("_closed", "_high_water", "_limit", "_messages", "_name", "_putters", "_reader")

    def __init__(self, limit: int = 1000, *, name: str = "mailbox") -> None:
        if limit < 1:
            raise InvalidBound("limit", limit, "1 or more messages")
        self._limit = limit
        self._name = name
        self._messages: list[M] = []
        self._closed = False
        self._high_water = 0
        self._reader: asyncio.Future[None] | None = None
        # Waiting `put`s, oldest first. Their futures answer: was the message let in?
        self._putters: OrderedDict[asyncio.Future[bool], M] = OrderedDict()

    def __len__(self) -> int:
        """Messages taken in and not drained yet; those of waiting `put`s do not count."""
        return len(self._messages)

    def __bool__(self) -> bool:
        """Always true: an empty mailbox is a mailbox too (`mailbox or default` would lose it)."""
        return True

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"<Mailbox {self._name!r}: {len(self)} of {self._limit}{state}>"

    @property
    def limit(self) -> int:
        """Messages above which `put` waits."""
        return self._limit

    @property
    def high_water(self) -> int:
        """The most messages that ever lay here at once; above `limit` by what was posted."""
        return max(self._high_water, len(self._messages))

    @property
    def waiting(self) -> int:
        """`put`s that wait for room."""
        return len(self._putters)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def post(self, message: M) -> None:
        """Take `message` whatever the limit. Raises MailboxClosed."""
        if self._closed:
            raise MailboxClosed(self._name)
        self._messages.append(message)
        if self._reader is not None:
            self._wake_reader()

    def post_many(self, messages: Iterable[M]) -> None:
        """Take all `messages` in their order, whatever the limit. Raises MailboxClosed."""
        if self._closed:
            raise MailboxClosed(self._name)
        self._messages.extend(messages)
        if self._reader is not None and self._messages:
            self._wake_reader()

    async def put(self, message: M, *, not_taken: Callable[[], object] | None = None) -> None:
        """Take `message`, waiting while the mailbox is full. Raises MailboxClosed.

        Who waits longest goes first. Cancelling the wait withdraws the message; if it was let in
        and drained in the same moment it is the reader's already, and may be acted on. `not_taken`
        is called when the wait was cancelled and the reader does not get the message.
        """
        if self._closed:
            raise MailboxClosed(self._name)
        if len(self._messages) < self._limit and not self._putters:
            self.post(message)
            return
        let_in: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._putters[let_in] = message
        try:
            accepted = await let_in
        except asyncio.CancelledError:
            self._putters.pop(let_in, None)
            was_let_in = let_in.done() and not let_in.cancelled() and let_in.result()
            if (not was_let_in or self.withdraw(message)) and not_taken is not None:
                not_taken()
            raise
        if not accepted:
            raise MailboxClosed(self._name)

    def withdraw(self, message: M) -> bool:
        """Take back a message that was taken in and is not drained yet; tell whether it was there.

        It is found by identity, so let messages be objects of their own. One whose `put` still
        waits is withdrawn by cancelling that.
        """
        for index, waiting in enumerate(self._messages):
            if waiting is message:
                self._high_water = self.high_water
                del self._messages[index]
                self._let_in()
                return True
        return False

    def drain(self) -> list[M]:
        """Everything that is here, in order of arrival; then as many waiting `put`s as fit."""
        messages = self._messages
        if len(messages) > self._high_water:
            self._high_water = len(messages)
        self._messages = []
        if self._putters:
            self._let_in()
        return messages

    async def wait(self) -> None:
        """Return when there is something to drain: at once if there is.

        Raises MailboxClosed when it is closed and empty (the reader's work is done), MailboxInUse
        when another reader waits.
        """
        while not self._messages:
            if self._closed:
                raise MailboxClosed(self._name)
            if self._reader is not None:
                raise MailboxInUse(self._name)
            reader: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._reader = reader
            try:
                await reader
            finally:
                if self._reader is reader:
                    self._reader = None

    def close(self) -> None:
        """Take nothing more. What is here can be drained; waiting `put`s get MailboxClosed."""
        self._closed = True
        for let_in in self._putters:
            if not let_in.done():
                let_in.set_result(False)
        self._putters.clear()
        if self._reader is not None:
            self._wake_reader()

    def _let_in(self) -> None:
        # Nobody waits while there is room, so the reader is awake already when this lets one in.
        while self._putters and len(self._messages) < self._limit:
            let_in, message = self._putters.popitem(last=False)
            # Done means: its task was cancelled and has not run since.
            if not let_in.done():
                let_in.set_result(True)
                self._messages.append(message)

    def _wake_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)
