"""overseen: an in-process job supervisor for asyncio whose job status can be trusted.

::

    from overseen import Context, Supervisor, job

This package decides what to do; `overseen_actors` is how anything runs, `overseen_storage` is what
a job is and how it is kept.
"""

from __future__ import annotations

from overseen._version import __version__
from overseen.context import Context
from overseen.counters import Figures
from overseen.errors import (
    Degraded,
    DuplicateJob,
    IdempotencyConflict,
    InvalidArguments,
    InvalidOption,
    InvalidPayload,
    InvalidResult,
    JobCancelled,
    JobDefinitionError,
    JobFailed,
    JobNotFound,
    KeyConflict,
    NoResult,
    NotStarted,
    OutcomeUnknown,
    OverseenError,
    PayloadTooLarge,
    RequestRefused,
    ResultExpired,
    StillRunning,
    SubmitRefused,
    SupervisorError,
    SupervisorFailed,
    SupervisorStopped,
    TooManyCalls,
    UnknownJob,
    WrongLoop,
    WrongStatus,
)
from overseen.handle import Handle
from overseen.jobs import Call, Job, job
from overseen.outcome import Abandon, Outcome, Snooze
from overseen.recovery import Recovered
from overseen.retry_policy import Backoff
from overseen.settings import Retention, Settings
from overseen.stopping import StopReport
from overseen.supervisor import Supervisor
from overseen_storage.errors import (
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseLost,
    DatabaseOwned,
    DatabaseReadOnly,
    DatabaseRefused,
    DatabaseTooNew,
    DiskFull,
    NetworkFileSystem,
    NotOurDatabase,
    SQLiteTooOld,
    StoreError,
    StoreUnavailable,
)
from overseen_storage.lifecycle import Cause, EventType, Held, Reason, Status
from overseen_storage.records import Event, JobError, JobRecord, LogLine, Progress

__all__ = [
    "Abandon",
    "Backoff",
    "Call",
    "Cause",
    "Context",
    "DatabaseBusy",
    "DatabaseCorrupt",
    "DatabaseLost",
    "DatabaseOwned",
    "DatabaseReadOnly",
    "DatabaseRefused",
    "DatabaseTooNew",
    "Degraded",
    "DiskFull",
    "DuplicateJob",
    "Event",
    "EventType",
    "Figures",
    "Handle",
    "Held",
    "IdempotencyConflict",
    "InvalidArguments",
    "InvalidOption",
    "InvalidPayload",
    "InvalidResult",
    "Job",
    "JobCancelled",
    "JobDefinitionError",
    "JobError",
    "JobFailed",
    "JobNotFound",
    "JobRecord",
    "KeyConflict",
    "LogLine",
    "NetworkFileSystem",
    "NoResult",
    "NotOurDatabase",
    "NotStarted",
    "Outcome",
    "OutcomeUnknown",
    "OverseenError",
    "PayloadTooLarge",
    "Progress",
    "Reason",
    "Recovered",
    "RequestRefused",
    "ResultExpired",
    "Retention",
    "SQLiteTooOld",
    "Settings",
    "Snooze",
    "Status",
    "StillRunning",
    "StopReport",
    "StoreError",
    "StoreUnavailable",
    "SubmitRefused",
    "Supervisor",
    "SupervisorError",
    "SupervisorFailed",
    "SupervisorStopped",
    "TooManyCalls",
    "UnknownJob",
    "WrongLoop",
    "WrongStatus",
    "__version__",
    "job",
]
