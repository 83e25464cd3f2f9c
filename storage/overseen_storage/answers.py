"""What a store answers: to a group, to questions."""

from __future__ import annotations

import msgspec

from overseen_storage.lifecycle import Held, Reason, Status
from overseen_storage.orders import OrderAnswer
from overseen_storage.records import Event, JobRecord


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
    attachments: int = 0
    """How many files it has."""


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
    """``key``, ``key_running``, ``key_kind``, ``key_batch`` (the holder is not a member of the
    batch), ``idempotency``, ``batch_sealed``, ``no_batch``, ``files_gone`` (of the job to be
    retried) or ``row``."""
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
    """Ids of the pending jobs that expired."""
    expired_drafts: list[int] = []
    """Ids of the drafts that expired."""
    due_remaining: bool = False
    """`make_due` or `expire` stopped at its limit: ask again."""
    orders: list[OrderAnswer] = []
    """An answer to each order."""
    batches_due: list[int] = []
    """Batches that became due: sealed, and their last member ended in this group."""
    batches_stopped: list[int] = []
    """Batches that failures of members stopped in this group."""
    freed_files: list[str] = []
    """Stored names that no job uses any more: the files can go."""
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


class Pruned(msgspec.Struct, frozen=True):
    """What one chunk of pruning deleted."""

    jobs: int
    events: int
    remaining: bool
    """It stopped at its limit, or looked at as many rows as it may: go on after `looked_to`."""
    looked_to: int = 0
    """What ended up to this stamp was looked at: it is deleted, or has to stay."""
    freed_files: list[str] = []
    """Stored names that no job uses any more: the files can go."""


class BatchesToDo(msgspec.Struct, frozen=True):
    """What a sweep finds to be done about batches, whatever was missed before."""

    due: list[int]
    """Sealed, not finalized, no open member."""
    stopped: dict[int, Reason]
    """Stopped, with members that have not ended; and why they were stopped."""
