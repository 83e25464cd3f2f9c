"""What can be said about a kind of job, and about one submit of it. Checked where it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, Literal, TypedDict, TypeVar, cast

import msgspec

from overseen.attachments.errors import InvalidAttachmentName
from overseen.attachments.names import check_attachment_name
from overseen.durations import Duration
from overseen.errors import InvalidOption
from overseen.option_checks import (
    check_count,
    check_duration,
    check_mapping,
    check_moment,
    check_priority,
    check_text,
)
from overseen.retry_policy import Backoff, DelayFunction
from overseen_storage.items import OnConflict

__all__ = [
    "JobDefinition",
    "JobOptions",
    "OnLost",
    "SubmitOptions",
    "SubmitOverrides",
    "job_definition",
    "submit_options",
]

KIND_CHARACTERS_MAX: Final = 200
QUEUE_CHARACTERS_MAX: Final = 200
KEY_CHARACTERS_MAX: Final = 500
LABELS_BYTES_MAX: Final = 4_096
HEADERS_BYTES_MAX: Final = 8_192

_Member = TypeVar("_Member", bound=StrEnum)


class OnLost(StrEnum):
    """What becomes of a job whose process died while its body ran."""

    RETRY = "retry"
    """It runs again, as long as its budget of losses lasts."""
    FAIL = "fail"
    """It fails as `lost`: for work that must not happen twice."""
    HOLD = "hold"
    """It waits, held, until somebody decides."""


class JobOptions(TypedDict, total=False):
    """The options of ``@job``. A duration is seconds or text like ``"10m"``."""

    name: str
    """The kind, 1 to 200 characters. Default: the function's name."""
    queue: str
    """The queue it waits in. Default ``"default"``."""
    priority: int
    """-1000 to 1000, higher goes first. Default 0."""
    retries: int
    """How many failures it survives: 3 means three runs after the first. Default 0."""
    losses: int
    """How many deaths of its process it survives. Default 3."""
    timeout: Duration | None
    """Longest run of one attempt. Default: no limit."""
    heartbeat: Duration | None
    """Longest silence of a running body. Default: no limit."""
    grace: Duration
    """Time a body has to obey a cancellation before it is reported stuck. Default 10 s."""
    queue_timeout: Duration | None
    """Longest wait in the queue; past it the job fails as `expired`. Default: no limit."""
    backoff: Backoff | DelayFunction
    """Delay before a retry. Default ``Backoff()``: 1 s, doubled, at most 1 h, full jitter."""
    retry_on: type[BaseException] | tuple[type[BaseException], ...]
    """Errors that another attempt may cure. Default ``(Exception,)``."""
    on_lost: Literal["retry", "fail", "hold"]
    """What a death of its process means. Default ``"retry"``."""
    attachments: Sequence[str]
    """Names of the files it needs before it can run; see `Supervisor.draft`."""


class SubmitOverrides(TypedDict, total=False):
    """The arguments of ``Job.options``: what holds for this submit only."""

    queue: str
    """As in `JobOptions`, for this submit. So are the other options of the same name."""
    priority: int
    retries: int
    losses: int
    timeout: Duration
    heartbeat: Duration
    grace: Duration
    queue_timeout: Duration
    delay: Duration
    """Not before so long from now. Not together with `at`."""
    at: datetime
    """Not before this moment; with a time zone. A moment in the past means now."""
    key: str
    """Unique among the jobs that have not ended, 1 to 500 characters."""
    on_conflict: Literal["attach", "replace", "reject"]
    """What to do when a job with this key has not ended. Default ``"attach"``."""
    idempotency_key: str
    """Unique as long as the job is kept, 1 to 500 characters."""
    labels: Mapping[str, str]
    """Short texts by which the job is found again; at most 4 KiB as JSON."""
    headers: Mapping[str, str]
    """Handed on untouched, such as a trace context; at most 8 KiB as JSON."""


class JobDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of every job of one kind. Durations in whole microseconds."""

    kind: str
    function: str
    """Qualified name of the function."""
    location: str
    """Where the function is: ``file:line``."""
    is_async: bool
    """False: a plain ``def``, which runs in a thread."""
    takes_context: bool
    """Whether the body gets a `Context` as its first argument."""
    queue: str = "default"
    priority: int = 0
    retries: int = 0
    losses: int = 3
    timeout_us: int | None = None
    heartbeat_us: int | None = None
    grace_us: int = 10_000_000
    queue_timeout_us: int | None = None
    backoff: Backoff | DelayFunction = Backoff()
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    on_lost: OnLost = OnLost.RETRY
    attachments: tuple[str, ...] = ()


class SubmitOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What one submit says beyond its kind's definition. None: nothing was said."""

    queue: str | None = None
    priority: int | None = None
    retries: int | None = None
    losses: int | None = None
    timeout_us: int | None = None
    heartbeat_us: int | None = None
    grace_us: int | None = None
    queue_timeout_us: int | None = None
    delay_us: int | None = None
    at_us: int | None = None
    """Wall time in microseconds since the Unix epoch."""
    key: str | None = None
    on_conflict: OnConflict = OnConflict.ATTACH
    idempotency_key: str | None = None
    labels: str | None = None
    """JSON object of strings."""
    headers: str | None = None
    """JSON object of strings."""


