"""What generated numbers mean as orders to batches, and what the model answers."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from tests.storage.driving import new_job
from tests.storage.model import Model
from tests.storage.model_batches import ModelBatch, about_batch

from overseen_storage.batch_lifecycle import BatchMove, BatchPolicy, BatchStatus
from overseen_storage.batch_records import BatchCounts, BatchSummary
from overseen_storage.lifecycle import LIVE, TERMINAL, EventType, Reason, Status
from overseen_storage.orders import (
    Callback,
    CancelMembers,
    Declined,
    FinalizeBatch,
    Obeyed,
    OpenBatch,
    OrderAnswer,
    SealBatch,
    StopBatch,
)

BatchOrder = OpenBatch | SealBatch | StopBatch | CancelMembers | FinalizeBatch

POLICIES = (
    (BatchPolicy.FAIL_FAST, None),
    (BatchPolicy.CONTINUE, None),
    (BatchPolicy.THRESHOLD, 2.0),
    (BatchPolicy.THRESHOLD, 0.3),
)
BATCHES_MAX = 2
"""So many go on at once; more would have few members each."""

Fits = Callable[[ModelBatch], bool]


def is_open(batch: ModelBatch) -> bool:
    """Whether members may be added."""
    return batch.status is BatchStatus.OPEN


def pick_batch(model: Model, pick: int, fits: Fits = is_open) -> int:
    """Mostly one of the newest that fit; else any of the newest, or one that does not exist."""
    newest = sorted(model.batches.all.values(), key=lambda one: -one.id)
    fitting = [one.id for one in newest if pick % 8 < 7 and fits(one)][:BATCHES_MAX]
    ids = fitting or [*[one.id for one in newest[:2]] * 3, len(newest) + 9]
    return ids[pick % len(ids)]


def batch_order(model: Model, pick: int, variant: int) -> BatchOrder:
    """An order to some batch, or for a new one."""
    going_on = sum(not one.ended for one in model.batches.all.values())
    if not going_on or (going_on < BATCHES_MAX and variant % 8 == 0):
        policy, threshold = POLICIES[pick % 4]
        return OpenBatch(name=f"batch {pick}", policy=policy, threshold=threshold)
    match variant % 8:
        case 0 | 1:
            large = pick_batch(model, pick, lambda one: is_open(one) and has_some(model, one))
            return SealBatch(large)
        case 3 if variant % 3 == 0:
            return StopBatch(pick_batch(model, pick, lambda one: not one.ended))
        case 2 | 3 | 4:
            stopped = pick_batch(model, pick, lambda one: one.stopped is not None and not one.ended)
            return CancelMembers(stopped, (1, 2, 100)[pick % 3])
        case _:
            # What is due in this very group is not marked yet: it may be finalized all the same.
            over = pick_batch(model, pick, lambda one: is_over(model, one))
            return finalizing(model, over, variant)


def has_some(model: Model, batch: ModelBatch) -> bool:
    """Whether it has a few members."""
    return model.batches.counts(batch, model.jobs).total > 2


def is_over(model: Model, batch: ModelBatch) -> bool:
    """Whether it is sealed, goes on, and no member is open."""
    sealed = batch.status is BatchStatus.PROCESSING
    return sealed and not model.batches.counts(batch, model.jobs).open


def finalizing(model: Model, batch_id: int, variant: int) -> FinalizeBatch:
    """The order that freezes a batch as the model has it, with callbacks of its own."""
    batch = model.batches.all.get(batch_id) or ModelBatch(batch_id, BatchPolicy.CONTINUE, None)
    counts = model.batches.counts(batch, model.jobs)
    status = model.batches.ends_as(batch, counts)
    calls = ("finish", "failure")[: variant // 8 % 3]
    return FinalizeBatch(
        batch_id=batch_id,
        status=status,
        summary=msgspec.json.encode(summary(model, batch, status, counts)).decode(),
        callbacks=tuple(Callback(one, new_job("work", "other")) for one in calls),
    )


def summary(
    model: Model, batch: ModelBatch, status: BatchStatus, counts: BatchCounts
) -> BatchSummary:
    """As much of a summary as is counted again later."""
    members = [job for job in model.jobs.values() if job.batch_id == batch.id]
    completed = [job for job in members if job.status is Status.COMPLETED]
    return BatchSummary(
        batch_id=batch.id,
        name="",
        status=status,
        reason=batch.stopped,
        total=counts.total,
        completed=counts.completed,
        completed_with_warnings=sum(job.warnings > 0 for job in completed),
        failed=counts.failed,
        cancelled=counts.cancelled,
        warnings=sum(job.warnings for job in members),
        attempts=sum(job.fence for job in members),
        retried=sum(job.fence > 1 for job in members),
        created_at=1,
        sealed_at=2,
    )


def play_batch_order(model: Model, order: BatchOrder) -> OrderAnswer:
    """Carry out one order."""
    if isinstance(order, OpenBatch):
        return _open(model, order)
    batch = model.batches.all.get(order.batch_id)
    if batch is None:
        return Declined(why="no_batch")
    why = _why_not(model, batch, order)
    if why is not None:
        return Declined(why=why, batch_status=batch.status, reason=batch.stopped)
    match order:
        case SealBatch():
            _seal(model, batch)
            return Obeyed(batch_id=batch.id)
        case StopBatch():
            return _stop(model, batch)
        case CancelMembers():
            return _cancel(model, batch, order.limit)
        case FinalizeBatch():
            return _finalize(model, batch, order)


def _why_not(model: Model, batch: ModelBatch, order: BatchOrder) -> str | None:
    """Why an order does not fit a batch."""
    match order:
        case SealBatch():
            fits, why = batch.status is BatchStatus.OPEN, "sealed"
        case StopBatch():
            fits, why = batch.stopped is not Reason.REQUESTED, "stopped"
        case CancelMembers():
            fits, why = batch.stopped is not None, "not_stopped"
        case FinalizeBatch() if batch.status is BatchStatus.OPEN:
            fits, why = False, "not_sealed"
        case _:
            fits, why = not model.batches.counts(batch, model.jobs).open, "open_members"
    if batch.ended:
        return "finalized"
    return None if fits else why


def _open(model: Model, order: OpenBatch) -> Obeyed:
    batch_id = len(model.batches.all) + 1
    model.batches.all[batch_id] = ModelBatch(batch_id, order.policy, order.threshold)
    model.told.append(about_batch(batch_id, EventType.BATCH_OPENED))
    return Obeyed(batch_id=batch_id)


def _seal(model: Model, batch: ModelBatch) -> None:
    model.batches.move(batch, BatchMove.SEAL, BatchStatus.PROCESSING)
    batch.total = model.batches.counts(batch, model.jobs).total
    model.told.append(about_batch(batch.id, EventType.BATCH_SEALED))


def _stop(model: Model, batch: ModelBatch) -> Obeyed:
    was_open = batch.status is BatchStatus.OPEN
    if was_open:
        _seal(model, batch)
    batch.stopped = Reason.REQUESTED
    model.told.append(about_batch(batch.id, EventType.BATCH_CANCELLING, batch.stopped))
    return Obeyed(batch_id=batch.id, sealed=was_open)


def _cancel(model: Model, batch: ModelBatch, limit: int) -> Obeyed:
    assert batch.stopped is not None
    over = LIVE | TERMINAL
    waiting = [
        job for job in model.jobs.values() if job.batch_id == batch.id and job.status not in over
    ]
    chosen = sorted(waiting, key=lambda job: job.id)[:limit]
    for job in chosen:
        draft = job.status is Status.DRAFT
        model.give_up(job, Reason.DRAFT_DISCARDED if draft else batch.stopped)
    ids = tuple(job.id for job in chosen)
    return Obeyed(batch_id=batch.id, cancelled=ids, remaining=len(waiting) > limit)


def _finalize(model: Model, batch: ModelBatch, order: FinalizeBatch) -> Obeyed:
    batch.frozen = model.batches.counts(batch, model.jobs)
    batch.due = False
    model.batches.move(batch, BatchMove.FINALIZE, order.status)
    model.told.append(about_batch(batch.id, EventType.BATCH_FINALIZED, batch.stopped))
    jobs = [model.create(callback.job) for callback in order.callbacks]
    for job in jobs:
        job.callback_of = batch.id
    return Obeyed(batch_id=batch.id, callbacks=tuple(job.id for job in jobs))
