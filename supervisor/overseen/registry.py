"""The jobs that one supervisor knows, by kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, TypeAlias

from overseen.errors import DuplicateJob, UnknownJob
from overseen.jobs import Job

__all__ = ["AnyJob", "Registry"]

AnyJob: TypeAlias = Job[..., Any]


class Registry:
    """Jobs by kind. Adding one resolves its types, so that a mistake shows before any work.

    Raises `DuplicateJob` when two different functions have the same kind, and
    `JobDefinitionError` for a type that cannot travel as JSON.
    """

    __slots__ = ("_jobs",)

    def __init__(self, jobs: Iterable[AnyJob] = ()) -> None:
        self._jobs: dict[str, AnyJob] = {}
        for job in jobs:
            self.add(job)

    def add(self, job: AnyJob) -> None:
        """Register a job. The same one twice is fine; its submit-time options do not count."""
        present = self._jobs.get(job.kind)
        if present is None:
            job.prepare()
            self._jobs[job.kind] = job
        elif present.body is not job.body:
            raise DuplicateJob(job.kind, first=_place(present), second=_place(job))

    def get(self, kind: str) -> AnyJob:
        """Return the job of a kind. Raises `UnknownJob`, which names similar kinds."""
        try:
            return self._jobs[kind]
        except KeyError:
            near = get_close_matches(kind, self._jobs, n=3)
            raise UnknownJob(kind, near=near, registered=len(self._jobs)) from None

    def known(self, job: AnyJob) -> AnyJob:
        """Return `job` itself, with its options, if it is registered here.

        Raises `UnknownJob`, and `DuplicateJob` when its kind belongs to another function.
        """
        registered = self.get(job.kind)
        if registered.body is not job.body:
            raise DuplicateJob(job.kind, first=_place(registered), second=_place(job))
        return job

    @property
    def kinds(self) -> frozenset[str]:
        """Every registered kind."""
        return frozenset(self._jobs)

    def __contains__(self, kind: object) -> bool:
        return kind in self._jobs

    def __iter__(self) -> Iterator[AnyJob]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)


def _place(job: AnyJob) -> str:
    return f"{job.definition.function} ({job.definition.location})"
