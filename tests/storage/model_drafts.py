"""What the contract says about orders to drafts, played on the model."""

from __future__ import annotations

from tests.storage.model import Model, ModelJob

from overseen_storage.lifecycle import Cause, EventType, Move, Reason, Status
from overseen_storage.orders import Attach, Declined, KeepDraft, Obeyed, OrderAnswer, Release


def play_draft_order(model: Model, order: Attach | KeepDraft | Release, at: int) -> OrderAnswer:
    """Carry out one order; `at` is the first stamp of the group."""
    job = model.jobs.get(order.job_id)
    if job is None:
        return Declined(why="no_job")
    if job.status is not Status.DRAFT:
        return Declined(why="not_draft", status=job.status, reason=model.reasons.get(job.id))
    match order:
        case Attach():
            return _attach(model, job, order)
        case KeepDraft():
            return Obeyed()
        case Release():
            return _release(model, job, order, at)


def _attach(model: Model, job: ModelJob, order: Attach) -> OrderAnswer:
    if order.name in model.files.names(job.id):
        return Declined(why="name_taken", status=Status.DRAFT)
    model.files.attach(job.id, order.name, order.stored_name)
    model.tell(job, EventType.ATTACHED, None)
    return Obeyed()


def _release(model: Model, job: ModelJob, order: Release, at: int) -> OrderAnswer:
    missing = tuple(one for one in order.required if one not in model.files.names(job.id))
    if missing:
        return Declined(why="missing", status=Status.DRAFT, missing=missing)
    reason = Reason.OPERATOR if order.cause is Cause.OPERATOR else None
    if job.due_at is not None and job.due_at > at:
        model.move(job, Move.RELEASE_LATER, reason)
        return Obeyed(status=Status.SCHEDULED)
    model.move(job, Move.RELEASE, reason)
    model.enter(job)
    return Obeyed(status=Status.PENDING, queue=job.queue)
