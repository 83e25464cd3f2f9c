"""What is said to the supervisor. Requests come from callers and wait for an answer; reports come
from workers and clocks, are bounded by their senders and are never refused."""

from __future__ import annotations

import asyncio
from typing import TypeAlias

import msgspec

from overseen.attempt import Attempt
from overseen_storage.answers import Missed
from overseen_storage.items import ChangeWaiting, Note, SetQueue, Submission
from overseen_storage.lifecycle import Cause, Reason, Status
from overseen_storage.orders import Attach, Discard, KeepDraft, Order, OrderAnswer, Release

__all__ = [
    "Annotate",
    "Cancel",
    "CancelAnswered",
    "Change",
    "Changed",
    "Finished",
    "Message",
    "PauseQueue",
    "PlaceOrder",
    "Request",
    "StopMembers",
    "Submit",
    "Tick",
]


class Submit(msgspec.Struct, eq=False):
    """A caller submits jobs. Answer: their ids, and whether each was created."""

    submission: Submission
    size: int
    """Bytes of its payloads, for the bound of a group."""
    reply: asyncio.Future[SubmitAnswered]
    notes: list[Note] = []
    """Written in the same transaction (an operator's retry tells the old job)."""


class SubmitAnswered(msgspec.Struct, frozen=True):
    """The answer to `Submit`."""

    ids: list[int] | range
    created: list[bool] | None


class Cancel(msgspec.Struct, eq=False):
    """A caller or an operator wants a job to end."""

    job_id: int
    cause: Cause
    data: str | None
    reply: asyncio.Future[CancelAnswered]


class CancelAnswered(msgspec.Struct, frozen=True):
    """The answer to `Cancel`, after the commit."""

    status: Status | None
    """Status now; None: there is no such job. `cancelling`: the body was told, its end follows."""


class Change(msgspec.Struct, eq=False):
    """An operator promotes, reorders or releases a waiting job. Answer: None, or what the row is
    instead."""

    change: ChangeWaiting
    reply: asyncio.Future[Missed | None]


class PauseQueue(msgspec.Struct, eq=False):
    """An operator pauses or resumes a queue."""

    setting: SetQueue
    reply: asyncio.Future[None]


class PlaceOrder(msgspec.Struct, eq=False):
    """One of the rarer requests: about a draft, or about a batch."""

    order: Order
    reply: asyncio.Future[OrderAnswer]

    @property
    def job_id(self) -> int | None:
        """The job that it moves; None: it is about a batch."""
        order = self.order
        return order.job_id if isinstance(order, Attach | KeepDraft | Release | Discard) else None


class StopMembers(msgspec.Struct, eq=False, frozen=True):
    """A batch was stopped: its members are to end. Nobody waits for it; it is sent again until
    none of them is open."""

    batch_id: int
    reason: Reason


class Annotate(msgspec.Struct, eq=False):
    """A note for the ledger that nobody waits for."""

    note: Note


class Finished(msgspec.Struct, eq=False, frozen=True, gc=False):
    """A body has ended; its report is on the attempt."""

    attempt: Attempt


class Changed(msgspec.Struct, eq=False, frozen=True, gc=False):
    """A body has something for the ledger in its slots."""

    attempt: Attempt


class Tick(msgspec.Struct, eq=False, frozen=True):
    """Look at the clock and at what can be claimed. Sent by the watchdog, by the scheduler and by
    whoever freed a slot; many at once are one."""

    late_seconds: float = 0.0
    """How late the timer behind it fired: the loop, or the machine, stood still for that long."""
    look: bool = False
    """A moment of the watch has come. Only then are attempts judged: after a stall of the loop
    other messages come first, and nobody knows yet for how long it stood still."""
    due: bool = False
    """Something may have become due."""
    expire: bool = False
    """Something may have waited too long."""


Request: TypeAlias = Submit | Cancel | Change | PauseQueue | PlaceOrder
Message: TypeAlias = Request | StopMembers | Annotate | Finished | Changed | Tick
