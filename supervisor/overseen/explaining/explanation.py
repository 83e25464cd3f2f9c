"""What is said about one job: frozen, and the same as JSON and as text."""

from __future__ import annotations

import msgspec

from overseen_storage.lifecycle import Cause, EventType, Reason, Status

__all__ = ["AttemptStory", "Explanation", "Step"]


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened to the job."""

    seq: int
    """The event."""
    at: int
    """Its stamp, in microseconds."""
    time: str
    """The same in UTC, ISO 8601."""
    type: EventType
    """What it was."""
    cause: Cause
    """Who did it."""
    text: str
    """The same in words, with what there is to say besides."""
    status: Status | None = None
    """The job's status from then on; None where that stayed."""
    attempt: int | None = None
    """The attempt it belongs to."""
    reason: Reason | None = None
    """Why."""


class AttemptStory(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, from its start to its end."""

    attempt: int
    """Its number, from 1."""
    started_at: int
    """When it was started, in microseconds."""
    ended_at: int | None = None
    """When it ended; None while it runs."""
    outcome: str = "live"
    """The event that ended it, or ``live``."""
    reason: Reason | None = None
    """Why it ended so."""
    cause: Cause | None = None
    """Who ended it."""
    text: str = ""
    """The same in words."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job is where it is, and what happens next. `str()` of it is text for people."""

    job_id: int
    """The job."""
    kind: str
    """Name of the registered function."""
    queue: str
    """Its queue."""
    status: Status
    """Where it is in its life."""
    summary: str
    """The answer in one sentence."""
    why: tuple[str, ...] = ()
    """Why it is not running, or how it runs, or how it ended."""
    next: tuple[str, ...] = ()
    """What happens next, and when; what one can do."""
    attempts: tuple[AttemptStory, ...] = ()
    """Every attempt that the ledger tells of."""
    history: tuple[Step, ...] = ()
    """Everything that happened but progress and checkpoints, in order."""
    progress_events: int = 0
    """How many events of progress and checkpoints were left out."""

    def __str__(self) -> str:
        """Write it as lines of text."""
        from overseen.explaining.text import text_of

        return text_of(self)
