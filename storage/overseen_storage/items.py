"""What a group is made of: jobs to be created, moves, notes, claims.

These are msgspec structs because tens of thousands are made each second: creating one costs
0.2 us (a frozen dataclass: 2 us), and a list of them becomes the JSON parameter of a statement
in one call (as arrays: the statements read the fields by position, so new fields go last). Those
of the hot path are unknown to the garbage collector (``gc=False``): they hold nothing that could
lead back to them. (Before, the collector took 7 us a job, for these and everything else.)
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from overseen_storage.lifecycle import Cause, EventType, Held, Reason, Status
from overseen_storage.records import JobError, Progress


class OnConflict(StrEnum):
    """What a submit does when a job with the same key has not ended."""

    ATTACH = "attach"
    """Answer with the existing job; nothing is created."""
    REPLACE = "replace"
    """Cancel the existing one if it waits, and create this one; refuse if it runs."""
    REJECT = "reject"
    """Refuse."""


class NewJob(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A job to be created. Fields as in `JobRecord`."""

    kind: str
    queue: str
    priority: int = 0
    status: Status = Status.PENDING
    """`pending`, `scheduled` or `draft`: the three ways to begin."""
    arguments: str
    retries: int = 0
    losses_allowed: int = 3
    due_at: int | None = None
    due_wall_at: int | None = None
    timeout_us: int | None = None
    heartbeat_us: int | None = None
    grace_us: int | None = None
    queue_timeout_us: int | None = None
    key: str | None = None
    on_conflict: OnConflict = OnConflict.ATTACH
    idempotency_key: str | None = None
    labels: str | None = None
    headers: str | None = None
    parent_id: int | None = None
    retried_from: int | None = None
    batch_id: int | None = None
    checkpoint: str | None = None
    expires_at: int | None = None
    """For a draft: when it is discarded unless somebody goes on with it."""


class Submission(msgspec.Struct, frozen=True):
    """Jobs that are created together or not at all."""

    jobs: list[NewJob]
    cause: Cause = Cause.CALLER


class Finish(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An attempt's end that is the job's end: COMPLETE, FAIL or CANCEL of a live job.

    Guard: the row is running or cancelling (cancelling only, for `cancelled`) with this fence.
    """

    job_id: int
    fence: int
    status: Status
    """completed, failed or cancelled."""
    result: str | None = None
    reason: Reason | None = None
    cause: Cause = Cause.BODY
    error: JobError | None = None
    failures: int = 0
    """Added to the row's count: 0 or 1."""
    losses: int = 0
    """Added to the row's count: 0 or 1."""
    data: str | None = None
    """JSON object for the ledger row: the decision's evidence."""


class PutBack(msgspec.Struct, frozen=True, array_like=True):
    """An attempt's end after which the job goes on: RETRY, SNOOZE or REQUEUE.

    Guard: the row is running with this fence.
    """

    job_id: int
    fence: int
    status: Status
    """retrying, scheduled or pending."""
    reason: Reason
    cause: Cause = Cause.BODY
    due_at: int | None = None
    """For retrying and scheduled: when it becomes due."""
    keep_ready_at: bool = True
    """For pending: keeps its place in the queue (interrupted), else a new `ready_at`."""
    held: Held | None = None
    error: JobError | None = None
    """Replaces the row's error when given."""
    failures: int = 0
    losses: int = 0
    interruptions: int = 0
    snoozes: int = 0
    data: str | None = None


class RequestCancel(msgspec.Struct, frozen=True, array_like=True):
    """REQUEST_CANCEL. Guard: running with this fence."""

    job_id: int
    fence: int
    reason: Reason = Reason.REQUESTED
    cause: Cause = Cause.CALLER
    data: str | None = None


class MarkStopping(msgspec.Struct, frozen=True, array_like=True):
    """The attempt is told to stop for `timeout` or `silent`: writes `stop_reason` and a
    `stopping` event; the status stays. Guard: running with this fence and no stop_reason."""

    job_id: int
    fence: int
    reason: Reason
    data: str | None = None


class CancelWaiting(msgspec.Struct, frozen=True, array_like=True):
    """CANCEL of a job no body of which runs. Guard: draft, scheduled, retrying or pending.

    A draft is discarded: its reason is `draft_discarded` instead of `requested`, its files go."""

    job_id: int
    reason: Reason = Reason.REQUESTED
    cause: Cause = Cause.CALLER
    data: str | None = None


class ChangeWaiting(msgspec.Struct, frozen=True):
    """An operator changes a waiting job. Guard: scheduled, retrying or pending (draft: priority).

    `promote` makes it due now (event `promoted`); else `changed`. A new due time for a pending
    job is refused as `Missed`: it is due already.
    """

    job_id: int
    cause: Cause = Cause.OPERATOR
    promote: bool = False
    priority: int | None = None
    due_at: int | None = None
    due_wall_at: int | None = None
    release_hold: bool = False
    """Clears `held` (event `unheld`)."""


class MakeDue(msgspec.Struct, frozen=True):
    """MAKE_DUE of every scheduled or retrying job whose time has come, earliest first."""

    now: int
    """Compared with `due_at`."""
    now_wall: int
    """Compared with `due_wall_at`."""
    limit: int


class Expire(msgspec.Struct, frozen=True):
    """FAIL (`expired`) of every unstarted pending job past `expires_at`, CANCEL
    (`draft_expired`) of every draft past it, earliest first."""

    now: int
    limit: int


class Note(msgspec.Struct, frozen=True, array_like=True):
    """An annotation: a ledger row that changes no status.

    With `progress`, `checkpoint` or `warning` the row's column changes too, guarded by a live
    status and this fence; a stale one is `Missed`. Notes of an ended or stale attempt (late_*)
    are always written.
    """

    type: EventType
    job_id: int | None = None
    fence: int | None = None
    batch_id: int | None = None
    queue: str | None = None
    reason: Reason | None = None
    cause: Cause = Cause.SUPERVISOR
    data: str | None = None
    progress: Progress | None = None
    checkpoint: str | None = None


class SetQueue(msgspec.Struct, frozen=True):
    """Pauses or resumes a queue (`queue_paused`, `queue_resumed`); no event if it already is."""

    name: str
    paused: bool
    cause: Cause = Cause.OPERATOR


class ClaimFrom(msgspec.Struct, frozen=True):
    """START of at most `limit` pending jobs of one queue."""

    queue: str
    limit: int
