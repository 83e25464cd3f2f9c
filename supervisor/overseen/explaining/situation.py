"""What is known of one job at one moment, wherever it was read."""

from __future__ import annotations

from typing import Final

import msgspec

from overseen_storage.batch_records import BatchRecord
from overseen_storage.lifecycle import Cause
from overseen_storage.records import Event, JobRecord

__all__ = ["AHEAD_MAX", "Owner", "Situation", "Slots"]

AHEAD_MAX: Final = 10_000
"""Jobs that go first are counted so far; beyond, it is "more than"."""


class Owner(msgspec.Struct, frozen=True):
    """The process that owns the database, or did."""

    name: str
    """Process id and host, in words."""
    alive: bool | None
    """Whether it lives; None if that cannot be seen from here."""


class Slots(msgspec.Struct, frozen=True):
    """How many attempts run, and may run: known inside the program only."""

    running: int
    concurrency: int
    running_in_queue: int
    queue_limit: int | None


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an explanation is made of."""

    job: JobRecord
    """Its row."""
    events: list[Event]
    """Its history, in order."""
    now: int
    """The moment, as a stamp in microseconds."""
    owner: Owner | None
    """Who owns the database; None: nobody."""
    slots: Slots | None = None
    """How busy the program is."""
    paused_at: int | None = None
    """Since when its queue is paused."""
    paused_by: Cause | None = None
    """Who paused it."""
    batch: BatchRecord | None = None
    """The batch it is a member of."""
    ahead: int | None = None
    """How many jobs of its queue go first; only while it can be started."""
    stuck: bool = False
    """Its body ignores its cancellation: its slot was released."""
