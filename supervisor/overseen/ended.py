"""The end of a body, as a value: what a worker reports."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from overseen_storage.records import JobError

__all__ = ["Cancelled", "Ended", "GaveUp", "Invalid", "Raised", "Returned", "Snoozed"]


class Returned(msgspec.Struct, frozen=True, gc=False):
    """The body returned; `result` is the JSON of its value."""

    result: str


class Raised(msgspec.Struct, frozen=True):
    """The body raised something of its own."""

    error: JobError
    exception: BaseException
    """For `retry_on` and a custom backoff; it lives as long as this report."""


class Invalid(msgspec.Struct, frozen=True):
    """Arguments, result or kind do not fit the code: another attempt cannot help."""

    error: JobError


class Snoozed(msgspec.Struct, frozen=True):
    """The body raised `Snooze`."""

    delay_seconds: float


class GaveUp(msgspec.Struct, frozen=True):
    """The body raised `Abandon`."""

    error: JobError


class Cancelled(msgspec.Struct, frozen=True):
    """The body ended with CancelledError, asked or not."""

    error: JobError


Ended: TypeAlias = Returned | Raised | Invalid | Snoozed | GaveUp | Cancelled
