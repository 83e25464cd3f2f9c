"""A store as small as it can be: the contract in plain Python, over dictionaries.

It decides what each group must do, one item after the other in the group's order; it knows nothing
of statements or transactions. The model test compares every answer of a real store with it. It
keeps no stamps: what they must be is checked by `checkers` against the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.storage.model_batches import ModelBatches
from tests.storage.model_files import ModelFiles
from tests.storage.told import Told

from overseen_storage.answers import Accepted, Missed, Refused
from overseen_storage.items import (
    CancelWaiting,
    ChangeWaiting,
    ClaimFrom,
    Finish,
    MarkStopping,
    NewJob,
    Note,
    OnConflict,
    PutBack,
    RequestCancel,
    Submission,
)
from overseen_storage.lifecycle import (
    LIVE,
    MOVES,
    TERMINAL,
    WAITING,
    EventType,
    Held,
    Move,
    Reason,
    Status,
    event_of,
)

BEGINNINGS = {
    Status.PENDING: Move.SUBMIT,
    Status.SCHEDULED: Move.SCHEDULE,
    Status.DRAFT: Move.DRAFT,
}
ENDS = {
    Status.COMPLETED: Move.COMPLETE,
    Status.FAILED: Move.FAIL,
    Status.CANCELLED: Move.CANCEL,
}
RETURNS = {
    Status.RETRYING: Move.RETRY,
    Status.SCHEDULED: Move.SNOOZE,
    Status.PENDING: Move.REQUEUE,
}


@dataclass(slots=True)
class ModelJob:
    """What the contract says about a row, without its stamps."""

    id: int
    kind: str
    queue: str
    status: Status
    priority: int
    key: str | None
    arguments: str
    idempotency_key: str | None
    due_at: int | None
    wait_us: int | None
    batch_id: int | None
    callback_of: int | None = None
    fence: int = 0
    held: Held | None = None
    stop_reason: Reason | None = None
    result: str | None = None
    failures: int = 0
    losses: int = 0
    interruptions: int = 0
    snoozes: int = 0
    warnings: int = 0
    checkpoint: str | None = None
    entered: int = 0
    """Rises with each entry to pending that gives a new place in the queue."""
    patience: int | None = None
    """The stamp after which it may expire; known from the row after each group."""


@dataclass(slots=True)
class Model:
    """All jobs, and what the group under way has told so far."""

    jobs: dict[int, ModelJob] = field(default_factory=dict[int, ModelJob])
    told: list[Told] = field(default_factory=list[Told])
    made_due: Counter[str] = field(default_factory=Counter[str])
    last_id: int = 0
    turn: int = 0
    files: ModelFiles = field(default_factory=ModelFiles)
    batches: ModelBatches = field(default_factory=ModelBatches)
    reasons: dict[int, Reason | None] = field(default_factory=dict[int, Reason | None])
    """Of each job's last move."""

    def begin(self) -> None:
        """Begin a group."""
        self.told = []
        self.made_due = Counter()
        self.files.freed = []
        self.batches.begin()

    def missed(self, job_id: int) -> Missed:
        """What a loser is told."""
        job = self.jobs.get(job_id)
        return Missed(job_id, job.status, job.fence, job.held) if job else Missed(job_id, None)

    def tell(self, job: ModelJob, kind: EventType, reason: Reason | None) -> None:
        """Expect an annotation."""
        self.told.append(Told.about(job.id, kind, None, job.fence, reason))

    def move(self, job: ModelJob, move: Move, reason: Reason | None = None) -> None:
        """Make a legal move."""
        job.status = MOVES[job.status, move]
        if job.status is not Status.PENDING:
            job.held = None
        if job.status is not Status.SCHEDULED and job.status is not Status.RETRYING:
            job.due_at = None
        self.told.append(Told.about(job.id, event_of(move), job.status, job.fence, reason))
        self.reasons[job.id] = Reason.OPERATOR if move is Move.PROMOTE else reason

    def give_up(self, job: ModelJob, reason: Reason) -> None:
        """CANCEL of a waiting job; a draft loses its files."""
        if job.status is Status.DRAFT:
            self.files.freed += self.files.drop([job.id])
            if reason is Reason.REQUESTED:
                reason = Reason.DRAFT_DISCARDED
        self.move(job, Move.CANCEL, reason)

    def enter(self, job: ModelJob) -> None:
        """Give a job that became pending a new place in the queue."""
        self.turn += 1
        job.entered = self.turn

    # Submissions

    def submit(self, submission: Submission) -> Accepted | Refused:
        """Create the jobs of one unit, or nothing."""
        ids: list[int] = []
        created: list[bool] = []
        replaced: list[int] = []
        late = self.refused_late(submission.jobs)
        if late is not None:
            return late
        for index, new in enumerate(submission.jobs):
            known = self.same_request(new) or self.holder(new)
            if known is None and self.files_gone(new):
                assert index == 0, "the model undoes nothing: refusable jobs come first"
                return Refused(index, "files_gone", "")
            if known is None:
                ids.append(self.create(new).id)
                created.append(True)
                continue
            refusal = self.refusal(new, known, index)
            if refusal:
                assert index == 0, "the model undoes nothing: refusable jobs come first"
                return refusal
            if self.takes_the_place_of(new, known):
                self.give_up(known, Reason.REPLACED)
                replaced.append(known.id)
                ids.append(self.create(new).id)
            else:
                ids.append(known.id)
            created.append(ids[-1] != known.id)
        return Accepted(ids, created, replaced)

    def refused_late(self, jobs: list[NewJob]) -> Refused | None:
        """Why a unit that names a closed batch is refused, unless its keys find every member."""
        closed = [self.batches.why_closed(new.batch_id) for new in jobs]
        keyed = any(new.key is not None or new.idempotency_key is not None for new in jobs)
        for index, (new, why) in enumerate(zip(jobs, closed, strict=True)):
            known = (self.same_request(new) or self.holder(new)) if keyed and any(closed) else None
            refusal = None if known is None else self.refusal(new, known, index)
            if refusal is not None:
                return refusal
            if why and (known is None or self.takes_the_place_of(new, known)):
                return Refused(index, why, "")
        return None

    def takes_the_place_of(self, new: NewJob, known: ModelJob) -> bool:
        """Whether `known` is cancelled for it."""
        return new.on_conflict is OnConflict.REPLACE and known.idempotency_key is None

    def same_request(self, new: NewJob) -> ModelJob | None:
        """The job that was made for this idempotency key."""
        if new.idempotency_key is None:
            return None
        jobs = self.jobs.values()
        return next((job for job in jobs if job.idempotency_key == new.idempotency_key), None)

    def holder(self, new: NewJob) -> ModelJob | None:
        """The unended job with this key."""
        if new.key is None:
            return None
        jobs = self.jobs.values()
        return next((j for j in jobs if j.key == new.key and j.status not in TERMINAL), None)

    def refusal(self, new: NewJob, known: ModelJob, index: int) -> Refused | None:
        """Why a job cannot be created beside `known`, if it cannot."""
        why = None
        if known.idempotency_key is not None:
            same = (known.kind, known.arguments) == (new.kind, new.arguments)
            why = None if same else "idempotency"
        elif new.on_conflict is OnConflict.REJECT:
            why = "key"
        elif new.on_conflict is OnConflict.REPLACE:
            why = "key_running" if known.status in LIVE else None
            return Refused(index, why, "", known.id, known.status) if why else None
        if why is None and new.batch_id not in (None, known.batch_id):
            why = "key_batch"
        return Refused(index, why, "", known.id, known.status) if why else None

    def files_gone(self, new: NewJob) -> bool:
        """Whether it is a retry of a job, or of files, that are not there."""
        retried = new.retried_from
        return retried is not None and (retried not in self.jobs or self.files.are_gone(retried))

    def create(self, new: NewJob) -> ModelJob:
        """Create one job."""
        self.last_id += 1
        job = ModelJob(
            id=self.last_id,
            kind=new.kind,
            queue=new.queue,
            status=new.status,
            priority=new.priority,
            key=new.key,
            arguments=new.arguments,
            idempotency_key=new.idempotency_key,
            due_at=new.due_at,
            wait_us=new.queue_timeout_us,
            batch_id=new.batch_id,
        )
        self.jobs[job.id] = job
        if new.retried_from is not None:
            self.files.share(new.retried_from, job.id)
        self.told.append(
            Told.about(job.id, event_of(BEGINNINGS[job.status]), job.status, None, None)
        )
        self.enter(job)
        return job

    # Moves of one job: True when made, False when the guard does not hold

    def live(self, job_id: int, fence: int, statuses: Iterable[Status] = LIVE) -> ModelJob | None:
        """The job, if it is live with this fence."""
        job = self.jobs.get(job_id)
        return job if job and job.status in statuses and job.fence == fence else None

    def finish(self, finish: Finish) -> bool:
        """COMPLETE, FAIL or CANCEL of a live job."""
        job = self.live(finish.job_id, finish.fence)
        if job is None or (job.status, ENDS[finish.status]) not in MOVES:
            return False
        job.result = finish.result
        job.failures += finish.failures
        job.losses += finish.losses
        self.move(job, ENDS[finish.status], finish.reason)
        return True

    def put_back(self, back: PutBack) -> bool:
        """RETRY, SNOOZE or REQUEUE."""
        job = self.live(back.job_id, back.fence, {Status.RUNNING})
        if job is None:
            return False
        job.failures += back.failures
        job.losses += back.losses
        job.interruptions += back.interruptions
        job.snoozes += back.snoozes
        self.move(job, RETURNS[back.status], back.reason)
        job.due_at = back.due_at
        job.held = back.held
        if back.status is Status.PENDING and not back.keep_ready_at:
            self.enter(job)
        return True

    def request_cancel(self, request: RequestCancel) -> bool:
        """REQUEST_CANCEL."""
        job = self.live(request.job_id, request.fence, {Status.RUNNING})
        if job is None:
            return False
        self.move(job, Move.REQUEST_CANCEL, request.reason)
        return True

    def mark(self, mark: MarkStopping) -> bool:
        """Write the stop reason of an attempt."""
        job = self.live(mark.job_id, mark.fence, {Status.RUNNING})
        if job is None or job.stop_reason is not None:
            return False
        job.stop_reason = mark.reason
        self.tell(job, EventType.STOPPING, mark.reason)
        return True

    def cancel(self, cancel: CancelWaiting) -> bool:
        """CANCEL of a job that no body runs."""
        job = self.jobs.get(cancel.job_id)
        if job is None or job.status not in WAITING | {Status.DRAFT}:
            return False
        self.give_up(job, cancel.reason)
        return True

    def change(self, change: ChangeWaiting) -> bool:
        """One change: promote, release, priority or due time."""
        job = self.jobs.get(change.job_id)
        if job is None or job.status not in WAITING | {Status.DRAFT}:
            return False
        waits = job.status in (Status.SCHEDULED, Status.RETRYING)
        if change.promote or change.due_at is not None:
            if not waits:
                return False
            if change.promote:
                self.become_due(job, Move.PROMOTE)
                return True
            job.due_at = change.due_at
        if change.priority is not None:
            job.priority = change.priority
        if change.release_hold:
            assert job.held, "what releasing a job that is not held means is left open"
            job.held = None
            self.made_due[job.queue] += 1
            self.tell(job, EventType.UNHELD, None)
            return True
        self.tell(job, EventType.CHANGED, None)
        return True

    def note(self, note: Note) -> bool:
        """An annotation of an attempt."""
        assert note.job_id is not None
        if note.type in (EventType.LATE_SUCCESS, EventType.LATE_FAILURE):
            self.told.append(Told.about(note.job_id, note.type, None, note.fence, note.reason))
            return True
        assert note.fence is not None
        job = self.live(note.job_id, note.fence)
        if job is None:
            return False
        job.warnings += note.type is EventType.WARNING
        job.checkpoint = note.checkpoint or job.checkpoint
        self.tell(job, note.type, note.reason)
        return True

    # Moves of many jobs

    def become_due(self, job: ModelJob, move: Move) -> None:
        """MAKE_DUE or PROMOTE."""
        self.move(job, move)
        self.enter(job)
        self.made_due[job.queue] += 1

    def make_due(self, now: int, limit: int) -> bool:
        """Make due whose time has come; whether more is left."""
        due = [
            job
            for job in self.jobs.values()
            if job.status is not Status.DRAFT and job.due_at is not None and job.due_at <= now
        ]
        due.sort(key=lambda job: (job.due_at, job.id))
        for job in due[:limit]:
            self.become_due(job, Move.MAKE_DUE)
        return len(due) > limit

    def expire(self, ids: Iterable[int]) -> None:
        """FAIL these pending jobs, CANCEL those that are drafts."""
        for job in [self.jobs[job_id] for job_id in ids]:
            if job.status is Status.DRAFT:
                self.give_up(job, Reason.DRAFT_EXPIRED)
            else:
                self.move(job, Move.FAIL, Reason.EXPIRED)

    def hold(self, ids: Iterable[int], kinds: frozenset[str]) -> None:
        """Park jobs that came up for claiming and whose kind is unknown."""
        for job_id in ids:
            job = self.jobs[job_id]
            assert (job.status, job.held) == (Status.PENDING, None), job
            assert job.kind not in kinds, job
            assert self.batches.may_start(job.batch_id), job
            job.held = Held.UNREGISTERED

    def claimable(self, claims: list[ClaimFrom], kinds: frozenset[str] | None) -> list[ModelJob]:
        """Who may start, in order, without the common limit."""
        chosen: list[ModelJob] = []
        for claim in claims:
            ready = [
                job
                for job in self.jobs.values()
                if job.queue == claim.queue
                and (job.status, job.held) == (Status.PENDING, None)
                and (kinds is None or job.kind in kinds)
                and self.batches.may_start(job.batch_id)
            ]
            chosen += sorted(ready, key=place_in_queue)[: claim.limit]
        return sorted(chosen, key=place_in_queue)

    def start(self, job: ModelJob) -> None:
        """START."""
        job.fence += 1
        job.stop_reason = None
        self.move(job, Move.START)


def place_in_queue(job: ModelJob) -> tuple[int, int, int]:
    """Higher priority first, then who became ready earlier, then id."""
    return (-job.priority, job.entered, job.id)
