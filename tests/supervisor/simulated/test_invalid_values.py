"""Values that do not fit what the code declares: `invalid`, with the path, and no retry."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import Context, Job, Reason, job


@job(name="resize", retries=5)
async def resize_of_yesterday(width: int, label: str = "none") -> int:
    return width


@dataclass
class Size:
    width: int


@job(name="resize", retries=5)
async def takes_more(width: int, height: int) -> int:
    return width


@job(name="resize", retries=5)
async def takes_text(width: str, label: str = "none") -> str:
    return width


@job(name="resize", retries=5)
async def takes_a_class(width: Size, label: str = "none") -> int:
    return width.width


@job(name="resize", retries=5)
async def takes_less() -> int:
    return 1


@pytest.mark.parametrize(
    ("changed", "path"),
    [(takes_more, "label"), (takes_text, "$.width"), (takes_a_class, "$.width"), (takes_less, "")],
    ids=["one more", "other type", "a class", "none"],
)
async def test_arguments_that_do_not_fit_changed_code_are_invalid(
    make: Make, changed: Job[..., Any], path: str
) -> None:
    """A job submitted to yesterday's code, whose arguments do not fit today's, fails as `invalid`
    with the path inside them, without a retry and without its body having run."""
    async with make(resize_of_yesterday) as supervisor:
        later = resize_of_yesterday.options(delay="1h")
        handle = await supervisor.submit(later, 1, label="a")
    async with make(changed) as supervisor:
        outcome = await supervisor.handle(handle.id).wait()
        row = await supervisor.job(handle.id)

    assert (outcome.answer, outcome.reason, outcome.attempts) == ("failed", Reason.INVALID, 1)
    assert outcome.error is not None
    assert path in outcome.error.message
    assert row.arguments == '{"width":1,"label":"a"}'


async def test_arguments_that_still_fit_changed_code_run(make: Make) -> None:
    """Code that gained a parameter with a default runs yesterday's jobs, by today's default."""

    @job(name="resize")
    async def gained(width: int, label: str = "none", unit: str = "cm") -> str:
        return f"{width} {unit}"

    async with make(resize_of_yesterday) as supervisor:
        handle = await supervisor.submit(resize_of_yesterday.options(delay="1h"), 1, label="a")
    async with make(gained) as supervisor:
        assert await supervisor.handle(handle.id, gained).result() == "1 cm"


def deep() -> object:
    value: object = []
    for _ in range(100_000):
        value = [value]
    return value


VALUES: dict[str, tuple[Callable[[], object], str]] = {
    "NaN": (lambda: math.nan, "$"),
    "infinity inside": (lambda: {"a": [1.0, -math.inf]}, "$.a[1]"),
    "surrogate": (lambda: ["fine", "\ud800"], "$[1]"),
    "surrogate in a key": (lambda: {"\udfff": 1}, "$"),
    "object": (lambda: {"o": object()}, "$.o"),
    "coroutine-like": (lambda: print, "$"),
    "too deep": (deep, "$"),
    "too large": (lambda: "x" * 5_000, "5,002"),
    "huge number": (lambda: 10**5_000, "$"),
    "set": (lambda: {"s": {1, 2}}, "$.s"),
}


@job(retries=5)
async def returns(what: str) -> object:
    return VALUES[what][0]()


@job(retries=5)
def returns_from_thread(what: str) -> object:
    return VALUES[what][0]()


@pytest.mark.parametrize("what", VALUES)
async def test_a_result_that_is_not_json_is_invalid(make: Make, what: str) -> None:
    """A result that cannot be kept fails its job as `invalid`, with the path inside the value and
    without a retry; its neighbours in the same group complete."""
    async with make(returns, returns_from_thread, resize_of_yesterday, result_limit=4_096) as it:
        bad = [await it.submit(body, what) for body in (returns, returns_from_thread)]
        good = await it.submit(resize_of_yesterday, 3)

        for handle in bad:
            outcome = await handle.wait()
            assert (outcome.answer, outcome.reason) == ("failed", Reason.INVALID)
            assert outcome.attempts == 1
            assert outcome.error is not None
            assert VALUES[what][1] in outcome.error.message
        assert await good.result() == 3


async def test_a_result_of_another_type_than_declared_is_invalid(make: Make) -> None:
    """The return annotation is a promise: a body that breaks it fails as `invalid`."""

    @job(retries=5)
    async def lies() -> int:
        return "three"  # type: ignore[return-value]  # what the test is about

    async with make(lies) as supervisor:
        outcome = await (await supervisor.submit(lies)).wait()

    assert (outcome.reason, outcome.attempts) == (Reason.INVALID, 1)


REPORTS: dict[str, Callable[[Context], object]] = {
    "checkpoint": lambda ctx: ctx.checkpoint({"position": math.nan}),
    "warning": lambda ctx: ctx.warn("odd", position=math.nan),
    "log": lambda ctx: ctx.log("odd", position=math.nan),
}


@pytest.mark.parametrize("report", REPORTS)
async def test_a_report_that_is_not_json_is_invalid(make: Make, report: str) -> None:
    """A checkpoint, a warning or a log line with NaN fails the job as `invalid`, with its path."""

    @job(retries=5)
    async def reports(ctx: Context) -> None:
        REPORTS[report](ctx)

    async with make(reports) as supervisor:
        outcome = await (await supervisor.submit(reports)).wait()

    assert (outcome.answer, outcome.reason, outcome.attempts) == ("failed", Reason.INVALID, 1)
    assert outcome.error is not None
    assert "$.position" in outcome.error.message


async def test_a_progress_that_is_no_number_is_invalid(make: Make) -> None:
    """NaN and infinity in progress fail the job as `invalid`, naming which number it was."""

    @job(retries=5)
    async def reports(ctx: Context, value: str) -> None:
        ctx.progress(1, float(value))

    async with make(reports) as supervisor:
        outcomes = [await (await supervisor.submit(reports, v)).wait() for v in ("nan", "inf")]

    for outcome in outcomes:
        assert (outcome.answer, outcome.reason, outcome.attempts) == ("failed", Reason.INVALID, 1)
        assert outcome.error is not None
        assert "total" in outcome.error.message


async def test_odd_text_in_reports_is_kept_in_a_safe_form(make: Make) -> None:
    """Surrogates and NUL in messages, stages and log lines are written out, not refused: they are
    for people, and neighbours in the same group are not touched."""

    @job
    async def reports(ctx: Context) -> str:
        ctx.progress(1, 2, message="\ud800 \0", stage="\udfff")
        ctx.log("\ud800 \0 line")
        ctx.warn("\ud800 \0 warning")
        return "fine"

    async with make(reports) as supervisor:
        handles = await supervisor.submit_many(reports.call() for _ in range(3))
        assert [await handle.result() for handle in handles] == ["fine"] * 3
        row = await handles[1].record()

    assert row.progress is not None
    assert row.progress.message is not None
    assert row.progress.message.isprintable()
    assert row.warnings == 1
