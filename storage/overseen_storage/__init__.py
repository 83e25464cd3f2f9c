"""What a job is, and how it is kept: records, the lifecycle as data, and the store.

A store is made by name (``SqliteStore("jobs.db")``) and used through the `Store` protocol.
"""

from __future__ import annotations

from overseen_storage.answers import Committed
from overseen_storage.batch_lifecycle import BatchPolicy, BatchStatus
from overseen_storage.batch_records import (
    BatchCounts,
    BatchRecord,
    BatchSnapshot,
    BatchSummary,
    FailureGroup,
)
from overseen_storage.errors import (
    CommitUnknown,
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
    OverseenError,
    OwnerRecord,
    RowRefused,
    SQLiteTooOld,
    StoreClosed,
    StoreError,
    StoreUnavailable,
)
from overseen_storage.groups import Group
from overseen_storage.lifecycle import Cause, EventType, Held, Move, Reason, Status
from overseen_storage.records import (
    AttachmentRecord,
    EpochRecord,
    Event,
    JobError,
    JobRecord,
    LogLine,
    Progress,
    QueueRecord,
)
from overseen_storage.sqlite.hop import AiosqliteConnector, InlineConnector
from overseen_storage.sqlite.store import SqliteStore
from overseen_storage.store import Store

__all__ = [
    "AiosqliteConnector",
    "AttachmentRecord",
    "BatchCounts",
    "BatchPolicy",
    "BatchRecord",
    "BatchSnapshot",
    "BatchStatus",
    "BatchSummary",
    "Cause",
    "CommitUnknown",
    "Committed",
    "DatabaseBusy",
    "DatabaseCorrupt",
    "DatabaseLost",
    "DatabaseOwned",
    "DatabaseReadOnly",
    "DatabaseRefused",
    "DatabaseTooNew",
    "DiskFull",
    "EpochRecord",
    "Event",
    "EventType",
    "FailureGroup",
    "Group",
    "Held",
    "InlineConnector",
    "JobError",
    "JobRecord",
    "LogLine",
    "Move",
    "NetworkFileSystem",
    "NotOurDatabase",
    "OverseenError",
    "OwnerRecord",
    "Progress",
    "QueueRecord",
    "Reason",
    "RowRefused",
    "SQLiteTooOld",
    "SqliteStore",
    "Status",
    "Store",
    "StoreClosed",
    "StoreError",
    "StoreUnavailable",
]
