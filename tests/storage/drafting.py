"""Turns generated numbers into the items of a group, while the model plays each of them.

An operation is a name and two small numbers; what they mean depends on the jobs there are, so that
a history keeps its meaning when Hypothesis takes parts of it away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec
from tests.storage.batch_orders import batch_order, pick_batch, play_batch_order
from tests.storage.draft_orders import draft_order, retry
from tests.storage.driving import SECOND, new_job
from tests.storage.filing import new_draft
from tests.storage.model import Model, ModelJob
from tests.storage.model_drafts import play_draft_order

from overseen_storage.answers import Accepted, Missed, Refused
from overseen_storage.items import (
    CancelWaiting,
    ChangeWaiting,
    ClaimFrom,
    Expire,
    Finish,
    MakeDue,
    MarkStopping,
    NewJob,
    Note,
    OnConflict,
    PutBack,
    RequestCancel,
    Submission,
)
from overseen_storage.lifecycle import LIVE, WAITING, EventType, Held, Reason, Status
from overseen_storage.orders import Order, OrderAnswer
from overseen_storage.records import Progress

Item = TypeVar("Item")
Operation = tuple[str, int, int]

WAIT_US = 1_000 * SECOND
JUMP_US = 2_000 * SECOND
QUEUES = ("main", "other")
KNOWN = frozenset({"work"})
RUNNING = frozenset({Status.RUNNING})
DRAFT = frozenset({Status.DRAFT})
RETRY = 8

ORDER = (
    *("jump", "submit", "note", "finish", "put_back", "request_cancel", "mark", "cancel"),
    *("change", "make_due", "expire", "draft_order", "batch_order", "claim"),
)
"""The operations inside a group, in the order in which a group applies them."""


class Drafting:
    """A group that is being written down, and what it must be answered."""

    def __init__(self, model: Model, at: int, numbers: Iterator[int]) -> None:
        self.model = model
        self.at = at
        self.numbers = numbers
        self.submissions: list[Submission] = []
        self.finishes: list[Finish] = []
        self.put_backs: list[PutBack] = []
        self.cancel_requests: list[RequestCancel] = []
        self.stoppings: list[MarkStopping] = []
        self.cancels: list[CancelWaiting] = []
        self.changes: list[ChangeWaiting] = []
        self.notes: list[Note] = []
        self.claims: list[ClaimFrom] = []
        self.make_due_by: MakeDue | None = None
        self.expire_by: Expire | None = None
        self.kinds: frozenset[str] | None = None
        self.claim_limit = 0
        self.expired: list[int] = []
        self.expired_drafts: list[int] = []
        self.orders: list[Order] = []
        self.order_answers: list[OrderAnswer] = []
        self.due_remaining = False
        self.answers: list[Accepted | Refused] = []
        self.missed: dict[str, dict[int, Missed]] = {}
        self.touched: set[tuple[str, int]] = set()

    def write(self, operations: list[Operation]) -> None:
        """Write all down, in the order in which the group will apply them."""
        verbs: dict[str, Callable[[int, int], None]] = {
            "submit": self.submit,
            "finish": self.finish,
            "put_back": self.put_back,
            "request_cancel": self.request_cancel,
            "mark": self.mark,
            "cancel": self.cancel,
            "change": self.change,
            "make_due": self.make_due,
            "expire": self.expire,
            "note": self.note,
            "draft_order": self.draft_order,
            "batch_order": self.batch_order,
            "claim": self.claim,
        }
        for name, pick, variant in sorted(operations, key=lambda one: ORDER.index(one[0])):
            if name in verbs:
                verbs[name](pick, variant)
        self.model.told += self.model.batches.settle(self.model.jobs)

    def pick(self, number: int, fitting: frozenset[Status]) -> tuple[int, ModelJob | None]:
        """Mostly a job that the move fits; else any, or one that does not exist."""
        jobs = sorted(self.model.jobs.values(), key=lambda job: -job.id)
        some = [job.id for job in jobs if number % 4 and job.status in fitting]
        ids = some or [*[job.id for job in jobs[:12]], self.model.last_id + 9]
        job_id = ids[number % len(ids)]
        return job_id, self.model.jobs.get(job_id)

    def fence_of(self, job: ModelJob | None, variant: int) -> int:
        """Mostly the current fence."""
        off = {5: 1, 6: -1}.get(variant % 7, 0)
        return max((job.fence if job else 1) + off, 0)

    def add(
        self,
        name: str,
        job_id: int,
        item: Item,
        items: list[Item],
        play: Callable[[Item], bool],
    ) -> None:
        """Write an item down and play it; one of a kind for each job and group."""
        if (name, job_id) in self.touched:
            return
        self.touched.add((name, job_id))
        missed = self.model.missed(job_id)
        if not play(item):
            self.missed.setdefault(name, {})[len(items)] = missed
        items.append(item)

    def later(self, number: int) -> int:
        """A due time: now, soon or far; never the same twice."""
        return (
            self.at - 100_000 + next(self.numbers) + (0, 500 * SECOND, 3_000 * SECOND)[number % 3]
        )

    def submit(self, pick: int, variant: int) -> None:
        jobs = self.new_jobs(pick, variant)
        if variant // 10 % 8 and self.model.batches.all and variant % 10 != RETRY:
            batch_id = pick_batch(self.model, pick)
            jobs = [msgspec.structs.replace(job, batch_id=batch_id) for job in jobs]
        submission = Submission(jobs)
        self.submissions.append(submission)
        self.answers.append(self.model.submit(submission))

    def new_jobs(self, pick: int, variant: int) -> list[NewJob]:
        queue, key = QUEUES[pick % 2], f"key {pick % 3}"
        match variant % 14:
            case 0:
                due_at = self.later(pick)
                return [new_job(queue=queue, status=Status.SCHEDULED, due_at=due_at)]
            case 1 | 10 | 11 | 12:
                due = self.later(pick) if variant // 10 % 2 else None
                return [new_draft(new_job(queue=queue, due_at=due), expires_at=self.at + WAIT_US)]
            case 2 | 3 | 4:
                policy = list(OnConflict)[variant % 3]
                keyed = new_job(queue=queue, key=key, on_conflict=policy)
                return [new_draft(keyed, expires_at=self.at + WAIT_US) if pick % 5 == 0 else keyed]
            case 5:
                return [new_job(arguments=f'{{"n":{pick // 3 % 2}}}', idempotency_key=key)]
            case 6:
                return [new_job("gone", queue), new_job("gone", queue, priority=pick % 3)]
            case 7:
                return [new_job(queue=queue, queue_timeout_us=WAIT_US)]
            case 8:  # RETRY
                return [retry(self.model, queue, pick, variant)]
            case _:
                return [new_job(queue=queue, priority=pick % 3 - 1), new_job(queue=queue)]

    def finish(self, pick: int, variant: int) -> None:
        job_id, job = self.pick(pick, LIVE)
        status = (Status.COMPLETED, Status.FAILED, Status.COMPLETED, Status.CANCELLED)[variant % 4]
        item = Finish(
            job_id,
            self.fence_of(job, variant),
            status,
            result=f'"{variant}"' if status is Status.COMPLETED else None,
            reason=None if status is Status.COMPLETED else Reason.ERROR,
            failures=1 if status is Status.FAILED else 0,
        )
        self.add("finish", job_id, item, self.finishes, self.model.finish)

    def put_back(self, pick: int, variant: int) -> None:
        job_id, job = self.pick(pick, RUNNING)
        fence, later = self.fence_of(job, variant), self.later(pick)
        item = (
            PutBack(job_id, fence, Status.RETRYING, Reason.ERROR, due_at=later, failures=1),
            PutBack(job_id, fence, Status.SCHEDULED, Reason.SNOOZED, due_at=later, snoozes=1),
            PutBack(job_id, fence, Status.PENDING, Reason.SHUTDOWN, interruptions=1),
            PutBack(job_id, fence, Status.PENDING, Reason.LOST, keep_ready_at=False, losses=1),
            PutBack(job_id, fence, Status.PENDING, Reason.LOST, held=Held.LOST, losses=1),
        )[variant % 5]
        self.add("put_back", job_id, item, self.put_backs, self.model.put_back)

    def request_cancel(self, pick: int, variant: int) -> None:
        job_id, job = self.pick(pick, RUNNING)
        item = RequestCancel(job_id, self.fence_of(job, variant))
        self.add("request_cancel", job_id, item, self.cancel_requests, self.model.request_cancel)

    def mark(self, pick: int, variant: int) -> None:
        job_id, job = self.pick(pick, RUNNING)
        reason = (Reason.TIMEOUT, Reason.SILENT)[variant % 2]
        item = MarkStopping(job_id, self.fence_of(job, variant), reason)
        self.add("mark", job_id, item, self.stoppings, self.model.mark)

    def cancel(self, pick: int, variant: int) -> None:
        job_id, _ = self.pick(pick, WAITING | DRAFT)
        item = CancelWaiting(job_id, (Reason.REQUESTED, Reason.BATCH_POLICY)[variant % 2])
        self.add("cancel", job_id, item, self.cancels, self.model.cancel)

    def change(self, pick: int, variant: int) -> None:
        job_id, job = self.pick(pick, WAITING)
        item = (
            ChangeWaiting(job_id, promote=True),
            ChangeWaiting(job_id, priority=pick % 5),
            ChangeWaiting(job_id, due_at=self.later(pick)),
            ChangeWaiting(job_id, release_hold=True),
        )[variant % 4]
        open_question = (item.release_hold and not (job and job.held)) or (
            item.promote and job and job.status is Status.PENDING
        )
        if not open_question:
            self.add("change", job_id, item, self.changes, self.model.change)

    def make_due(self, pick: int, variant: int) -> None:
        if self.make_due_by is None:
            limit = (1, 100)[variant % 2]
            self.make_due_by = MakeDue(now=self.at, now_wall=0, limit=limit)
            self.due_remaining = self.model.make_due(self.at, limit)

    def expire(self, pick: int, variant: int) -> None:
        if self.expire_by is None:
            self.expire_by = Expire(self.at, limit=100)
            over = [
                job
                for job in self.model.jobs.values()
                if job.status in (Status.PENDING, Status.DRAFT)
                and job.patience
                and job.patience < self.at
            ]
            self.expired = [job.id for job in over if job.status is Status.PENDING]
            self.expired_drafts = [job.id for job in over if job.status is Status.DRAFT]
            self.model.expire([*self.expired, *self.expired_drafts])

    def draft_order(self, pick: int, variant: int) -> None:
        job_id, _ = self.pick(pick, DRAFT)
        order = draft_order(job_id, pick, variant, self.at, self.numbers)
        self.orders.append(order)
        self.order_answers.append(play_draft_order(self.model, order, self.at))

    def batch_order(self, pick: int, variant: int) -> None:
        order = batch_order(self.model, pick, variant)
        self.orders.append(order)
        self.order_answers.append(play_batch_order(self.model, order))

    def note(self, pick: int, variant: int) -> None:
        job_id, job = self.pick(pick, LIVE)
        fence = self.fence_of(job, variant)
        item = (
            Note(EventType.WARNING, job_id=job_id, fence=fence, data="{}"),
            Note(EventType.PROGRESS, job_id=job_id, fence=fence, progress=Progress(variant)),
            Note(EventType.CHECKPOINT, job_id=job_id, fence=fence, checkpoint=f"{variant}"),
            Note(EventType.LATE_SUCCESS, job_id=job_id, fence=fence, data="{}"),
        )[variant % 4]
        if job or item.type is not EventType.LATE_SUCCESS:
            self.add("note", job_id, item, self.notes, self.model.note)

    def claim(self, pick: int, variant: int) -> None:
        if self.claims:
            return
        queues = QUEUES if variant % 7 < 4 else QUEUES[:1]  # stores may have a shorter way for one
        self.claims = [ClaimFrom(queue, 1 + pick % 3) for queue in queues]
        self.claim_limit = 1 + variant % 5
        self.kinds = None if variant % 3 else KNOWN
