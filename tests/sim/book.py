"""What must be true of the disk from now on, because somebody was told so.

Everything that a client, a body or a subscriber learns becomes a promise: a question about the
disk that has the answer yes at every later moment, in this life and all others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.sim.disk import Disk
from tests.sim.legend import Legend
from tests.sim.sometimes import Sometimes

from overseen import Event

Scripts = list[list[str]]
Question = Callable[[Disk], bool]


@dataclass(frozen=True, slots=True)
class Promise:
    """One thing that is true for ever."""

    name: str
    what: str
    holds: Question


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that does not hold."""

    name: str
    """The invariant, with its number."""
    evidence: str

    def __str__(self) -> str:
        return f"{self.name}: {self.evidence}"


@dataclass(slots=True)
class Stream:
    """What one subscriber was given."""

    name: str
    after: int
    """Events up to this seq were not asked for."""
    job_id: int | None = None
    batch_id: int | None = None
    kind: str | None = None
    events: list[Event] = field(default_factory=list[Event])
    pruned_to: int = 0
    height: int = 0
    """Of the ledger when it began."""
    joined_at: int | None = None
    """When it was given the snapshot, as a stamp of that moment would be."""
    left_at: int | None = None
    """When it lost patience, as a stamp of that moment would be; it never kept events waiting."""

    def wants(self, event: Event) -> bool:
        """Whether an event of the ledger belongs to it."""
        return (
            (self.job_id is None or event.job_id == self.job_id)
            and (self.batch_id is None or event.batch_id == self.batch_id)
            and (self.kind is None or event.kind == self.kind)
        )


class Book:
    """All that was said and seen in one history, across its lives."""

    def __init__(self, legend: Legend) -> None:
        self.legend = legend
        self.sometimes = Sometimes()
        self.counts: Counter[str] = Counter()
        self.violations: list[Violation] = []
        self.promises: list[Promise] = []
        self.streams: list[Stream] = []
        self.begun: set[tuple[int, int]] = set()
        """Job and attempt of every body that began."""
        self.returned: dict[tuple[int, int], int] = {}
        """What bodies returned, by job and attempt."""
        self.returned_at: dict[tuple[int, int], int] = {}
        """When they did, as a stamp of that moment would be."""
        self.tags: set[int] = set()
        """Of all submits: a tag stands for one job at most."""
        self.jobs: list[int] = []
        """Ids of jobs that clients know of, in the order in which they learned of them."""
        self.once: dict[int, Scripts] = {}
        """What was submitted with an idempotency key, by tag."""
        self.batches: list[int] = []
        self.drafts: list[int] = []
        self.ends: dict[int, tuple[str, object]] = {}
        """How jobs ended, as clients were told."""
        self.checkpoints: dict[int, int] = {}
        """The highest checkpoint of each job that its body was told is on disk."""

    def broken(self, name: str, evidence: str) -> None:
        """A promise does not hold."""
        violation = Violation(name, evidence)
        if violation not in self.violations:
            self.violations.append(violation)

    def promise(self, name: str, what: str, holds: Question) -> None:
        """From now on this is true of every disk."""
        self.promises.append(Promise(name, what, holds))
