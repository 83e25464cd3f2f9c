"""A draft does not expire while a file is on its way to it, however slowly that comes."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from overseen.attachments.draft_errors import NotADraft
from overseen.messages import PlaceOrder
from overseen_storage.orders import Declined, KeepDraft, OrderAnswer

if TYPE_CHECKING:
    from overseen.running import Running

__all__ = ["Keeping"]

KEEP_SHARE: Final = 4
"""A draft is kept alive each time this share of its time is over."""


class Keeping:
    """Around the writing of a file. A timer, and not the arrival of bytes, keeps the draft: a
    telephone in a tunnel may send nothing for longer than a draft lives. Breaks the writing off
    with `NotADraft` when there is no draft to keep any more."""

    def __init__(self, running: Running, job_id: int) -> None:
        self._running = running
        self._job_id = job_id
        self._limit = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None
        self._declined: Declined | None = None

    async def __aenter__(self) -> Self:
        await self._limit.__aenter__()
        self._wind_up()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            await self._limit.__aexit__(error_type, error, traceback)
        except TimeoutError:
            assert self._declined is not None, "nothing else ends the time"
            declined = self._declined
            raise NotADraft(self._job_id, declined.status, declined.reason) from None

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
        if reply.cancelled() or reply.exception() is not None or self._timer is None:
            return
        answer = reply.result()
        if isinstance(answer, Declined):
            self._timer.cancel()
            self._declined = answer
            self._limit.reschedule(self._running.loop.time())
