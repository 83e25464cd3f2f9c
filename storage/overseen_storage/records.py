"""What is kept: frozen records, every field explained once, here.

Stamps (``..._at``) are integer microseconds since the Unix epoch, taken from one `Stamper`;
durations (``..._us``) are integer microseconds. JSON travels as text, exactly as it is stored.
"""

from __future__ import annotations

import msgspec

from overseen_storage.lifecycle import TERMINAL, Cause, EventType, Held, Reason, Status


class JobError(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an attempt died of, as text: the object itself is gone with its process."""

    type: str
    """Qualified name of the exception's class."""
    message: str
    """Its text, made safe and cut to 4,000 characters."""
    traceback: str = ""
    """The formatted traceback, made safe and cut to 16,000 characters (the end is kept)."""


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a body says it is. The latest wins."""

    done: float | None = None
    """How much is done, in the body's own unit."""
    total: float | None = None
    """How much there is, in the same unit."""
    message: str | None = None
    """What it is doing, for people."""
    stage: str | None = None
    """The step it is in, for jobs that have several."""


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One job, as it was when the row was read."""

    id: int
    """Counts up from 1 in order of submission; never reused."""
    kind: str
    """Name of the registered function."""
    queue: str
    """The queue it waits in."""
    priority: int
    """Higher goes first; default 0."""
    status: Status
    """Where it is in its life."""
    reason: Reason | None = None
    """Why the last move was made; None when it needs no reason (submitted, due, started, ...)."""
    cause: Cause
    """Who made the last move."""
    held: Held | None = None
    """Why it must not be claimed although it is pending."""
    stop_reason: Reason | None = None
    """`timeout` or `silent` once the attempt under way has been told to stop for that."""

    arguments: str
    """JSON object of the arguments, as submitted."""
    result: str | None = None
    """JSON of the returned value, once completed."""
    error: JobError | None = None
    """What the last failed attempt died of; kept while another attempt runs."""
    progress: Progress | None = None
    """The last progress that reached the ledger."""
    checkpoint: str | None = None
    """JSON of the last checkpoint of any attempt."""
    warnings: int = 0
    """How many warnings its body gave. Completed with warnings is still completed."""

    created_at: int
    """When it was submitted (or its draft begun)."""
    ready_at: int | None = None
    """When it last became pending; an interrupted job keeps it, a retried one gets a new one."""
    due_at: int | None = None
    """When it becomes pending by itself, in stamp time (delays, retries, snoozes)."""
    due_wall_at: int | None = None
    """When it becomes pending by itself, in wall time (``at=``); the earlier of both counts."""
    expires_at: int | None = None
    """When it fails as `expired` if it has not started: set at each entry to pending. Of a draft:
    when it is discarded unless somebody goes on with it."""
    started_at: int | None = None
    """First start of its first attempt: written once, kept for ever."""
    attempt_started_at: int | None = None
    """Start of the attempt under way, or of the last one."""
    deadline_at: int | None = None
    """When the attempt under way reaches its run timeout."""
    completed_at: int | None = None
    """When it ended, whatever the outcome; set exactly in the terminal statuses."""

    fence: int = 0
    """Number of the last attempt, from 1; rises with every start. 0: never started."""
    failures: int = 0
    """Attempts that failed by their own fault: error, timeout, silence."""
    losses: int = 0
    """Attempts whose process died."""
    interruptions: int = 0
    """Attempts that a shutdown ended; free of charge."""
    snoozes: int = 0
    """Attempts that asked to be run later; free of charge."""
    retries: int = 0
    """Budget of failures: it may fail this often and run again."""
    losses_allowed: int = 3
    """Budget of losses."""
    epoch: int | None = None
    """The epoch that runs, or ran, its last attempt."""

    timeout_us: int | None = None
    """Run timeout given at submit; None: the kind's."""
    heartbeat_us: int | None = None
    """Longest silence given at submit; None: the kind's."""
    grace_us: int | None = None
    """Time to obey a cancellation given at submit; None: the kind's."""
    queue_timeout_us: int | None = None
    """Longest wait in `pending`; None: no limit."""

    key: str | None = None
    """Unique among the jobs that have not ended."""
    idempotency_key: str | None = None
    """Unique while the row is kept."""
    labels: str | None = None
    """JSON object of short strings, for finding jobs again."""
    headers: str | None = None
    """JSON object of strings handed on untouched (trace context)."""
    parent_id: int | None = None
    """The job whose body submitted this one."""
    retried_from: int | None = None
    """The ended job of which this is an operator's retry."""
    batch_id: int | None = None
    """The batch it is a member of."""
    callback_of: int | None = None
    """The batch whose end submitted it."""
    callback_event: str | None = None
    """For what: ``finish``, ``failure`` or ``aggregate``."""
    attachments: int = 0
    """How many files it was given."""

    @property
    def ended(self) -> bool:
        """Whether it is in a terminal status."""
        return self.status in TERMINAL

    @property
    def attempts(self) -> int:
        """How many times it was started; the same number as its fence."""
        return self.fence


class AttachmentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a job."""

    job_id: int
    """The job."""
    name: str
    """What the job calls it."""
    digest: str
    """sha256 of its content, hexadecimal."""
    size_bytes: int
    """Its size."""
    stored_name: str
    """Its name in the folder of files. A retry of the job shares it."""
    created_at: int
    """When it was attached."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ledger."""

    seq: int
    """Its number: rises in commit order, never reused."""
    at: int
    """Its stamp: rises with `seq`."""
    type: EventType
    """What it tells."""
    job_id: int | None = None
    """The job it is about; None for queues, epochs, the supervisor itself."""
    kind: str | None = None
    """The job's kind."""
    queue: str | None = None
    """The queue it is about, or the job's."""
    batch_id: int | None = None
    """The batch it is about, or the job's."""
    status: Status | None = None
    """The job's status after it; None for annotations, which change none."""
    fence: int | None = None
    """The attempt it belongs to."""
    reason: Reason | None = None
    """Why."""
    cause: Cause
    """Who."""
    data: str | None = None
    """JSON object with what else there is to say."""
    replayed: bool = False
    """Delivered as history: it was already part of the snapshot given before."""


class LogLine(msgspec.Struct, frozen=True):
    """One line a body wrote with ``ctx.log``."""

    job_id: int
    """The job."""
    fence: int
    """The attempt that wrote it."""
    at: int
    """When."""
    level: str
    """debug, info, warning or error."""
    message: str
    """The text, made safe."""
    data: str | None = None
    """JSON object of the fields given with it."""


class QueueRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a queue. Limits are configuration of the program, not kept."""

    name: str
    """Its name."""
    paused_at: int | None = None
    """Since when nothing is started from it; None: not paused."""
    paused_by: Cause | None = None
    """Who paused it."""


class EpochRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One life of one process that owned the store."""

    id: int
    """Counts up from 1."""
    pid: int
    """Process id."""
    host: str
    """Host name."""
    version: str
    """Version of overseen."""
    started_at: int
    """When it took the store over."""
    stopped_at: int | None = None
    """When it closed the store; None: it runs, or it died."""
