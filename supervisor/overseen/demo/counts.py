"""How far the demo is: every job's status, folded from what the ledger tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from overseen_storage.lifecycle import TERMINAL, EventType, Status
from overseen_storage.records import Event, JobRecord


class Counts:
    """The statuses of a fixed set of jobs; others in the same database are not counted."""

    def __init__(self, jobs: Iterable[int]) -> None:
        self._statuses: dict[int, Status | None] = dict.fromkeys(jobs)
        self._by_status: Counter[Status] = Counter()
        self.retries = 0
        """How many attempts have failed and were to be repeated."""

    def __getitem__(self, status: Status) -> int:
        return self._by_status[status]

    @property
    def total(self) -> int:
        """How many jobs there are."""
        return len(self._statuses)

    @property
    def ended(self) -> int:
        """How many have an outcome."""
        return sum(self._by_status[status] for status in TERMINAL)

    @property
    def running(self) -> int:
        """How many bodies run."""
        return self._by_status[Status.RUNNING] + self._by_status[Status.CANCELLING]

    @property
    def all_ended(self) -> bool:
        """Whether every job has an outcome."""
        return self.ended == self.total

    def know(self, record: JobRecord) -> None:
        """Take a job as it was read; events that come later say what happened since."""
        self._set(record.id, record.status)

    def follow(self, event: Event) -> None:
        """Take one event of the ledger, in its order."""
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
