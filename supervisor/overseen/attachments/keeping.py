"""Uploads under way: their drafts do not expire meanwhile, and a stop breaks them off."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from overseen.attachments.draft_errors import NotADraft
from overseen.errors import SupervisorStopped
from overseen.messages import PlaceOrder
from overseen_storage.errors import OverseenError
from overseen_storage.orders import Declined, KeepDraft, OrderAnswer

if TYPE_CHECKING:
    from overseen.running import Running

__all__ = ["Keeping", "Uploads"]

KEEP_SHARE: Final = 4
"""A draft is kept alive each time this share of its time is over."""


class Uploads:
    """Those under way in one life."""

    def __init__(self) -> None:
        self._under_way: set[Keeping] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()

    def begin(self, upload: Keeping) -> None:
        """One more."""
        self._under_way.add(upload)
        self._none_left.clear()

    def end(self, upload: Keeping) -> None:
        """It has ended, and has tidied up after itself."""
        self._under_way.discard(upload)
        if not self._under_way:
            self._none_left.set()

    async def break_off(self) -> None:
        """Nobody can store what they bring any more: end them while their files can be removed."""
        for upload in self._under_way:
            upload.break_off(SupervisorStopped())
        await self._none_left.wait()


class Keeping:
    """Around the writing of a file. A timer, and not the arrival of bytes, keeps the draft: a
    telephone in a tunnel may send nothing for longer than a draft lives. Breaks the writing off
    with `NotADraft` when there is no draft to keep any more, with `SupervisorStopped` at a stop."""

    def __init__(self, running: Running, job_id: int) -> None:
        self._running = running
        self._job_id = job_id
        self._limit = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None
        self._broken_off: OverseenError | None = None

    async def __aenter__(self) -> Self:
        if self._running.mailbox.closed:
            raise self._running.failure or SupervisorStopped()
        await self._limit.__aenter__()
        self._running.uploads.begin(self)
        self._wind_up()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.uploads.end(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            await self._limit.__aexit__(error_type, error, traceback)
        except TimeoutError:
            assert self._broken_off is not None, "nothing else ends the time"
            raise self._broken_off from None

    def break_off(self, error: OverseenError) -> None:
        """End it with that error, unless it is being ended already."""
        if self._broken_off is None and self._timer is not None:
            self._timer.cancel()
            self._broken_off = error
            self._limit.reschedule(self._running.loop.time())

    def _wind_up(self) -> None:
        running = self._running
        pause_seconds = running.settings.draft_timeout / KEEP_SHARE
        self._timer = running.loop.call_later(pause_seconds, self._keep)

    def _keep(self) -> None:
        """A store that does not work is no reason to break off: it may work again in time."""
        running = self._running
        if running.mailbox.closed:
            return
        reply: asyncio.Future[OrderAnswer] = running.loop.create_future()
        reply.add_done_callback(self._answered)
        order = KeepDraft(self._job_id, running.draft_expires_at())
        running.mailbox.post(PlaceOrder(order, reply))
        self._wind_up()

    def _answered(self, reply: asyncio.Future[OrderAnswer]) -> None:
        if reply.cancelled() or reply.exception() is not None:
            return
        answer = reply.result()
        if isinstance(answer, Declined):
            self.break_off(NotADraft(self._job_id, answer.status, answer.reason))
