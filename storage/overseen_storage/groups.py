"""What one transaction is asked to do, and what it answers.

The supervisor gathers everything that waits into one `Group`. The store applies it in one
transaction, in the order of the fields below, and answers with `Committed`. Every change of
status is guarded in its statement by status and, where an attempt is meant, by fence; what
does not fit is not applied and is reported as `Missed`, it is never an exception.
"""

from __future__ import annotations

import msgspec

from overseen_storage.batch_lifecycle import BatchStatus
from overseen_storage.items import (
    CancelWaiting,
    ChangeWaiting,
    ClaimFrom,
    Expire,
    Finish,
    MakeDue,
    MarkStopping,
    Note,
    PutBack,
    RequestCancel,
    SetQueue,
    Submission,
)
from overseen_storage.lifecycle import Status
from overseen_storage.orders import CancelMembers, FinalizeBatch, Order


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction, applied in this order. Claims come last and see everything before them."""

    at: int
    """First of `stamps_needed` consecutive stamps reserved for this group."""
    submissions: list[Submission] = []
    notes: list[Note] = []
    """Before the ends: the last progress of a body precedes its end on the ledger."""
    finishes: list[Finish] = []
    put_backs: list[PutBack] = []
    cancel_requests: list[RequestCancel] = []
    stoppings: list[MarkStopping] = []
    cancels: list[CancelWaiting] = []
    changes: list[ChangeWaiting] = []
    make_due: MakeDue | None = None
    expire: Expire | None = None
    queues: list[SetQueue] = []
    orders: list[Order] = []
    """One by one, each with its own answer."""
    claims: list[ClaimFrom] = []
    claim_limit: int = 0
    """Over all queues: highest priority first, then oldest `ready_at`, then id."""
    epoch: int = 0
    """Who claims."""
    kinds: frozenset[str] | None = None
    """The kinds this program knows: others that come up for claiming are held as `unregistered`.
    None: all."""
    timeouts_us: dict[str, int] = {}
    """Run timeouts of the kinds that have one, for `deadline_at` of claimed jobs."""

    @property
    def stamps_needed(self) -> int:
        """An upper bound of the events this group can write, each of which gets its own stamp."""
        jobs = 0
        for submission in self.submissions:
            jobs += 2 * len(submission.jobs)  # a replaced job is cancelled too
        many = (self.make_due.limit if self.make_due else 0) + (
            self.expire.limit if self.expire else 0
        )
        return (
            jobs
            + len(self.finishes)
            + len(self.put_backs)
            + len(self.cancel_requests)
            + len(self.stoppings)
            + len(self.cancels)
            + 2 * len(self.changes)
            + many
            + len(self.notes)
            + len(self.queues)
            + sum(map(_events_of, self.orders))
            + len(self.finishes)  # a failure may stop its batch
            + many
            + 2 * self.claim_limit  # one claimed, one held for its unknown kind
            + 1
        )


def _events_of(order: Order) -> int:
    """How many events it can write."""
    if isinstance(order, CancelMembers):
        return order.limit
    if isinstance(order, FinalizeBatch):
        return 1 + len(order.callbacks)
    return 2  # a batch may be stopped by what it is when it is sealed


class PruneRequest(msgspec.Struct, frozen=True):
    """Delete ended jobs (with ledger rows, logs) that ended before these stamps, oldest first."""

    completed_before: int | None = None
    failed_before: int | None = None
    cancelled_before: int | None = None
    limit: int = 1000
    """Jobs at most; fewer if they have many events, so that no commit waits long behind it."""
    after: int = 0
    """Only what ended after this stamp: where an earlier chunk says it has looked to."""


class BatchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which batches a page shows. Everything given must hold."""

    status: frozenset[BatchStatus] | None = None
    name: str | None = None
    labels: dict[str, str] = {}
    before_id: int | None = None
    """Keyset cursor: ids below this one (newest first)."""
    limit: int = 50


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs a page shows. Everything given must hold."""

    status: frozenset[Status] | None = None
    kind: str | None = None
    queue: str | None = None
    batch_id: int | None = None
    labels: dict[str, str] = {}
    key: str | None = None
    callback_of: int | None = None
    """Only what the end of this batch submitted."""
    held: bool | None = None
    before_id: int | None = None
    """Keyset cursor: ids below this one (newest first)."""
    limit: int = 50
