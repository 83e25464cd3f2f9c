"""Counts since the start, one for every kind of event and a few gauges: for metrics and alerts."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from overseen.recovery import Recovered
from overseen_storage.lifecycle import FRAMES, EventType

__all__ = ["Counters", "Figures"]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A reading of `Supervisor.figures`. Counts are since the start of this supervisor."""

    events: Mapping[str, int]
    """Ledger rows by type: ``figures.events["completed"]``. Every type is there, from 0."""
    running: int
    """Attempts that hold a slot now."""
    stuck: int
    """Bodies that ignore their cancellation and hold no slot any more."""
    mailbox: int
    """Messages that wait for the supervisor."""
    mailbox_high_water: int
    """The most that ever waited."""
    groups: int
    """Transactions committed."""
    wal_bytes: int
    """Size of the write-ahead log when it was last looked at."""
    hook_errors: int
    """Hooks that raised."""
    logs_dropped: int
    """Lines of ``ctx.log`` that were not stored."""
    restarts: int
    """Actors that failed and were started anew."""
    degraded: bool
    """The store does not work at the moment."""


class Counters:
    """Mutable counts behind `Figures`."""

    def __init__(self) -> None:
        self.events: dict[EventType, int] = {type: 0 for type in EventType if type not in FRAMES}
        self.groups = 0
        self.wal_bytes = 0
        self.hook_errors = 0
        self.logs_dropped = 0
        self.restarts = 0

    def started(self, recovered: Recovered, unheld: int) -> None:
        """What the start itself has put on the ledger."""
        self.add(EventType.EPOCH_STARTED)
        self.add(EventType.REQUEUED, recovered.again)
        self.add(EventType.FAILED, recovered.failed)
        self.add(EventType.CANCELLED, recovered.cancelled)
        self.add(EventType.UNHELD, unheld)

    def add(self, event: EventType, count: int = 1) -> None:
        """So many events of this type are on the ledger."""
        self.events[event] += count