def job_definition(
    options: JobOptions,
    *,
    name: str,
    function: str,
    location: str,
    is_async: bool,
    takes_context: bool,
) -> JobDefinition:
    """Check the options of ``@job`` and complete them. Raises `InvalidOption` with the place."""
    where = f"@job of {function} ({location})"
    _refuse_unknown(options, JobOptions.__annotations__, where)
    given = options.get
    try:
        return JobDefinition(
            kind=check_text("name", given("name", name), KIND_CHARACTERS_MAX),
            function=function,
            location=location,
            is_async=is_async,
            takes_context=takes_context,
            queue=check_text("queue", given("queue", "default"), QUEUE_CHARACTERS_MAX),
            priority=check_priority(given("priority", 0)),
            retries=check_count("retries", given("retries", 0)),
            losses=check_count("losses", given("losses", 3)),
            timeout_us=check_duration("timeout", given("timeout")),
            heartbeat_us=check_duration("heartbeat", given("heartbeat")),
            grace_us=check_duration("grace", given("grace", 10.0), zero=True) or 0,
            queue_timeout_us=check_duration("queue_timeout", given("queue_timeout")),
            backoff=_backoff(given("backoff", Backoff())),
            retry_on=_error_types(given("retry_on", (Exception,))),
            on_lost=_member("on_lost", given("on_lost", "retry"), OnLost),
            attachments=_names(given("attachments", ())),
        )
    except InvalidOption as error:
        raise InvalidOption(error.name, error.value, error.bound, where=where) from None


def submit_options(overrides: SubmitOverrides, base: SubmitOptions) -> SubmitOptions:
    """Check the arguments of ``Job.options`` and lay them over `base`. Raises `InvalidOption`.

    `delay` and `at` exclude each other: the one said later takes the place of the other.
    """
    _refuse_unknown(overrides, SubmitOverrides.__annotations__, "options()")
    said: dict[str, object] = {}
    for name, value in overrides.items():
        field, checked = _submit_field(name, value)
        said[field] = checked
    if "delay_us" in said and "at_us" in said:
        raise InvalidOption("at", overrides.get("at"), "given without `delay`: say one of them")
    if "delay_us" in said or "at_us" in said:
        base = msgspec.structs.replace(base, delay_us=None, at_us=None)
    return msgspec.structs.replace(base, **said)


def _submit_field(name: str, value: object) -> tuple[str, object]:
    if value is None:
        bound = "given, or left out: then what the job itself says holds"
        raise InvalidOption(name, value, bound, where="options()")
    match name:
        case "queue":
            return name, check_text(name, value, QUEUE_CHARACTERS_MAX)
        case "priority":
            return name, check_priority(value)
        case "retries" | "losses":
            return name, check_count(name, value)
        case "timeout" | "heartbeat" | "queue_timeout":
            return f"{name}_us", check_duration(name, value)
        case "grace" | "delay":
            return f"{name}_us", check_duration(name, value, zero=True)
        case "at":
            return "at_us", check_moment(name, value)
        case "key" | "idempotency_key":
            return name, check_text(name, value, KEY_CHARACTERS_MAX)
        case "on_conflict":
            return name, _member(name, value, OnConflict)
        case "labels":
            return name, check_mapping(name, value, LABELS_BYTES_MAX)
        case _:
            return name, check_mapping(name, value, HEADERS_BYTES_MAX)


def _refuse_unknown(options: Mapping[str, object], known: Mapping[str, object], where: str) -> None:
    for name, value in options.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f" (did you mean `{near[0]}`?)" if near else ""
            bound = f"one of the known options{hint}: {', '.join(known)}"
            raise InvalidOption(name, value, bound, where=where)


def _member(name: str, value: object, members: type[_Member]) -> _Member:
    try:
        return members(str(value))
    except ValueError:
        bound = " or ".join(f'"{member.value}"' for member in members)
        raise InvalidOption(name, value, bound) from None


def _backoff(value: object) -> Backoff | DelayFunction:
    if isinstance(value, Backoff):
        return value
    if callable(value) and not isinstance(value, type):
        return cast(DelayFunction, value)  # what it returns is checked when it is called
    bound = "a Backoff(...) or a function (failures, error) -> delay"
    raise InvalidOption("backoff", value, bound)


def _error_types(value: object) -> tuple[type[BaseException], ...]:
    kinds = cast("tuple[object, ...]", value if isinstance(value, tuple) else (value,))
    found = tuple(kind for kind in kinds if isinstance(kind, type))
    errors = tuple(kind for kind in found if issubclass(kind, BaseException))
    if len(errors) != len(kinds):
        raise InvalidOption("retry_on", kinds, "an exception class or a tuple of them")
    return errors


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, tuple | list):
        raise InvalidOption("attachments", value, "a tuple of names")
    names = cast("Sequence[object]", value)
    return tuple(dict.fromkeys(map(_attachment_name, names)))


def _attachment_name(value: object) -> str:
    name = check_text("attachments", value, KIND_CHARACTERS_MAX)
    try:
        check_attachment_name(name)
    except InvalidAttachmentName as error:
        raise InvalidOption("attachments", name, f"names of files: {error.problem}") from None
    return name
