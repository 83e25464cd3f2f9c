"""Recovery: what a dead epoch left running is resolved at once, before any new work.

Exactly one process owns the store, by a lock of the operating system. So when a supervisor starts,
every running or cancelling row belongs to a process that is dead: that is known, not guessed, and
recovery takes milliseconds instead of a grace period.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from overseen.deciding import Lost, after_loss
from overseen.job_options import JobDefinition, OnLost
from overseen.live import Live
from overseen_storage.groups import Finish, Group, PutBack
from overseen_storage.lifecycle import Status
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
    definitions: Mapping[str, JobDefinition],
    take_stamps: Callable[[int], int],
) -> Recovered:
    """Resolve rows that run on paper only: of whatever epoch, but with no body here."""
    total = Recovered()
    after_id = 0
    while True:
        rows = await store.orphans(epoch=NO_EPOCH, after_id=after_id, limit=PAGE_JOBS)
        if not rows:
            return total
        after_id = rows[-1].id
        bodiless = [row for row in rows if live.get(row.id) is None]
        if bodiless:
            total = total.plus(await _resolve(store, bodiless, definitions, take_stamps))


async def _resolve(
    store: Store,
    rows: list[JobRecord],
    definitions: Mapping[str, JobDefinition],
    take_stamps: Callable[[int], int],
) -> Recovered:
    decisions = [after_loss(_lost(row, definitions)) for row in rows]
    finishes = [one for one in decisions if isinstance(one, Finish)]
    put_backs = [one for one in decisions if isinstance(one, PutBack)]
    group = Group(at=0, finishes=finishes, put_backs=put_backs)
    await store.commit(msgspec.structs.replace(group, at=take_stamps(group.stamps_needed)))
    failed = sum(one.status is Status.FAILED for one in finishes)
    return Recovered(again=len(put_backs), failed=failed, cancelled=len(finishes) - failed)


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
