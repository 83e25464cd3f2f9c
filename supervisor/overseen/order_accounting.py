"""What memory learns from orders that were carried out: about drafts, and about batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import assert_never

from overseen.counters import Counters
from overseen.done import Done
from overseen.messages import Message, PlaceOrder, StopMembers
from overseen.queues import Queues
from overseen_storage.lifecycle import EventType, Reason
from overseen_storage.orders import (
    Attach,
    CancelMembers,
    Declined,
    Discard,
    FinalizeBatch,
    KeepDraft,
    Obeyed,
    OpenBatch,
    Order,
    Release,
    SealBatch,
    StopBatch,
)

__all__ = ["OrderAccounting"]


class OrderAccounting:
    """A part of `Accounting`."""

    def __init__(
        self,
        *,
        queues: Queues,
        counters: Counters,
        backlog: deque[Message],
        batches_due: Callable[[Iterable[int]], None],
        batch_ended: Callable[[int], None],
        files_freed: Callable[[Iterable[str]], None],
    ) -> None:
        self._queues = queues
        self._counters = counters
        self._backlog = backlog
        self._batches_due = batches_due
        self._batch_ended = batch_ended
        self._files_freed = files_freed
        self._stopped: dict[int, Reason] = {}
        """Batches that were stopped in this life and are not finalized, and why."""

    def account(self, done: Done) -> None:
        """The group is on disk."""
        committed = done.committed
        if committed.freed_files:
            self._files_freed(committed.freed_files)
        for placed, answer in zip(done.plan.placed, committed.orders, strict=True):
            if isinstance(placed, StopMembers):
                self._members_stopped(done, placed, answer)
            elif isinstance(answer, Obeyed):
                self._obeyed(done, placed, placed.order, answer)
        if self._stopped:
            self._stop_late_members(done)
        for batch_id in committed.batches_stopped:
            self._counters.add(EventType.BATCH_TRIPPED)
            self._stop(batch_id, Reason.BATCH_POLICY)
        if committed.batches_due:
            self._batches_due(committed.batches_due)

    def _stop(self, batch_id: int, reason: Reason) -> None:
        self._stopped[batch_id] = reason
        self._backlog.append(StopMembers(batch_id, reason))

    def _stop_late_members(self, done: Done) -> None:
        """A batch that was stopped while it is open still takes members: they end at once, too."""
        joined = {job.batch_id for one in done.plan.submissions for job in one.jobs}
        for batch_id in [one for one in self._stopped if one in joined]:
            self._stop(batch_id, self._stopped[batch_id])

    def _members_stopped(self, done: Done, placed: StopMembers, answer: Obeyed | Declined) -> None:
        if isinstance(answer, Declined):
            return  # it was finalized meanwhile
        done.unseen.extend(answer.cancelled)
        self._counters.add(EventType.CANCELLED, len(answer.cancelled))
        if answer.remaining:
            self._backlog.append(placed)

    def _obeyed(self, done: Done, placed: PlaceOrder, order: Order, answer: Obeyed) -> None:
        match order:
            case Attach():
                self._counters.add(EventType.ATTACHED)
                done.times_changed = True
            case KeepDraft():
                done.times_changed = True
            case Release():
                self._counters.add(EventType.READY)
                done.times_changed = True
                if answer.queue is not None:
                    self._queues.enter(answer.queue)
            case Discard():
                self._counters.add(EventType.CANCELLED)
                done.unseen.append(order.job_id)
                done.times_changed = True
            case OpenBatch():
                self._counters.add(EventType.BATCH_OPENED)
            case SealBatch():
                self._counters.add(EventType.BATCH_SEALED)
            case StopBatch():
                self._counters.add(EventType.BATCH_CANCELLING)
                self._counters.add(EventType.BATCH_SEALED, int(answer.sealed))
                self._stop(order.batch_id, Reason.REQUESTED)
            case FinalizeBatch():
                self._finalized(order)
            case CancelMembers():
                raise AssertionError(f"{placed!r} is not placed by callers")
            case _:
                assert_never(order)

    def _finalized(self, order: FinalizeBatch) -> None:
        self._counters.add(EventType.BATCH_FINALIZED)
        self._stopped.pop(order.batch_id, None)
        for callback in order.callbacks:
            self._counters.add(EventType.SUBMITTED)
            self._queues.enter(callback.job.queue)
        self._batch_ended(order.batch_id)
