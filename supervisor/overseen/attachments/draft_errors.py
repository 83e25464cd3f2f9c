"""What can go wrong with a draft: a branch of the tree in `overseen.errors`.

::

    OverseenError
    └── DraftError
        ├── NotADraft               it was released, discarded or has expired
        ├── DraftNotBegun           its block was not entered yet
        ├── AttachmentExists        it has a file of this name already
        ├── AttachmentsMissing      files that its job declares are not there
        └── NeedsAttachments        a job that declares files was submitted without a draft
"""

from __future__ import annotations

from collections.abc import Sequence

from overseen_storage.errors import OverseenError
from overseen_storage.lifecycle import Reason, Status

__all__ = [
    "AttachmentExists",
    "AttachmentsMissing",
    "DraftError",
    "DraftNotBegun",
    "NeedsAttachments",
    "NotADraft",
]


class DraftError(OverseenError):
    """The draft does not allow what was asked."""


class NotADraft(DraftError):
    """The job is not a draft (any more): nothing can be attached, and it cannot be released again.

    Evidence: `job_id`, `status` (None: there is no such job) and `reason`.
    """

    def __init__(self, job_id: int, status: Status | None, reason: Reason | None = None) -> None:
        super().__init__(f"job {job_id} {_what_it_is(status, reason)}")
        self.job_id = job_id
        self.status = status
        self.reason = reason


def _what_it_is(status: Status | None, reason: Reason | None) -> str:
    if status is None:
        return "does not exist: it never did, or it was pruned. Begin a new draft"
    if reason is Reason.DRAFT_EXPIRED:
        return (
            "was a draft and has expired, its files are gone. Begin a new one; give drafts more "
            "time with Supervisor(draft_timeout=...)"
        )
    if reason is Reason.DRAFT_DISCARDED:
        return "was a draft and was discarded, its files are gone. Begin a new one"
    return f"is {status}, not a draft: files are attached before it is released. Begin a new draft"


class DraftNotBegun(DraftError):
    """The draft does not exist yet: its block was not entered."""

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"the draft of {kind!r} was not begun: use `async with supervisor.draft(...) as draft:`"
            ", or `await draft.begin()` for one that outlives a block"
        )


class AttachmentExists(DraftError):
    """The draft has a file of this name. Evidence: `job_id`, `name`."""

    def __init__(self, job_id: int, name: str) -> None:
        super().__init__(
            f"draft {job_id} has a file {name!r} already, which is never replaced: give this one "
            "another name, or discard the draft and begin a new one"
        )
        self.job_id = job_id
        self.name = name


class AttachmentsMissing(DraftError):
    """Files that the job declares were not attached. Evidence: `job_id`, `names`."""

    def __init__(self, job_id: int, names: Sequence[str]) -> None:
        listed = ", ".join(map(repr, names))
        super().__init__(
            f"draft {job_id} lacks {listed}, which its job declares: attach what is missing, then "
            "release it"
        )
        self.job_id = job_id
        self.names = tuple(names)


class NeedsAttachments(DraftError):
    """A job that declares files was submitted without them. Evidence: `kind`, `names`."""

    def __init__(self, kind: str, names: Sequence[str]) -> None:
        listed = ", ".join(map(repr, names))
        super().__init__(
            f"{kind} needs the files {listed}: begin it with `async with supervisor.draft(...)` "
            "and attach them"
        )
        self.kind = kind
        self.names = tuple(names)
