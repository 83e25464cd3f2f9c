"""How a job ended, for whoever asks; and the two things a body may raise on purpose."""

from __future__ import annotations

from typing import Generic, Literal, TypeAlias, TypeVar

import msgspec

from overseen.durations import Duration, seconds
from overseen_storage.lifecycle import Reason
from overseen_storage.records import JobError

__all__ = ["Abandon", "Answer", "Outcome", "Snooze"]

R_co = TypeVar("R_co", covariant=True)

Answer: TypeAlias = Literal["completed", "failed", "cancelled", "stuck", "requested"]
"""The first three are ends. ``stuck``: the body ignores its cancellation and still runs.
``requested``: the body was told, nobody waited for what it does."""


class Outcome(msgspec.Struct, Generic[R_co], frozen=True, kw_only=True):
    """What became of a job.

    ``outcome.answer`` is one of five words; `value` is there exactly for ``completed``.
    """

    job_id: int
    answer: Answer
    attempts: int
    """How many times it was started."""
    reason: Reason | None = None
    """Why it failed or was cancelled."""
    error: JobError | None = None
    """What the last attempt died of, where it died of something."""
    value: R_co | None = None
    """What the body returned."""
    warnings: int = 0
    """How many warnings its body gave."""

    @property
    def ended(self) -> bool:
        """Whether this is final: completed, failed or cancelled."""
        return self.answer in ("completed", "failed", "cancelled")


class Snooze(Exception):
    """Raised by a body that wants to be run again later. It costs no budget.

    >>> raise Snooze("5m")
    Traceback (most recent call last):
    overseen.outcome.Snooze: run me again in 300.0 s
    """

    def __init__(self, delay: Duration) -> None:
        self.delay_seconds = seconds(delay, name="Snooze")
        super().__init__(f"run me again in {self.delay_seconds} s")


class Abandon(Exception):
    """Raised by a body that knows no further attempt can help. The job fails as `abandoned`.

    >>> raise Abandon("the account was closed")
    Traceback (most recent call last):
    overseen.outcome.Abandon: the account was closed
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
