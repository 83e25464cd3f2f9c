"""Arguments, options and results that cannot be kept: refused with the place inside the value."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.supervisor.ledger import whole_ledger

from overseen import (
    InvalidArguments,
    InvalidOption,
    Job,
    JobFailed,
    PayloadTooLarge,
    Reason,
    Supervisor,
    TooManyCalls,
    job,
)

KIB = 1024


@job
async def add(a: int, b: float = 0.0) -> float:
    """Adds."""
    return a + b


@job
async def note(text: str, tags: dict[str, Any]) -> int:
    """Takes what JSON can hold."""
    return len(text) + len(tags)


gate: asyncio.Event


@job
async def patient() -> str:
    """Runs while others are refused."""
    await gate.wait()
    return "done"


@job
async def answer(what: str) -> Any:
    """Returns what cannot be kept."""
    return {
        "nan": {"mean": [1.0, float("nan")]},
        "surrogate": ["\ud800"],
        "object": {"it": object()},
        "large": "x" * 2 * KIB,
        "fine": 1,
    }[what]


JOBS: list[Job[..., Any]] = [add, note, patient, answer]


@pytest.fixture
async def supervisor(database: Path) -> AsyncIterator[Supervisor]:
    """A supervisor at work; afterwards nothing but that work must be on its ledger."""
    global gate
    gate = asyncio.Event()
    limited = Supervisor(database, jobs=JOBS, arguments_limit=KIB, result_limit=KIB)
    async with limited as supervisor:
        running = await supervisor.submit(patient)
        async for event in running.events():
            if event.type == "started":
                break
        yield supervisor
        gate.set()
        assert await running.result() == "done"
        told_of = {event.job_id for event in await whole_ledger(supervisor)}
        answers = {record.id for record in await supervisor.jobs(job=answer)}
        assert told_of == {None, running.id} | answers


@pytest.mark.parametrize(
    ("arguments", "path", "says"),
    [
        ((), "$", r"missing a required argument: 'a'. It is called as add\(a: int"),
        ((1, 2.0, 3), "$", "too many positional"),
        (("1",), "$.a", "Expected `int`, got `str`"),
        ((True,), "$.a", "Expected `int`, got `bool`"),
        ((None,), "$.a", "Expected `int`"),
        ((1, float("nan")), "$.b", "JSON has no NaN"),
        ((1, float("inf")), "$.b", "JSON has no"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused_at_submit(
    supervisor: Supervisor, arguments: tuple[Any, ...], path: str, says: str
) -> None:
    """The error names the kind, the place inside the arguments and what was expected."""
    with pytest.raises(InvalidArguments, match=says) as caught:
        await supervisor.submit(add, *arguments)
    assert (caught.value.kind, caught.value.path) == ("add", path)


@pytest.mark.parametrize(
    ("text", "tags", "path"),
    [
        ("\ud800", {}, "$.text"),
        ("", {"mood": "\udfff"}, "$.tags"),
        ("", {"\ud800": 1}, "$.tags"),
        ("", {"list": [1, {"x": float("-inf")}]}, "$.tags"),
        ("", {"a": object()}, "$.tags"),
        ("", {"a": {1, 2}}, "$.tags"),
    ],
)
async def test_nan_and_surrogates_are_found_anywhere_in_the_arguments(
    supervisor: Supervisor, text: str, tags: dict[str, Any], path: str
) -> None:
    """What JSON cannot hold is refused at submit, with its path, and never stored as null."""
    with pytest.raises(InvalidArguments) as caught:
        await supervisor.submit(note, text, tags)
    assert path in caught.value.path


async def test_one_wrong_call_refuses_all_of_its_transaction(supervisor: Supervisor) -> None:
    """`submit_many` is all or nothing, also when the last call does not fit."""
    calls = [add.call(n) for n in range(99)]
    wrong: Any = "x"
    with pytest.raises(InvalidArguments):
        await supervisor.submit_many([*calls, add.call(wrong)])


async def test_arguments_over_their_limit_are_refused_with_both_sizes(
    supervisor: Supervisor,
) -> None:
    """The error names the size, the limit, and what to do with large data."""
    with pytest.raises(PayloadTooLarge, match=r"the limit is 1,024.*in a file") as caught:
        await supervisor.submit(note, "x" * KIB, {})
    assert caught.value.size > caught.value.limit == KIB


async def test_too_many_calls_are_told_to_come_in_chunks(supervisor: Supervisor) -> None:
    """More than one transaction takes is refused before anything is stored."""
    with pytest.raises(TooManyCalls, match=r"at most 10,000 calls.*Submit them in chunks"):
        await supervisor.submit_many(add.call(n) for n in range(10_001))


WRONG_OPTIONS: list[dict[str, Any]] = [
    {"priority": 1001},
    {"delay": -1},
    {"delay": "soon"},
    {"at": datetime(2030, 1, 1)},  # noqa: DTZ001  the subject
    {"delay": 1, "at": datetime(2030, 1, 1, tzinfo=UTC)},
    {"key": ""},
    {"key": "a\0b"},
    {"on_conflict": "ignore"},
    {"idempotency_key": "x" * 501},
    {"labels": {"n": 1}},
    {"headers": {"x": "\ud800"}},
    {"retries": -1},
    {"timeout": 0},
    {"timeout": None},
    {"queue": ""},
    {"prio": 1},
]


@pytest.mark.parametrize("options", WRONG_OPTIONS, ids=lambda options: "+".join(options))
async def test_wrong_options_are_refused_before_the_submit(
    supervisor: Supervisor, options: dict[str, Any]
) -> None:
    """The error names the option, its value and what would be accepted."""
    with pytest.raises(InvalidOption, match="must be") as caught:
        await supervisor.submit(add.options(**options), 1)
    assert caught.value.name in options


@pytest.mark.parametrize(
    ("what", "path"),
    [("nan", "$.mean[1]"), ("surrogate", "$[0]"), ("object", "$.it"), ("large", "$")],
)
async def test_a_result_that_cannot_be_kept_fails_its_job_only(
    supervisor: Supervisor, what: str, path: str
) -> None:
    """It fails as `invalid`, tells where inside the value, and is not retried."""
    handle = await supervisor.submit(answer.options(retries=5), what)
    with pytest.raises(JobFailed) as caught:
        await handle.result()
    assert (caught.value.reason, caught.value.attempts) == (Reason.INVALID, 1)
    assert caught.value.error is not None
    assert f"not valid at {path}:" in caught.value.error.message
    assert await (await supervisor.submit(answer, "fine")).result() == 1


WRONG_QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("jobs", {"status": "done"}),
    ("jobs", {"status": ["running", "nonsense"]}),
    ("jobs", {"limit": 0}),
    ("jobs", {"limit": -1}),
    ("jobs", {"limit": 10**9}),
    ("jobs", {"before_id": "7"}),
    ("jobs", {"labels": {"n": 1}}),
    ("jobs", {"queue": "\ud800"}),
    ("job", {"job_id": "1"}),
    ("job", {"job_id": None}),
    ("job", {"job_id": True}),
    ("history", {"job_id": "1"}),
    ("logs", {"job_id": "1"}),
    ("retry", {"job_id": "1"}),
    ("cancel", {"job_id": 1.0}),
    ("cancel", {"job_id": 1, "reason": 3}),
    ("promote", {"job_id": "1"}),
    ("release", {"job_id": "1"}),
    ("change", {"job_id": "1", "priority": 1}),
    ("change", {"job_id": 1, "priority": 1001}),
    ("change", {"job_id": 1, "delay": 1, "at": datetime(2030, 1, 1, tzinfo=UTC)}),
    ("pause", {"queue": ""}),
]


@pytest.mark.parametrize(("verb", "given"), WRONG_QUESTIONS)
async def test_wrong_questions_are_refused_with_what_is_accepted(
    supervisor: Supervisor, verb: str, given: dict[str, Any]
) -> None:
    """Whatever is asked of the face, a wrong value is named, and nothing happens."""
    with pytest.raises(InvalidOption, match="must be"):
        await getattr(supervisor, verb)(**given)


async def test_a_wrong_place_to_begin_is_refused_at_once(supervisor: Supervisor) -> None:
    """`events` refuses before the first frame, not after it."""
    for after in ("yesterday", -1, True, None):
        wrong: Any = after
        with pytest.raises(InvalidOption, match="seq of an event"):
            supervisor.events(after=wrong)
        with pytest.raises(InvalidOption, match="seq of an event"):
            supervisor.handle(1).events(after=wrong)


async def test_a_status_may_be_given_by_its_name(supervisor: Supervisor) -> None:
    """`status="running"` finds what `status=Status.RUNNING` finds."""
    assert [record.kind for record in await supervisor.jobs(status="running")] == ["patient"]
    assert await supervisor.jobs(status=["completed", "failed"]) == []
