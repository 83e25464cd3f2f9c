"""Recovery: what a dead epoch left running is resolved at once, before any new work.

Exactly one process owns the store, by a lock of the operating system. So when a supervisor starts,
every running or cancelling row belongs to a process that is dead: that is known, not guessed, and
recovery takes milliseconds instead of a grace period.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from overseen.attempt import Attempt
from overseen.deciding import Lost, after_loss
from overseen.job_options import JobDefinition, OnLost
from overseen.live import Live
from overseen_storage.groups import Group
from overseen_storage.items import Finish, PutBack
from overseen_storage.lifecycle import Cause, Reason, Status
from overseen_storage.records import JobRecord
from overseen_storage.store import Store

__all__ = ["Recovered", "reconcile", "recover", "release_holds"]

PAGE_JOBS: Final = 1_000
NO_EPOCH: Final = 0
"""Epochs count from 1."""


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What a start found of dead epochs."""

    again: int = 0
    """Jobs that went back to the queue."""
    failed: int = 0
    """Jobs that failed as `lost`: their budget or their kind allows no other attempt."""
    cancelled: int = 0
    """Jobs whose cancellation the death fulfilled."""

    @property
    def jobs(self) -> int:
        """How many jobs were resolved."""
        return self.again + self.failed + self.cancelled

    def plus(self, other: Recovered) -> Recovered:
        """Return the sum of both."""
        return Recovered(
            again=self.again + other.again,
            failed=self.failed + other.failed,
            cancelled=self.cancelled + other.cancelled,
        )


async def recover(
    store: Store,
    *,
    epoch: int,
    definitions: Mapping[str, JobDefinition],
    take_stamps: Callable[[int], int],
) -> Recovered:
    """Resolve every row of a dead epoch, a page at a time. Idempotent: what is resolved is no
    orphan any more."""
    total = Recovered()
    after_id = 0
    while True:
        orphans = await store.orphans(epoch=epoch, after_id=after_id, limit=PAGE_JOBS)
        if not orphans:
            return total
        after_id = orphans[-1].id
        total = total.plus(await _resolve(store, orphans, definitions, take_stamps))


async def reconcile(
    store: Store,
    *,
    live: Live,
    take_stamps: Callable[[int], int],
    agree: Callable[[Attempt, JobRecord], None],
) -> int:
    """Make rows that run, and attempts that live here, tell the same; returns how many did not.

    After a failure of the supervisor, or a COMMIT whose outcome was unknown, a row may run on
    paper only: its start is on disk, its body never began. That is known, and no fault of the job:
    it goes back to the front at no cost. `agree` is called with every attempt and its row.
    """
    bodiless = 0
    after_id = 0
    while True:
        rows = await store.orphans(epoch=NO_EPOCH, after_id=after_id, limit=PAGE_JOBS)
        if not rows:
            return bodiless
        after_id = rows[-1].id
        moves: list[Finish | PutBack] = []
        for row in rows:
            attempt = live.get(row.id)
            if attempt is None or attempt.claimed.fence != row.fence:
                moves.append(_never_began(row))
            else:
                agree(attempt, row)
        if moves:
            await _apply(store, moves, take_stamps)
            bodiless += len(moves)


def _never_began(row: JobRecord) -> Finish | PutBack:
    if row.status is Status.CANCELLING:
        return after_loss(_lost(row, {}))
    return PutBack(
        row.id,
        row.fence,
        Status.PENDING,
        Reason.SHUTDOWN,
        Cause.SUPERVISOR,
        interruptions=1,
        data='{"decision":"its body never began"}',
    )


async def _resolve(
    store: Store,
    rows: list[JobRecord],
    definitions: Mapping[str, JobDefinition],
    take_stamps: Callable[[int], int],
) -> Recovered:
    decisions = [after_loss(_lost(row, definitions)) for row in rows]
    await _apply(store, decisions, take_stamps)
    statuses = [one.status for one in decisions]
    return Recovered(
        again=statuses.count(Status.PENDING),
        failed=statuses.count(Status.FAILED),
        cancelled=statuses.count(Status.CANCELLED),
    )


async def _apply(
    store: Store, decisions: Sequence[Finish | PutBack], take_stamps: Callable[[int], int]
) -> None:
    finishes = [one for one in decisions if isinstance(one, Finish)]
    put_backs = [one for one in decisions if isinstance(one, PutBack)]
    group = Group(at=0, finishes=finishes, put_backs=put_backs)
    await store.commit(msgspec.structs.replace(group, at=take_stamps(group.stamps_needed)))


async def release_holds(
    store: Store, *, kinds: list[str], take_stamps: Callable[[int], int]
) -> int:
    """Give back the jobs that were parked because a former program did not know their kind."""
    released = 0
    while True:
        at = take_stamps(PAGE_JOBS)
        count = await store.release_holds(at=at, kinds=kinds, limit=PAGE_JOBS)
        released += count
        if count < PAGE_JOBS:
            return released


def _lost(orphan: JobRecord, definitions: Mapping[str, JobDefinition]) -> Lost:
    definition = definitions.get(orphan.kind)
    return Lost(
        orphan.id,
        orphan.fence,
        orphan.status is Status.CANCELLING,
        orphan.losses,
        orphan.losses_allowed,
        # A kind this program does not know is not decided for it: the job goes back to the queue,
        # where it is held until a program that knows it starts.
        definition.on_lost if definition else OnLost.RETRY,
    )
