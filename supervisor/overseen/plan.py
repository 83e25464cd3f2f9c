"""One group in the making, and beside each of its lists who asked for the entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from overseen.attempt import Attempt, Mark
from overseen.messages import Annotate, Cancel, Change, PauseQueue, PlaceOrder, StopMembers, Submit
from overseen_storage.groups import Group
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
from overseen_storage.orders import FinalizeBatch, Order

__all__ = ["GROUP_JOBS_MAX", "Plan", "Scope"]

GROUP_JOBS_MAX: Final = 10_000
"""Jobs submitted in one group, unless a single submission has more."""
GROUP_BYTES_MAX: Final = 8 << 20
"""Bytes of payload in one group, unless a single message has more."""


class Scope(msgspec.Struct, frozen=True):
    """What a plan may do besides answering messages."""

    claim: bool
    """Start jobs: not while stopping."""
    epoch: int
    kinds: frozenset[str]
    timeouts_us: dict[str, int]


class Plan:
    """One group in the making, and beside each of its lists who asked for the entry."""

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.submits: list[Submit] = []
        self.notes: list[Note] = []
        self.changed: list[tuple[Attempt, list[Mark]]] = []
        self.marks: dict[int, Mark] = {}
        """By index of the note: what waits for it."""
        self.finishes: list[Finish] = []
        self.finished: list[Attempt] = []
        self.put_backs: list[PutBack] = []
        self.returned: list[Attempt] = []
        self.cancel_requests: list[RequestCancel] = []
        self.cancelling: list[tuple[Attempt, Cancel | StopMembers]] = []
        self.stoppings: list[MarkStopping] = []
        self.stopping: list[Attempt] = []
        self.cancels: list[CancelWaiting] = []
        self.cancelled: list[Cancel] = []
        self.changes: list[ChangeWaiting] = []
        self.changing: list[Change] = []
        self.queues: list[SetQueue] = []
        self.pausing: list[PauseQueue] = []
        self.orders: list[Order] = []
        self.placed: list[PlaceOrder | StopMembers] = []
        """Who asked for each order."""
        self.stuck: list[Attempt] = []
        self.tell_again: list[Attempt] = []
        self.answers: list[tuple[Cancel, Status]] = []
        """Cancels that need no write: the body was told before."""
        self.annotated: list[Annotate] = []
        self.late: list[Annotate] = []
        """Annotations for the next group: they follow the end that this one writes."""
        self.make_due: MakeDue | None = None
        self.expire: Expire | None = None
        self.claims: list[ClaimFrom] = []
        self.claim_limit = 0
        self.submits_wait = False
        """A submit did not fit: those after it wait too, or ids would not follow their order."""
        self.moved: set[int] = set()
        self.freed: dict[str, int] = {}
        self.jobs = 0
        self.size = 0
        self.taken_over = False
        """The commit loop has it: what becomes of it is not the planner's business any more."""

    @property
    def full(self) -> bool:
        """Whether the next submit has to wait for another group."""
        return self.jobs >= GROUP_JOBS_MAX or self.size >= GROUP_BYTES_MAX

    @property
    def writes(self) -> bool:
        """Whether there is anything for the store."""
        return bool(
            self.submissions
            or self.notes
            or self.finishes
            or self.put_backs
            or self.cancel_requests
            or self.stoppings
            or self.cancels
            or self.changes
            or self.queues
            or self.orders
            or self.make_due
            or self.expire
            or self.claims
        )

    def group(self, at: Callable[[int], int], scope: Scope) -> Group:
        """Return the group; `at` takes that many stamps and returns the first."""
        group = Group(
            at=0,
            submissions=self.submissions,
            notes=self.notes,
            finishes=self.finishes,
            put_backs=self.put_backs,
            cancel_requests=self.cancel_requests,
            stoppings=self.stoppings,
            cancels=self.cancels,
            changes=self.changes,
            make_due=self.make_due,
            expire=self.expire,
            queues=self.queues,
            orders=self.orders,
            claims=self.claims,
            claim_limit=self.claim_limit,
            epoch=scope.epoch,
            kinds=scope.kinds,
            timeouts_us=scope.timeouts_us,
        )
        return msgspec.structs.replace(group, at=at(group.stamps_needed))

    def entering(self) -> Iterator[str]:
        """The queues that its new jobs enter."""
        for submission in self.submissions:
            for job in submission.jobs:
                yield job.queue
        for order in self.orders:
            if isinstance(order, FinalizeBatch):
                for callback in order.callbacks:
                    yield callback.job.queue

    def frees(self, attempt: Attempt) -> None:
        """Its slot is free once this group is committed (a stuck one's is free already)."""
        if not attempt.stuck:
            queue = attempt.claimed.queue
            self.freed[queue] = self.freed.get(queue, 0) + 1
