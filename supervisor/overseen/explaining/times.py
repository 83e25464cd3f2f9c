"""Moments and durations in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from overseen.durations import format_seconds

__all__ = ["ago", "lasting", "moment", "until"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE_US: Final = 60_000_000


def moment(stamp: int) -> str:
    """Write a stamp as a time in UTC, ISO 8601, to the millisecond.

    >>> moment(1_800_000_000_123_456)
    '2027-01-15T08:00:00.123Z'
    """
    try:
        text = (_EPOCH + timedelta(microseconds=stamp)).isoformat(timespec="milliseconds")
    except OverflowError:
        return f"{stamp} us after 1970"
    return text.replace("+00:00", "Z")


def lasting(microseconds: int) -> str:
    """Write a duration as people say it: exactly when it is short, else to the second.

    >>> lasting(90_400_000)
    '1m30s'
    """
    if microseconds < 0:
        return "0s"
    digits = 0 if microseconds >= _MINUTE_US else 3
    return format_seconds(round(microseconds / 1_000_000, digits))


def ago(stamp: int, now: int) -> str:
    """Write a moment and how long ago it was."""
    return f"{moment(stamp)} ({lasting(now - stamp)} ago)"


def until(stamp: int, now: int) -> str:
    """Write a moment and how long it is until then."""
    if stamp <= now:
        return f"{moment(stamp)} (that was {lasting(now - stamp)} ago)"
    return f"{moment(stamp)} (in {lasting(stamp - now)})"
