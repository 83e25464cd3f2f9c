"""What one transaction is asked to do, and what it answers.

The supervisor gathers everything that waits into one `Group`. The store applies it in one
transaction, in the order of the fields below, and answers with `Committed`. Every change of
status is guarded in its statement by status and, where an attempt is meant, by fence; what
does not fit is not applied and is reported as `Missed`, it is never an exception.

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
from overseen_storage.records import Event, JobError, JobRecord, Progress


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
    """CANCEL of a job no body of which runs. Guard: draft, scheduled, retrying or pending."""

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
    """FAIL (`expired`) of every unstarted pending job past `expires_at`, earliest first."""

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


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction, applied in this order. Claims come last and see everything before them."""

    at: int
    """First of `stamps_needed` consecutive stamps reserved for this group."""
    submissions: list[Submission] = []
    notes: list[Note] = []
    """Before the ends: the last progress of a body precedes its end on the ledger."""
    finishes: list[Finish] = []
    put_backs: list[PutBack] = []
    cancel_requests: list[RequestCancel] = []
    stoppings: list[MarkStopping] = []
    cancels: list[CancelWaiting] = []
    changes: list[ChangeWaiting] = []
    make_due: MakeDue | None = None
    expire: Expire | None = None
    queues: list[SetQueue] = []
    claims: list[ClaimFrom] = []
    claim_limit: int = 0
    """Over all queues: highest priority first, then oldest `ready_at`, then id."""
    epoch: int = 0
    """Who claims."""
    kinds: frozenset[str] | None = None
    """The kinds this program knows: others that come up for claiming are held as `unregistered`.
    None: all."""
    timeouts_us: dict[str, int] = {}
    """Run timeouts of the kinds that have one, for `deadline_at` of claimed jobs."""

    @property
    def stamps_needed(self) -> int:
        """An upper bound of the events this group can write, each of which gets its own stamp."""
        jobs = 0
        for submission in self.submissions:
            jobs += 2 * len(submission.jobs)  # a replaced job is cancelled too
        many = (self.make_due.limit if self.make_due else 0) + (
            self.expire.limit if self.expire else 0
        )
        return (
            jobs
            + len(self.finishes)
            + len(self.put_backs)
            + len(self.cancel_requests)
            + len(self.stoppings)
            + len(self.cancels)
            + 2 * len(self.changes)
            + many
            + len(self.notes)
            + len(self.queues)
            + 2 * self.claim_limit  # one claimed, one held for its unknown kind
            + 1
        )


class Claimed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A job that this group started: everything its attempt needs."""

    id: int
    kind: str
    queue: str
    priority: int
    fence: int
    arguments: str
    attempt_started_at: int
    failures: int
    losses: int
    retries: int
    losses_allowed: int
    warnings: int
    heartbeat_us: int | None
    grace_us: int | None
    timeout_us: int | None
    checkpoint: str | None
    labels: str | None
    headers: str | None
    parent_id: int | None
    batch_id: int | None


class Accepted(msgspec.Struct, frozen=True):
    """A submission's answer: its jobs' ids, in order, and whether each was created by it."""

    ids: list[int] | range
    created: list[bool] | None = None
    """None: all were created (the common case)."""
    replaced: list[int] = []
    """Waiting jobs it cancelled."""


class Refused(msgspec.Struct, frozen=True):
    """A submission that was not accepted: nothing of it was stored."""

    index: int
    """Which of its jobs stood in the way."""
    why: str
    """``key``, ``key_running``, ``key_kind``, ``idempotency`` or ``row``."""
    message: str
    """One sentence for the caller."""
    existing_id: int | None = None
    """The job that holds the key."""
    existing_status: Status | None = None


class Missed(msgspec.Struct, frozen=True):
    """A move whose guard did not hold: what the row is instead. It changed nothing."""

    job_id: int
    status: Status | None
    """None: there is no such job."""
    fence: int | None = None
    held: Held | None = None


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """What a committed group did. Lists are in the order of the group's; misses by index."""

    first_seq: int
    """Seq of its first event; the last is `first_seq + events - 1`."""
    events: int
    """How many ledger rows it wrote."""
    last_stamp: int
    """The highest stamp on disk now; the rest of the group's block was not needed."""
    submissions: list[Accepted | Refused] = []
    missed_finishes: dict[int, Missed] = {}
    missed_put_backs: dict[int, Missed] = {}
    missed_cancel_requests: dict[int, Missed] = {}
    missed_stoppings: dict[int, Missed] = {}
    missed_cancels: dict[int, Missed] = {}
    missed_changes: dict[int, Missed] = {}
    missed_notes: dict[int, Missed] = {}
    refused: dict[str, dict[int, str]] = {}
    """Items whose row the schema refused, by field name and index: the rest was committed."""
    made_due: dict[str, int] = {}
    """Jobs that became pending (made due, promoted, released from hold), by queue."""
    expired: list[int] = []
    """Ids of the jobs that expired."""
    due_remaining: bool = False
    """`make_due` or `expire` stopped at its limit: ask again."""
    claimed: list[Claimed] = []
    held: int = 0
    """How many were parked because their kind is unknown."""
    unheld: int = 0
    """How many `changes` released from their hold (they are among `made_due`, too)."""
    short_queues: list[str] = []
    """Queues that had fewer claimable jobs than asked for: empty until something enters them."""


class JobSnapshot(msgspec.Struct, frozen=True):
    """A row and the ledger's height, read in one transaction."""

    job: JobRecord | None
    seq: int


class EventPage(msgspec.Struct, frozen=True):
    """Events in order, and up to which seq the ledger has been searched for them."""

    events: list[Event]
    searched_to: int
    """Continue after this seq."""
    pruned_to: int = 0
    """History up to this seq may have been pruned."""


class Deadlines(msgspec.Struct, frozen=True):
    """What the scheduler and the watchdog wait for next; None: nothing."""

    due_at: int | None = None
    due_wall_at: int | None = None
    expires_at: int | None = None


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What a store tells when it is opened (or opened again after a failure)."""

    epoch: int
    """This life's number."""
    last_stamp: int
    """The highest stamp on disk: new ones must be higher."""
    last_seq: int
    last_id: int
    created: bool
    """The database did not exist before."""
    previous_epoch_clean: bool
    """The last epoch closed the store."""
    live: int
    """Rows that were running or cancelling: work of dead epochs."""


class PruneRequest(msgspec.Struct, frozen=True):
    """Delete ended jobs (with ledger rows, logs) that ended before these stamps, oldest first."""

    completed_before: int | None = None
    failed_before: int | None = None
    cancelled_before: int | None = None
    limit: int = 1000
    """Jobs at most; fewer if they have many events, so that no commit waits long behind it."""


class Pruned(msgspec.Struct, frozen=True):
    """What one chunk of pruning deleted."""

    jobs: int
    events: int
    remaining: bool
    """It stopped at its limit."""


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs a page shows. Everything given must hold."""

    status: frozenset[Status] | None = None
    kind: str | None = None
    queue: str | None = None
    batch_id: int | None = None
    labels: dict[str, str] = {}
    key: str | None = None
    held: bool | None = None
    before_id: int | None = None
    """Keyset cursor: ids below this one (newest first)."""
    limit: int = 50
