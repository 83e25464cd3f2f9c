"""How far the demo is: every job's status, folded from what the ledger tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from overseen_storage.lifecycle import TERMINAL, EventType, Status
from overseen_storage.records import Event


class Counts:
    """The statuses of a fixed set of jobs; others in the same database are not counted."""

    def __init__(self, jobs: Iterable[int]) -> None:
        self._statuses: dict[int, Status | None] = dict.fromkeys(jobs)
        self._by_status: Counter[Status] = Counter()
        self.retries = 0
        """How many attempts have failed and were to be repeated."""
        self.ended_before = 0
        """How many had an outcome when the process that works now took the database over."""

        self._height = self._seen = 0

    def __getitem__(self, status: Status) -> int:
        return self._by_status[status]

    def __contains__(self, job: int) -> bool:
        return job in self._statuses

    @property
    def total(self) -> int:
        """How many jobs there are."""
        return len(self._statuses)

    @property
    def ended(self) -> int:
        """How many have an outcome."""
        return sum(self._by_status[status] for status in TERMINAL)

    @property
    def ended_now(self) -> int:
        """How many got their outcome from the process that works now."""
        return self.ended - self.ended_before

    @property
    def running(self) -> int:
        """How many bodies run."""
        return self._by_status[Status.RUNNING] + self._by_status[Status.CANCELLING]

    @property
    def all_ended(self) -> bool:
        """Whether every job has an outcome, and all that happened before is known."""
        return self.ended == self.total and self._seen >= self._height

    def follow(self, event: Event) -> None:
        """Take one event of the ledger, in its order; before them the frame with its height."""
        if event.type is EventType.SNAPSHOT:
            self._height = event.seq
            return
        self._seen = event.seq
        if event.type is EventType.EPOCH_STARTED:
            self.ended_before = self.ended
        if event.job_id is None or event.status is None:
            return
        if self._set(event.job_id, event.status) and event.type is EventType.RETRYING:
            self.retries += 1

    def _set(self, job: int, status: Status) -> bool:
        if job not in self._statuses:
            return False
        before = self._statuses[job]
        if before is not None:
            self._by_status[before] -= 1
        self._statuses[job] = status
        self._by_status[status] += 1
        return True
