"""The rarer requests to a store: files of drafts, and batches.

Unlike moves, of which thousands travel in one statement, each is applied by itself, in order, with
an answer of its own. What does not fit is an answer (`Declined`), never an exception, and changes
nothing.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from overseen_storage.batch_lifecycle import BatchPolicy, BatchStatus
from overseen_storage.items import NewJob
from overseen_storage.lifecycle import Cause, Reason, Status


class Attach(msgspec.Struct, frozen=True, kw_only=True):
    """A file belongs to a draft from now on (event `attached`). Guard: it is a draft, and has no
    file of this name."""

    job_id: int
    name: str
    digest: str
    """sha256, hexadecimal."""
    size_bytes: int
    stored_name: str
    """The file's name in the folder of files; never used before."""
    expires_at: int
    """When the draft expires now: work on it goes on."""


class KeepDraft(msgspec.Struct, frozen=True):
    """Somebody still works on a draft: it expires later. No event. Guard: it is a draft."""

    job_id: int
    expires_at: int


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """RELEASE or RELEASE_LATER of a draft (event `ready`, with the list of its files). Guard: it
    is a draft and has a file for each name in `required`."""

    job_id: int
    required: tuple[str, ...] = ()
    now_wall: int
    """Compared with the draft's `due_wall_at`; its `due_at` is compared with the stamp."""
    cause: Cause = Cause.CALLER


class Discard(msgspec.Struct, frozen=True):
    """CANCEL (`draft_discarded`) of a draft; its files go. Guard: it is a draft, so one that was
    released meanwhile is left alone."""

    job_id: int
    cause: Cause = Cause.CALLER
    data: str | None = None


class OpenBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A new batch (event `batch_opened`). Answer: its id. Fields as in `BatchRecord`."""

    name: str
    policy: BatchPolicy = BatchPolicy.CONTINUE
    threshold: float | None = None
    on_finish: str | None = None
    on_failure: str | None = None
    aggregate: str | None = None
    labels: str | None = None
    cause: Cause = Cause.CALLER


class SealBatch(msgspec.Struct, frozen=True):
    """No more members (event `batch_sealed`). Guard: it is open."""

    batch_id: int
    cause: Cause = Cause.CALLER


class StopBatch(msgspec.Struct, frozen=True):
    """Somebody wants a batch to end (event `batch_cancelling`): it is sealed if it is open, and
    none of its members starts any more. Guard: not finalized, and not requested before."""

    batch_id: int
    cause: Cause = Cause.OPERATOR
    data: str | None = None


class CancelMembers(msgspec.Struct, frozen=True):
    """CANCEL of at most `limit` waiting members of a stopped batch, drafts among them; the reason
    is the batch's (a draft's is `draft_discarded`), the cause is `batch`. Answer: which, and
    whether more wait."""

    batch_id: int
    limit: int


class FinalizeBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Freeze a batch's summary (event `batch_finalized`) and submit its callbacks. Guard: sealed,
    not finalized, no open member, and not stopped since it was summed up."""

    batch_id: int
    status: BatchStatus
    """completed, completed_with_errors or cancelled."""
    summary: str
    """JSON of the `BatchSummary`."""
    data: str | None = None
    """JSON object for the ledger."""
    callbacks: tuple[Callback, ...] = ()


class Callback(msgspec.Struct, frozen=True):
    """A job that is submitted because a batch ended: at most one for each event of a batch."""

    event: str
    """``finish``, ``failure`` or ``aggregate``."""
    job: NewJob


Order: TypeAlias = (
    Attach
    | KeepDraft
    | Release
    | Discard
    | OpenBatch
    | SealBatch
    | StopBatch
    | CancelMembers
    | FinalizeBatch
)
"""Any of them."""


class Obeyed(msgspec.Struct, frozen=True, kw_only=True):
    """The order was carried out."""

    batch_id: int | None = None
    """Of `OpenBatch`."""
    status: Status | None = None
    """Of `Release`: pending or scheduled."""
    queue: str | None = None
    """Of `Release`: the queue that the job entered, if it is pending."""
    sealed: bool = False
    """Of `StopBatch`: it was open, and is sealed now."""
    cancelled: tuple[int, ...] = ()
    """Of `CancelMembers`: the jobs."""
    remaining: bool = False
    """Of `CancelMembers`: it stopped at its limit."""
    callbacks: tuple[int, ...] = ()
    """Of `FinalizeBatch`: the jobs that were submitted."""


class Declined(msgspec.Struct, frozen=True, kw_only=True):
    """The order was not carried out; nothing changed."""

    why: str
    """``no_job``, ``not_draft``, ``name_taken``, ``missing`` (files), ``no_batch``, ``sealed``,
    ``finalized``, ``stopped``, ``not_stopped``, ``not_sealed``, ``open_members`` or ``row`` (the
    schema refuses it)."""
    status: Status | None = None
    """The job's."""
    batch_status: BatchStatus | None = None
    """The batch's."""
    reason: Reason | None = None
    """Why the job is where it is."""
    missing: tuple[str, ...] = ()
    """Names without a file."""
    message: str = ""
    """What the schema says."""


OrderAnswer: TypeAlias = Obeyed | Declined
