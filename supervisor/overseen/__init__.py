"""overseen: an in-process job supervisor for asyncio whose job status can be trusted.

::

    from overseen import Context, Supervisor, job

This package decides what to do; `overseen_actors` is how anything runs, `overseen_storage` is what
a job is and how it is kept.
"""

from __future__ import annotations

from overseen._version import __version__
from overseen.attachments.draft import Attached, Draft
from overseen.attachments.draft_errors import (
    AttachmentExists,
    AttachmentsMissing,
    DraftError,
    DraftNotBegun,
    NeedsAttachments,
    NotADraft,
)
from overseen.attachments.errors import (
    AttachmentDamaged,
    AttachmentError,
    AttachmentNotFound,
    AttachmentTooLarge,
    FileNotRead,
    FileNotWritten,
    InvalidAttachmentName,
    InvalidSource,
    NoSpaceForFile,
)
from overseen.attachments.given import Attachment, Attachments
from overseen.attachments.reading import FileReader
from overseen.batches.aggregating import MemberResult, batch_summary
from overseen.batches.batch import Batch
from overseen.batches.errors import (
    BatchEnded,
    BatchError,
    BatchNotFound,
    BatchNotOpened,
    BatchSealed,
    MembersPruned,
    NoCallback,
)
from overseen.batches.progress import BatchProgress
from overseen.context import Context
from overseen.counters import Figures
from overseen.errors import (
    Degraded,
    DuplicateJob,
    FilesGone,
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
from overseen.explaining.explanation import AttemptStory, Explanation, Step
from overseen.handle import Handle
from overseen.jobs import Call, Job, job
from overseen.outcome import Abandon, Outcome, Snooze
from overseen.recovery import Recovered
from overseen.retry_policy import Backoff
from overseen.settings import Retention, Settings
from overseen.stopping import StopReport
from overseen.supervisor import Supervisor
from overseen_storage.batch_lifecycle import BatchPolicy, BatchStatus
from overseen_storage.batch_records import BatchRecord, BatchSummary, FailureGroup
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
    "Attached",
    "Attachment",
    "AttachmentDamaged",
    "AttachmentError",
    "AttachmentExists",
    "AttachmentNotFound",
    "AttachmentTooLarge",
    "Attachments",
    "AttachmentsMissing",
    "AttemptStory",
    "Backoff",
    "Batch",
    "BatchEnded",
    "BatchError",
    "BatchNotFound",
    "BatchNotOpened",
    "BatchPolicy",
    "BatchProgress",
    "BatchRecord",
    "BatchSealed",
    "BatchStatus",
    "BatchSummary",
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
    "Draft",
    "DraftError",
    "DraftNotBegun",
    "DuplicateJob",
    "Event",
    "EventType",
    "Explanation",
    "FailureGroup",
    "Figures",
    "FileNotRead",
    "FileNotWritten",
    "FileReader",
    "FilesGone",
    "Handle",
    "Held",
    "IdempotencyConflict",
    "InvalidArguments",
    "InvalidAttachmentName",
    "InvalidOption",
    "InvalidPayload",
    "InvalidResult",
    "InvalidSource",
    "Job",
    "JobCancelled",
    "JobDefinitionError",
    "JobError",
    "JobFailed",
    "JobNotFound",
    "JobRecord",
    "KeyConflict",
    "LogLine",
    "MemberResult",
    "MembersPruned",
    "NeedsAttachments",
    "NetworkFileSystem",
    "NoCallback",
    "NoResult",
    "NoSpaceForFile",
    "NotADraft",
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
    "Step",
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
    "batch_summary",
    "job",
]
