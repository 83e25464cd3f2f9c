"""Every knob of a supervisor: its unit, its bound, its default, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from overseen.durations import Duration, seconds
from overseen.errors import InvalidOption

__all__ = ["QueueLimits", "Retention", "Settings", "Synchronous"]

Synchronous: TypeAlias = Literal["full", "normal"]
QueueLimits: TypeAlias = Mapping[str, int]

CONCURRENCY_MAX: Final = 100_000
MEBIBYTE: Final = 1 << 20
ATTACHMENT_BYTES_MAX: Final = 1 << 60
"""No disk has so many; SQLite's numbers end at eight times that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long an ended job is kept, by outcome. None: for ever.

    Failures are kept longest: somebody may still want to know why.

    >>> Retention(completed="1d", failed=None)
    Retention(completed='1d', failed=None, cancelled='7d')
    """

    completed: Duration | None = "7d"
    failed: Duration | None = "30d"
    cancelled: Duration | None = "7d"

    def microseconds(self, outcome: Literal["completed", "failed", "cancelled"]) -> int | None:
        """Return the time a job with this outcome is kept; None: for ever."""
        value: Duration | None = getattr(self, outcome)
        if value is None:
            return None
        return int(seconds(value, name=f"retention.{outcome}") * 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The knobs, as `Supervisor` takes them. Durations in seconds once they are here."""

    concurrency: int = 100
    """Attempts that run at once in this process; 1 to 100,000. More costs memory, not threads."""
    queues: QueueLimits = field(default_factory=lambda: {})
    """Attempts that run at once per queue; a queue that is not named has only the common limit."""
    threads: int = 16
    """Plain ``def`` bodies that run at once; others wait for a thread with their slot taken."""
    synchronous: Synchronous = "full"
    """``full``: an acknowledged submit survives a power cut. ``normal``: it survives a crash of
    the process, but a power cut may take the last moments. Twice as fast where fsync is slow."""
    sweep_interval: float = 30.0
    """Seconds between the watchdog's looks at the whole state; 0.01 or more."""
    progress_interval: float = 0.5
    """Seconds between two progress rows of one job; its last progress is always kept."""
    drain_timeout: float = 30.0
    """Seconds a stop waits for running bodies to end by themselves."""
    cancel_timeout: float = 10.0
    """Seconds a stop then waits for bodies it has cancelled."""
    draft_timeout: float = 3_600.0
    """Seconds after which a draft that nobody works on is discarded; 1 or more."""
    owner_wait: float = 5.0
    """Seconds a start waits for the previous owner of the database (reloads, deploys)."""
    retention: Retention = field(default_factory=Retention)
    """How long ended jobs are kept."""
    attachment_limit: int | None = None
    """Bytes that one attached file may have; None: as many as the disk takes."""
    arguments_limit: int = MEBIBYTE
    """Bytes of JSON that the arguments of one job may have."""
    result_limit: int = MEBIBYTE
    """Bytes of JSON that a result, a progress or a checkpoint may have."""
    mailbox_limit: int = 10_000
    """Requests that wait for the supervisor before submitters are made to wait."""
    recent_outcomes: int = 20_000
    """Outcomes kept in memory, so that awaiting a result costs no read."""
    logs_per_job: int = 1_000
    """Lines of ``ctx.log`` that are kept of one job; the newest."""

    def __post_init__(self) -> None:
        _whole("concurrency", self.concurrency, 1, CONCURRENCY_MAX)
        _whole("threads", self.threads, 1, 1_000)
        for name, limit in self.queues.items():
            _whole(f"queues[{name!r}]", limit, 1, CONCURRENCY_MAX)
        if self.synchronous not in ("full", "normal"):
            raise InvalidOption("synchronous", self.synchronous, '"full" or "normal"')
        if self.sweep_interval < 0.01:
            raise InvalidOption("sweep_interval", self.sweep_interval, "at least 0.01 s")
        if self.draft_timeout < 1:
            raise InvalidOption("draft_timeout", self.draft_timeout, "at least 1 s")
        if self.attachment_limit is not None:
            _whole("attachment_limit", self.attachment_limit, 1, ATTACHMENT_BYTES_MAX)
        _whole("arguments_limit", self.arguments_limit, 1_024, 64 * MEBIBYTE)
        _whole("result_limit", self.result_limit, 1_024, 64 * MEBIBYTE)
        _whole("mailbox_limit", self.mailbox_limit, 1, 1_000_000)
        _whole("recent_outcomes", self.recent_outcomes, 0, 10_000_000)
        _whole("logs_per_job", self.logs_per_job, 0, 1_000_000)
        for outcome in ("completed", "failed", "cancelled"):
            self.retention.microseconds(outcome)


def _whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidOption(name, value, f"a whole number from {low:,} to {high:,}")
