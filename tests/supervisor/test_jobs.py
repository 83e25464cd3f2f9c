"""The @job decorator: what becomes a job, with which options, and what is refused and why."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from overseen.context import Context
from overseen.errors import DuplicateJob, InvalidOption, JobDefinitionError, UnknownJob
from overseen.job_options import OnLost
from overseen.jobs import AsyncJob, Call, SyncJob, job
from overseen.registry import Registry
from overseen.retry_policy import Backoff
from overseen_storage.items import OnConflict


@job
async def bare(n: int = 1) -> int:
    """Doubles."""
    return 2 * n


@job(queue="media", priority=-5, retries=3, timeout="10m", heartbeat=30, on_lost="hold")
async def configured(ctx: Context, path: str, preset: str = "fast") -> str:
    ctx.progress(1, 2)
    return f"{path} {preset} {ctx.job_id}"


@job
def plain(ctx: Context, n: int) -> int:
    return n + ctx.job_id


def refused(function: Callable[..., Any], **options: Any) -> JobDefinitionError:
    with pytest.raises(JobDefinitionError) as caught:
        (job(**options) if options else job)(function).prepare()
    assert caught.value.location.startswith(__file__)
    return caught.value


def test_a_bare_job_has_the_defaults() -> None:
    """Without options: its name is its kind, no retries, three losses, no limits, 10 s grace."""
    definition = bare.definition
    assert (bare.kind, definition.queue, definition.priority) == ("bare", "default", 0)
    assert (definition.retries, definition.losses) == (0, 3)
    assert (definition.timeout_us, definition.heartbeat_us, definition.queue_timeout_us) == (
        None,
        None,
        None,
    )
    assert (definition.grace_us, definition.on_lost) == (10_000_000, OnLost.RETRY)
    assert (definition.backoff, definition.retry_on) == (Backoff(), (Exception,))
    assert (definition.is_async, definition.takes_context) == (True, False)


def test_options_are_kept_in_microseconds() -> None:
    """What @job was told is on the definition, durations in whole microseconds."""
    definition = configured.definition
    assert (definition.queue, definition.priority, definition.retries) == ("media", -5, 3)
    assert (definition.timeout_us, definition.heartbeat_us) == (600_000_000, 30_000_000)
    assert definition.on_lost is OnLost.HOLD
    assert definition.takes_context


async def test_calling_a_job_runs_its_body() -> None:
    """Called directly it just runs, with a context that belongs to no job."""
    assert await bare(4) == 8
    assert await configured("a", preset="slow") == "a slow 0"
    assert plain(3) == 3
    assert isinstance(configured, AsyncJob)
    assert isinstance(plain, SyncJob)


def test_a_job_shows_the_function_it_was_made_of() -> None:
    """Name, docstring and place stay visible."""
    assert (bare.__doc__, bare.__dict__["__name__"]) == ("Doubles.", "bare")
    assert "test_jobs.py:" in repr(bare)


def test_a_call_keeps_its_arguments() -> None:
    """A Call is the job and its arguments, unchecked until it is submitted."""
    call = configured.call("a", preset="slow")
    assert call == Call(configured, ("a",), {"preset": "slow"})


def test_options_make_a_changed_copy() -> None:
    """Options for a submit leave the job alone, and later ones are laid over earlier ones."""
    first = configured.options(priority=5, delay="1h", key="a", on_conflict="replace")
    second = first.options(priority=7, labels={"b": "2", "a": "1"}, timeout=1.5, retries=0)
    assert configured.overrides.priority is None
    assert (first.overrides.priority, first.overrides.delay_us) == (5, 3_600_000_000)
    assert (second.overrides.key, second.overrides.on_conflict) == ("a", OnConflict.REPLACE)
    assert second.overrides.labels == '{"a":"1","b":"2"}'
    assert (second.effective.priority, second.effective.timeout_us) == (7, 1_500_000)
    assert (second.effective.retries, second.effective.queue) == (0, "media")
    assert second.prepare() is configured.prepare()
    assert type(second) is type(configured)


def test_the_last_said_time_counts() -> None:
    """`at` takes the place of an earlier `delay`; both at once are refused."""
    moment = datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    later = bare.options(delay=5).options(at=moment)
    assert later.overrides.delay_us is None
    assert later.overrides.at_us == int(datetime(2030, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    with pytest.raises(InvalidOption, match="without `delay`"):
        bare.options(delay=5, at=moment)


BAD_OPTIONS: list[tuple[str, Any]] = [
    *[("name", value) for value in ("", "a\nb", "a\x00", "x" * 201, 3, "\ud800")],
    *[("queue", value) for value in ("", "a\tb", None)],
    *[("priority", value) for value in (1_001, -1_001, 1.0, True, "1")],
    *[("retries", value) for value in (-1, 10_001, 1.5, False)],
    ("losses", -1),
    *[("timeout", value) for value in (0, -1, float("nan"), "soon", True)],
    *[("heartbeat", 0), ("grace", "x"), ("queue_timeout", -1)],
    *[("backoff", value) for value in (3, "1s", Backoff)],
    *[("retry_on", value) for value in ("ValueError", (int,), ValueError())],
    ("on_lost", "ignore"),
    *[("attachments", value) for value in ("input", 3, ("a", ""))],
    ("retrys", 3),
]


@pytest.mark.parametrize(("name", "value"), BAD_OPTIONS)
def test_wrong_options_are_refused_at_decoration(name: str, value: Any) -> None:
    """The error names the option, its bound, the function, its file and line."""

    async def work() -> None: ...

    with pytest.raises(InvalidOption, match=r"@job of .*work \(.*test_jobs.py:\d+\)") as caught:
        job(**{name: value})(work)
    assert caught.value.name == name


def test_a_misspelt_option_is_recognised() -> None:
    """The error for an unknown option says which one was meant."""
    misspelt: Any = {"retrys": 3}
    with pytest.raises(InvalidOption, match="did you mean `retries`"):
        bare.options(**misspelt)


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": datetime(2030, 1, 1)},  # noqa: DTZ001  without a time zone: what is refused
        {"at": "tomorrow"},
        {"at": datetime(1960, 1, 1, tzinfo=UTC)},
        {"key": ""},
        {"key": "x" * 501},
        {"idempotency_key": 3},
        {"on_conflict": "ignore"},
        {"labels": {"a": 1}},
        {"labels": [("a", "b")]},
        {"labels": {"a": "\ud800"}},
        {"labels": {"a": "x" * 5_000}},
        {"headers": "traceparent"},
        {"delay": -1},
        {"priority": 5_000},
    ],
)
def test_wrong_options_for_a_submit_are_refused(wrong: dict[str, Any]) -> None:
    """The error names the option."""
    with pytest.raises(InvalidOption) as caught:
        bare.options(**wrong)
    assert caught.value.name in wrong


def test_a_first_parameter_that_hides_the_context_is_refused() -> None:
    """Unannotated, Any, object or a union with Context: type checkers would eat it silently."""

    async def unannotated(x: int) -> None: ...
    async def anything(x: Any) -> None: ...
    async def whatever(x: object) -> None: ...
    async def either(x: Context | None) -> None: ...

    del unannotated.__annotations__["x"]
    for wrong in (unannotated, anything, whatever, either):
        error = refused(wrong)
        assert "its first parameter, `x`" in error.problem
        assert "ctx" in error.fix or "`Context`" in error.fix


def test_the_context_has_one_place() -> None:
    """It is the first positional parameter, without a default."""

    async def second(n: int, ctx: Context) -> None: ...
    async def keyword(*, ctx: Context) -> None: ...
    async def default(ctx: Context = Context.detached()) -> None: ...  # noqa: B008  the subject

    assert "not the first" in refused(second).problem
    assert "not the first" in refused(keyword).problem
    assert "has a default" in refused(default).problem


def test_what_is_no_function_of_one_run_is_refused() -> None:
    """Generators, classes, partials, jobs and hidden coroutines get an error that says why."""

    def yields() -> Iterator[int]:
        yield 1

    async def yields_too() -> Any:
        yield 1

    def hidden() -> Awaitable[int]:
        return bare(1)

    assert "yields" in refused(yields).problem
    assert "yields" in refused(yields_too).problem
    assert "awaitable" in refused(hidden).problem
    for wrong in (int, functools.partial(plain.body, 1), print, 3):
        thing: Any = wrong
        with pytest.raises(JobDefinitionError, match="not a function"):
            job(thing)
    with pytest.raises(JobDefinitionError, match="job already"):
        job(bare)


async def test_methods_lambdas_wrapped_and_nested_functions_are_fine() -> None:
    """Anything that is called like a function and has annotations can be a job."""

    class Sender:
        async def send(self, n: int) -> int:
            return n

    @functools.wraps(bare.body)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return bare.body(*args, **kwargs)

    def nested(n: int) -> int:
        return n

    method = job(Sender().send)
    assert (method.kind, await method(3)) == ("send", 3)
    assert method.prepare().arguments.encode((3,), {}) == '{"n":3}'
    wrapped = job(wrapper)
    assert (wrapped.definition.is_async, await wrapped(2)) == (True, 4)
    assert wrapped.prepare().arguments.encode((3,), {}) == '{"n":3}'
    assert job(nested)(1) == 1
    assert job(name="answer")(lambda: 42)() == 42


@pytest.fixture
def deferred(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of jobs whose annotations are text, freshly imported."""
    path = Path(__file__).with_name("deferred_jobs.py")
    spec = importlib.util.spec_from_file_location("deferred_jobs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "deferred_jobs", module)
    spec.loader.exec_module(module)
    return module


def test_annotations_may_be_text_and_come_later(deferred: ModuleType) -> None:
    """A type that is defined below the job, and a Context imported for checkers, are found."""
    module = deferred
    assert module.later.definition.takes_context
    arguments = module.later.prepare().arguments
    assert arguments.decode('{"thing":{"size":3}}') == ((), {"thing": module.Thing(3)})


def test_names_that_never_exist_are_named(deferred: ModuleType) -> None:
    """A type imported only for type checkers is refused at registration, with its name."""
    with pytest.raises(JobDefinitionError, match=r"`price`.*'Decimal' is not defined.*at run time"):
        Registry([deferred.hidden])


def test_parameter_names_with_two_underscores_are_refused() -> None:
    """They could clash with the inside of the codec."""

    async def odd(__n: int) -> None: ...

    assert "two underscores" in refused(odd).problem


def test_the_registry_finds_jobs_by_kind() -> None:
    """A registered job is found; the same one, with other options, is not a duplicate."""
    registry = Registry([bare, configured, bare.options(priority=3)])
    assert registry.get("bare") is bare
    assert registry.kinds == {"bare", "configured"}
    assert ("bare" in registry, "plain" in registry, len(registry)) == (True, False, 2)
    assert list(registry) == [bare, configured]


def test_an_unknown_kind_gets_a_hint() -> None:
    """The error names similar kinds and where a job is registered."""
    with pytest.raises(UnknownJob, match=r"Did you mean 'configured'\? .*jobs=\[") as caught:
        Registry([bare, configured]).get("configurd")
    assert caught.value.near == ("configured",)
    with pytest.raises(UnknownJob, match=r"\(0 are\)\. Pass"):
        Registry().get("x")


def test_two_functions_of_one_kind_are_refused() -> None:
    """The error names both places."""
    other = job(name="bare")(plain.body)
    with pytest.raises(DuplicateJob, match="defined twice") as caught:
        Registry([bare, other])
    assert caught.value.first.startswith("bare (")
    assert caught.value.second.startswith("plain (")


def test_definitions_and_calls_are_frozen() -> None:
    """What was checked cannot be changed afterwards."""
    for record in (bare.definition, bare.overrides, bare.call(1), Backoff()):
        field = msgspec.structs.fields(record)[0].name
        with pytest.raises(AttributeError):
            setattr(record, field, None)
