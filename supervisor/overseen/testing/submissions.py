"""What was submitted, compared with what a test expects."""

from __future__ import annotations

import inspect
from typing import Any, Final, cast

from overseen.jobs import Job
from overseen.testing.book import Book
from overseen_storage.records import JobRecord

__all__ = ["Submissions"]

_SHOWN: Final = 10


class Submissions:
    """Looks for jobs by their kind and their arguments."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def of(self, job: Job[..., Any]) -> list[JobRecord]:
        """Jobs of this kind, in order of submission."""
        return self._book.submitted(_checked(job).kind)

    def assert_one(
        self, job: Job[..., Any], arguments: tuple[object, ...], keywords: dict[str, object]
    ) -> JobRecord:
        """Return the last one that fits."""
        fitting = self._fitting(job, arguments, keywords)
        if not fitting:
            raise AssertionError(
                f"no job {_shown(job, arguments, keywords)} was submitted; {self._others(job)}"
            )
        return fitting[-1]

    def assert_none(
        self, job: Job[..., Any], arguments: tuple[object, ...], keywords: dict[str, object]
    ) -> None:
        """Raise if one fits."""
        fitting = self._fitting(job, arguments, keywords)
        if fitting:
            ids = ", ".join(str(record.id) for record in fitting[:_SHOWN])
            raise AssertionError(
                f"{_shown(job, arguments, keywords)} was submitted, as job {ids}; "
                f"{self._others(job)}"
            )

    def _fitting(
        self, job: Job[..., Any], arguments: tuple[object, ...], keywords: dict[str, object]
    ) -> list[JobRecord]:
        records = self.of(job)
        if not arguments and not keywords:
            return records
        wanted = _bound(job, job.prepare().arguments.encode(arguments, keywords))
        return [record for record in records if _bound(job, record.arguments) == wanted]

    def _others(self, job: Job[..., Any]) -> str:
        records = self.of(job)
        if not records:
            kinds = sorted({event.kind for event in self._book.events if event.kind is not None})
            return f"none of this kind was; of others: {', '.join(kinds) or 'none at all'}"
        lines = "".join(
            f"\n  job {record.id}, {record.status}: {record.arguments}"
            for record in records[-_SHOWN:]
        )
        return f"of {len(records)} of this kind the last ones are:{lines}"


def _checked(job: object) -> Job[..., Any]:
    if not isinstance(job, Job):
        raise TypeError(f"{job!r} is no job: pass the function that is decorated with @job")
    return cast("Job[..., Any]", job)


def _bound(job: Job[..., Any], text: str) -> dict[str, object]:
    """Every parameter's value, types restored, defaults filled in."""
    arguments, keywords = job.prepare().arguments.decode(text)
    parameters = list(inspect.signature(job.body).parameters.values())
    if job.definition.takes_context:
        parameters = parameters[1:]
    bound = inspect.Signature(parameters).bind(*arguments, **keywords)
    bound.apply_defaults()
    return bound.arguments


def _shown(job: Job[..., Any], arguments: tuple[object, ...], keywords: dict[str, object]) -> str:
    given = [*map(repr, arguments), *(f"{name}={value!r}" for name, value in keywords.items())]
    return f"{job.kind}({', '.join(given)})" if given else f"{job.kind}(...)"
