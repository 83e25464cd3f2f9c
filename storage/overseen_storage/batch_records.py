"""What is kept of a batch, and what is told of it: frozen records."""

from __future__ import annotations

import msgspec

from overseen_storage.batch_lifecycle import BATCH_ENDED, BatchPolicy, BatchStatus
from overseen_storage.lifecycle import Reason


class FailureGroup(msgspec.Struct, frozen=True):
    """Members that failed in the same way."""

    kind: str
    """The kind of these jobs."""
    reason: Reason
    """Why they failed."""
    error_type: str | None
    """Class of the exception, where there was one."""
    count: int
    """How many there are."""
    first_job_id: int
    """One of them, to look at: the one submitted first."""
    message: str | None
    """What its exception said."""


class BatchSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a batch. Frozen when the batch is finalized, kept when its members are pruned.

    ``completed + failed + cancelled == total``.
    """

    batch_id: int
    """The batch."""
    name: str
    """Its name."""
    status: BatchStatus
    """How it ended."""
    reason: Reason | None = None
    """`batch_policy`: its members' failures stopped it. `requested`: somebody did."""
    total: int
    """How many members it had."""
    completed: int
    """Members that returned a value."""
    completed_with_warnings: int
    """How many of those gave warnings."""
    failed: int
    """Members that failed."""
    cancelled: int
    """Members that were cancelled, discarded and expired drafts among them."""
    warnings: int
    """Warnings of all members."""
    attempts: int
    """How often a body of a member was started."""
    retried: int
    """Members that were started more than once."""
    created_at: int
    """When the batch was opened."""
    sealed_at: int
    """When its last member was known."""
    first_started_at: int | None = None
    """Start of the first body; None if none ever started."""
    last_ended_at: int | None = None
    """End of the last member; None for an empty batch."""
    duration_p50_us: int | None = None
    """Of the members that were started, from first start to end: half took no longer."""
    duration_p95_us: int | None = None
    """19 of 20 took no longer."""
    duration_max_us: int | None = None
    """The longest."""
    failures: tuple[FailureGroup, ...] = ()
    """Failed members by kind, reason and error, most frequent first; at most 100 groups."""
    failures_beyond: int = 0
    """Failed members in further groups."""


class BatchCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How far a batch is, read in one transaction; the numbers add up to `total`."""

    total: int
    """Members so far; all of them once it is sealed."""
    waiting: int
    """Not started: drafts, scheduled, pending, retrying."""
    running: int
    """A body runs, or is being cancelled."""
    completed: int
    failed: int
    cancelled: int

    @property
    def open(self) -> int:
        """Members that have not ended."""
        return self.waiting + self.running

    @property
    def ended(self) -> int:
        """Members that have."""
        return self.completed + self.failed + self.cancelled


class BatchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One batch, as it was when the row was read."""

    id: int
    """Counts up from 1; never reused."""
    name: str
    """What it was called; need not be unique."""
    status: BatchStatus
    """Where it is in its life."""
    policy: BatchPolicy
    """What the failure of a member means for the others."""
    threshold: float | None = None
    """For `threshold`: from 1 on a number of failures that stops it; below 1 a share of all
    members, judged once it is sealed."""
    stopped: Reason | None = None
    """Why nothing more of it is started: `batch_policy` or `requested`."""
    due: bool = False
    """It is sealed and no member is open: it waits to be finalized."""
    created_at: int
    """When it was opened."""
    sealed_at: int | None = None
    """When it was sealed."""
    total: int | None = None
    """How many members it has, once it is sealed."""
    finalized_at: int | None = None
    """When its summary was frozen."""
    on_finish: str | None = None
    """JSON: the job that is submitted when it ends. The supervisor's own format."""
    on_failure: str | None = None
    """JSON: the job that is submitted when it ends with errors."""
    aggregate: str | None = None
    """JSON: the job that sums up its members' results when it ends."""
    labels: str | None = None
    """JSON object of short strings, for finding batches again."""
    summary: str | None = None
    """JSON of its `BatchSummary`, once it is finalized."""

    @property
    def ended(self) -> bool:
        """Whether it is finalized."""
        return self.status in BATCH_ENDED


class BatchSnapshot(msgspec.Struct, frozen=True):
    """A batch, its counts, and the ledger's height, read in one transaction."""

    batch: BatchRecord | None
    counts: BatchCounts | None
    seq: int
