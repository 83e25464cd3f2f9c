"""What the contract says about batches, in plain Python, over the jobs of the model.

Nothing here looks at what ended in which group: a batch is judged by all of its members' states,
after every group. A store that looks only at what changed must come to the same.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tests.storage.told import Told

from overseen_storage.batch_lifecycle import BATCH_ENDED, BATCH_MOVES, BatchMove, BatchPolicy
from overseen_storage.batch_lifecycle import BatchStatus as Batch
from overseen_storage.batch_records import BatchCounts
from overseen_storage.lifecycle import LIVE, TERMINAL, EventType, Reason, Status


class Member(Protocol):
    """As much of a job as its batch looks at."""

    id: int
    status: Status
    batch_id: int | None


@dataclass(slots=True)
class ModelBatch:
    """What the contract says about a batch, without its stamps."""

    id: int
    policy: BatchPolicy
    threshold: float | None
    status: Batch = Batch.OPEN
    stopped: Reason | None = None
    due: bool = False
    total: int | None = None
    frozen: BatchCounts | None = None
    """Its counts when it was finalized: its members may be pruned."""

    @property
    def ended(self) -> bool:
        """Whether it is finalized."""
        return self.status in BATCH_ENDED

    def stops_at(self) -> int | None:
        """How many failures stop it, if that is known."""
        match self.policy:
            case BatchPolicy.CONTINUE:
                return None
            case BatchPolicy.FAIL_FAST:
                return 1
            case BatchPolicy.THRESHOLD:
                assert self.threshold is not None
                if self.threshold >= 1:
                    return math.ceil(self.threshold)
                return (
                    None if self.total is None else max(1, math.ceil(self.threshold * self.total))
                )


@dataclass(slots=True)
class ModelBatches:
    """All batches."""

    all: dict[int, ModelBatch] = field(default_factory=dict[int, ModelBatch])
    due: list[int] = field(default_factory=list[int])
    """Those that became due in the group under way."""
    tripped: list[int] = field(default_factory=list[int])
    """Those that failures stopped in it."""

    def begin(self) -> None:
        """Begin a group."""
        self.due, self.tripped = [], []

    def why_closed(self, batch_id: int | None) -> str | None:
        """Why a job cannot become a member."""
        if batch_id is None:
            return None
        batch = self.all.get(batch_id)
        if batch is None:
            return "no_batch"
        return None if batch.status is Batch.OPEN else "batch_sealed"

    def may_start(self, batch_id: int | None) -> bool:
        """Whether a member may be claimed."""
        batch = self.all.get(batch_id or 0)
        return batch is None or batch.stopped is None or batch.ended

    def is_kept(self, batch_id: int | None) -> bool:
        """Whether a member must not be pruned."""
        batch = self.all.get(batch_id or 0)
        return batch is not None and not batch.ended

    def counts(self, batch: ModelBatch, jobs: Mapping[int, Member]) -> BatchCounts:
        """How many members are where."""
        if batch.frozen is not None:
            return batch.frozen
        found = Counter(job.status for job in jobs.values() if job.batch_id == batch.id)
        running = sum(found[status] for status in LIVE)
        ended = sum(found[status] for status in TERMINAL)
        return BatchCounts(
            total=found.total(),
            waiting=found.total() - running - ended,
            running=running,
            completed=found[Status.COMPLETED],
            failed=found[Status.FAILED],
            cancelled=found[Status.CANCELLED],
        )

    def ends_as(self, batch: ModelBatch, counts: BatchCounts) -> Batch:
        """The status it is finalized with."""
        if batch.stopped is Reason.REQUESTED and (counts.cancelled or not counts.total):
            return Batch.CANCELLED
        clean = counts.completed == counts.total
        return Batch.COMPLETED if clean else Batch.COMPLETED_WITH_ERRORS

    def move(self, batch: ModelBatch, move: BatchMove, to: Batch) -> None:
        """Make a legal move."""
        assert to in BATCH_MOVES[batch.status, move]
        batch.status = to

    def settle(self, jobs: Mapping[int, Member]) -> list[Told]:
        """Judge every batch by its members; the events that follow."""
        told: list[Told] = []
        for batch in self.all.values():
            if batch.ended:
                continue
            counts = self.counts(batch, jobs)
            limit = batch.stops_at()
            if batch.stopped is None and limit is not None and counts.failed >= limit:
                batch.stopped = Reason.BATCH_POLICY
                self.tripped.append(batch.id)
                told.append(about_batch(batch.id, EventType.BATCH_TRIPPED, batch.stopped))
            if batch.status is Batch.PROCESSING and not counts.open and not batch.due:
                batch.due = True
                self.due.append(batch.id)
        return told


def about_batch(batch_id: int, kind: EventType, reason: Reason | None = None) -> Told:
    """An event about a batch: it is told apart from those about jobs by its sign."""
    return Told.about(-batch_id, kind, None, None, reason)
