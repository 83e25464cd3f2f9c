"""What must happen now and then, or the histories prove nothing about it.

An assertion that is never reached is as bad as one that fails: over a run each name here is
counted, and a run of some length says which were never reached.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from overseen_storage.lifecycle import FRAMES, EventType, Held, Reason
from overseen_storage.records import Event, JobRecord

CONDITIONS = frozenset(
    {
        "a crash before a commit",
        "a crash after a commit",
        "a crash between two callbacks",
        "a crash at a moment",
        "a crash while starting",
        "a crash while stopping",
        "a restart in the same process",
        "a start found live rows of a dead life",
        "a start failed for the disk",
        "the disk was found with a transaction nobody was told of",
        "a request was answered: ok",
        "a request was answered: failed",
        "a request was answered: unknown",
        "a client gave up waiting",
        "a client's key found the job that was there",
        "a client's key was refused",
        "an unknown submit had happened",
        "an unknown submit had not happened",
        "a cancel found the job ended",
        "a cancel said stuck",
        "a checkpoint was found again",
        "a result was asked for after the end",
        "a subscriber joined late",
        "a subscriber saw the end",
        "a subscriber was told of pruned history",
        "a job was pruned",
        "two bodies ran at once",
        "all slots were taken",
        "an attachment was read by its job",
        "a batch's summary was awaited",
        "the store was degraded",
        "the supervisor gave up",
        "an actor was restarted",
        "a stop left bodies stuck",
        "the wall clock was behind the stamps",
        "time healed everything",
    }
)
"""Conditions that the histories themselves report."""

TYPES = frozenset(f"event {one}" for one in EventType if one not in FRAMES)
REASONS = frozenset(f"reason {one}" for one in Reason)
HOLDS = frozenset(f"held {one}" for one in Held)

NEVER_HERE = frozenset(
    {
        "reason invalid",  # values that do not fit their types: tests/supervisor has those
        "event loop_stalled",  # the product does not write it yet
        "held operator",  # no verb of the face holds a job yet
        "reason operator",  # promoting and changing give it to rows that wait, events have a cause
    }
)
"""What these histories cannot reach, and why."""

REGISTER = (CONDITIONS | TYPES | REASONS | HOLDS) - NEVER_HERE


class Sometimes:
    """Counts conditions by name."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def reach(self, name: str) -> None:
        """The condition `name` holds here."""
        assert name in CONDITIONS, f"{name!r} is not in the register"
        self.counts[name] += 1

    def reach_if(self, holds: object, name: str) -> None:
        """The same, if it does."""
        if holds:
            self.reach(name)

    def read_rows(self, rows: Iterable[JobRecord]) -> None:
        """What rows show was reached."""
        for row in rows:
            if row.held is not None:
                self.counts[f"held {row.held}"] += 1

    def read_events(self, events: Iterable[Event]) -> None:
        """What a ledger shows was reached."""
        for event in events:
            self.counts[f"event {event.type}"] += 1
            if event.reason is not None:
                self.counts[f"reason {event.reason}"] += 1


def never_reached(counts: Counter[str]) -> list[str]:
    """Names of the register that were not reached at all."""
    return sorted(name for name in REGISTER if not counts[name])
