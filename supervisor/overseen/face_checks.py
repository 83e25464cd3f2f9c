"""What a caller hands to the face, looked at before anything is done with it.

The types say it all to those who run a type checker; these checks are for everybody else. Each
names what it was given and what it takes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, cast

import msgspec

from overseen.errors import InvalidOption, SupervisorError
from overseen.jobs import Call, Job
from overseen.option_checks import check_text
from overseen.plain_text import plain_text
from overseen.settings import QueueLimits, Retention
from overseen_storage.groups import JobQuery
from overseen_storage.lifecycle import FRAMES, EventType, Status

__all__ = [
    "check_after",
    "check_call",
    "check_calls",
    "check_database",
    "check_events",
    "check_hook",
    "check_id",
    "check_job",
    "check_jobs",
    "check_limit",
    "check_queues",
    "check_retention",
    "labels_of",
    "page_query",
    "reason_text",
    "text_or_none",
]

PAGE_JOBS_MAX: Final = 10_000
QUEUE_CHARACTERS_MAX: Final = 200
DECORATE: Final = "a job: decorate the function with @job, and name it in Supervisor(jobs=[...])"
CALLS: Final = "calls, such as [add.call(1), add.call(2)]: each is made by job.call(...)"


def check_job(value: object) -> None:
    """Accept what ``@job`` returns."""
    if _is_a(Call, value):
        bound = "the job, followed by its arguments; calls go to submit_many([...])"
        raise InvalidOption("job", value, bound)
    if not isinstance(value, Job):
        raise InvalidOption("job", value, DECORATE)


def check_jobs(value: Iterable[Job[..., Any]]) -> list[Job[..., Any]]:
    """Accept an iterable of jobs."""
    _require_iterable("jobs", value, "a list of jobs: jobs=[transcode, ...]")
    jobs = list(value)
    for one in jobs:
        check_job(one)
    return jobs


def check_call(value: object) -> None:
    """Accept what ``job.call(...)`` returns."""
    if not isinstance(value, Call):
        raise InvalidOption("calls", value, CALLS)


def check_calls(value: object) -> None:
    """Accept an iterable; the calls in it are looked at one by one."""
    _require_iterable("calls", value, CALLS)


def _require_iterable(name: str, value: object, bound: str) -> None:
    if _is_a(str, value) or _is_a(Mapping, value) or not _is_a(Iterable, value):
        raise InvalidOption(name, value, bound)


def check_id(value: object, what: Literal["job", "batch"] = "job") -> int:
    """Accept the id of a job or batch, whether there is such a one or not."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    owner = "handle.id" if what == "job" else "batch.id"
    raise InvalidOption(f"{what}_id", value, f"the id of a {what}: a whole number ({owner})")


def check_after(value: object) -> None:
    """Accept where a subscription begins."""
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not whole and value not in ("start", "now"):
        raise InvalidOption("after", value, '"start", "now" or the seq of an event')


def check_events(types: tuple[object, ...]) -> None:
    """Accept names of events."""
    known = [type for type in EventType if type not in FRAMES]
    for name in types:
        if callable(name):
            raise InvalidOption("event", name, "named, or none: @supervisor.on() for all events")
        if name not in known:
            raise InvalidOption("event", name, f"one of {', '.join(known)}")


def check_hook(hook: object, *, started: bool) -> None:
    """Accept a function, before the start."""
    if not callable(hook):
        raise InvalidOption("hook", hook, "a function that takes an event")
    if started:
        raise SupervisorError(
            "hooks are registered before the start: call @supervisor.on(...) where the "
            "supervisor is made; while it runs, use supervisor.events()"
        )


def check_database(value: object) -> None:
    """Accept a path, ``":memory:"`` or a function that makes a store."""
    bound = 'the path of a file, ":memory:", or a function that makes a store'
    if callable(value):
        return
    path = os.fspath(cast("os.PathLike[str]", value)) if _is_path(value) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise InvalidOption("database", value, bound)
    if path.startswith("file:"):
        raise InvalidOption("database", value, f"{bound}; SQLite's file: addresses are not used")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise InvalidOption("database", value, f"{bound}, without surrogates") from None


def _is_path(value: object) -> bool:
    return isinstance(value, str | os.PathLike)


def check_queues(value: object) -> QueueLimits:
    """Accept a mapping of queue names to limits; the limits are looked at by `Settings`."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidOption("queues", value, 'a mapping of names to limits: {"media": 4}')
    given = cast("Mapping[str, int]", value)
    return {check_text("queues", name, QUEUE_CHARACTERS_MAX): given[name] for name in given}


def check_retention(value: object) -> Retention:
    """Accept a `Retention`; None is the default one."""
    if value is None:
        return Retention()
    if isinstance(value, Retention):
        return value
    raise InvalidOption("retention", value, 'Retention(completed="7d", failed="30d", ...)')


def reason_text(value: object) -> str | None:
    """Accept what a caller says about a cancellation, as the JSON that goes on the ledger."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidOption("reason", value, "text, or nothing")
    return msgspec.json.encode({"message": plain_text(value)}).decode()


def page_query(
    *,
    status: Status | str | Iterable[Status | str] | None,
    job: Job[..., Any] | str | None,
    queue: str | None,
    labels: Mapping[str, str] | None,
    key: str | None,
    held: bool | None,
    batch_id: int | None,
    before_id: int | None,
    limit: int,
) -> JobQuery:
    """Return what a page of jobs is asked with. A status may be given by its name."""
    check_limit(limit)
    return JobQuery(
        status=None if status is None else _statuses(status),
        kind=job.kind if isinstance(job, Job) else text_or_none("job", job),
        queue=text_or_none("queue", queue),
        labels=labels_of(labels),
        key=text_or_none("key", key),
        held=held,
        batch_id=batch_id,
        before_id=None if before_id is None else check_id(before_id),
        limit=limit,
    )


def check_limit(value: object) -> None:
    """Accept how many rows a page may have."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= PAGE_JOBS_MAX:
        raise InvalidOption("limit", value, f"a whole number from 1 to {PAGE_JOBS_MAX:,}")


def _statuses(given: Status | str | Iterable[Status | str]) -> frozenset[Status]:
    names = [given] if isinstance(given, str) else list(given)
    for name in names:
        if name not in list(Status):
            raise InvalidOption("status", name, f"one or more of {', '.join(Status)}")
    return frozenset(map(Status, names))


def text_or_none(name: str, value: object) -> str | None:
    """Accept text that can be in the database, or nothing."""
    if value is None or (isinstance(value, str) and _is_storable(value)):
        return value
    raise InvalidOption(name, value, "text without surrogates")


def labels_of(given: object) -> dict[str, str]:
    """Accept labels to look for, or nothing."""
    if given is None:
        return {}
    bound = "a mapping of text to text, without surrogates"
    if not _is_a(Mapping, given):
        raise InvalidOption("labels", given, bound)
    labels = dict(cast("Mapping[object, object]", given))
    for part in (*labels, *labels.values()):
        if not isinstance(part, str) or not _is_storable(part):
            raise InvalidOption("labels", labels, bound)
    return cast("dict[str, str]", labels)


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_a(kind: type, value: object) -> bool:
    """As isinstance, but type checkers go on to take the value for what it was."""
    return isinstance(value, kind)
