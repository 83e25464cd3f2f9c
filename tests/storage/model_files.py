"""The files of the model's jobs: names, and who has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class ModelFiles:
    """Which job has which file under which stored name."""

    of_job: dict[int, dict[str, str]] = field(default_factory=dict[int, dict[str, str]])
    given: dict[int, int] = field(default_factory=dict[int, int])
    """How many each job was given; stays when they go."""
    freed: list[str] = field(default_factory=list[str])
    """What the group under way has freed."""

    def names(self, job_id: int) -> dict[str, str]:
        """Stored names by name."""
        return self.of_job.get(job_id, {})

    def stored(self) -> set[str]:
        """Every stored name that is used."""
        return {stored for names in self.of_job.values() for stored in names.values()}

    def attach(self, job_id: int, name: str, stored_name: str) -> None:
        """A job has one more."""
        self.of_job.setdefault(job_id, {})[name] = stored_name
        self.given[job_id] = self.given.get(job_id, 0) + 1

    def are_gone(self, job_id: int) -> bool:
        """Whether a job has not all that it was given."""
        return len(self.names(job_id)) != self.given.get(job_id, 0)

    def share(self, job_id: int, retry_id: int) -> None:
        """A retry has the files of the first."""
        for name, stored_name in self.names(job_id).items():
            self.attach(retry_id, name, stored_name)

    def drop(self, job_ids: Iterable[int]) -> list[str]:
        """These jobs have none any more; what nobody has now."""
        before = self.stored()
        for job_id in job_ids:
            self.of_job.pop(job_id, None)
        return sorted(before - self.stored())
