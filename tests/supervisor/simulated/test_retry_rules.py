"""Which failures are repeated, how often, and after how long."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import Abandon, Backoff, Context, EventType, Handle, JobFailed, Reason, Snooze, job
from overseen.durations import Duration

FLAT = Backoff(initial="1m", factor=1, maximum="1m", jitter="none")


async def delays(handle: Handle[None]) -> list[float]:
    """Return the delays that the ledger tells of, in seconds."""
    return [
        msgspec.json.decode(event.data or "")["delay_seconds"]
        for event in await handle.history()
        if event.type is EventType.RETRYING
    ]


@job(backoff=FLAT)
async def always_fails() -> None:
    raise ConnectionError("as always")


@pytest.mark.parametrize("retries", [0, 1, 5])
async def test_retries_are_runs_after_the_first(make: Make, retries: int) -> None:
    """``retries=n`` means n runs after the first one, however the budget was given."""
    async with make(always_fails) as supervisor:
        handle = await supervisor.submit(always_fails.options(retries=retries))
        outcome = await handle.wait()
        row = await handle.record()

    assert (outcome.answer, outcome.attempts, row.failures) == ("failed", retries + 1, retries + 1)


async def test_the_last_failure_says_why_there_is_no_other_attempt(make: Make) -> None:
    """The `failed` event tells whether the budget was spent or the error is none to retry."""

    @job(retries=1, backoff=FLAT)
    async def picky(error: str) -> None:
        raise ValueError(error) if error == "value" else SystemExit(error)

    async with make(picky) as supervisor:
        handles = [await supervisor.submit(picky, error) for error in ("value", "exit")]
        ends = [(await h.wait(), (await h.history())[-1]) for h in handles]

    assert [outcome.attempts for outcome, _ in ends] == [2, 1]
    assert [msgspec.json.decode(event.data or "") for _, event in ends] == [
        {"failures": 2, "retries": 1, "decision": "no failures left"},
        {"failures": 1, "retries": 1, "decision": "not an error to retry"},
    ]


@job(retries=1, backoff=FLAT, retry_on=(ConnectionError, KeyError))
async def retries_some(ctx: Context, how: str) -> int:
    errors: dict[str, BaseException] = {
        "named": KeyError("named"),
        "subclass": ConnectionResetError("a subclass of a named one"),
        "other": ValueError("not named"),
        "group of named": ExceptionGroup("g", [KeyError(1), ExceptionGroup("h", [KeyError(2)])]),
        "group with another": ExceptionGroup("g", [KeyError(1), ValueError(2)]),
        "timeout": TimeoutError("not named either"),
    }
    if ctx.attempt == 1:
        raise errors[how]
    return ctx.attempt


@pytest.mark.parametrize(
    ("how", "attempts"),
    [
        ("named", 2),
        ("subclass", 2),
        ("group of named", 2),
        ("other", 1),
        ("group with another", 1),
        ("timeout", 1),
    ],
)
async def test_only_errors_that_are_named_are_retried(make: Make, how: str, attempts: int) -> None:
    """`retry_on` decides by class; a group is retried when all that is in it would be."""
    async with make(retries_some) as supervisor:
        outcome = await (await supervisor.submit(retries_some, how)).wait()

    assert (outcome.answer, outcome.attempts) == (
        "completed" if attempts == 2 else "failed",
        attempts,
    )


async def test_full_jitter_is_drawn_from_the_given_source(make: Make) -> None:
    """The same source of chance gives the same delays, each between nothing and its cap, and the
    caps double up to the maximum."""

    @job(retries=7, backoff=Backoff(initial="1m", maximum="10m"))
    async def unlucky() -> None:
        raise OSError("no luck")

    drawn: list[list[float]] = []
    for _ in range(2):
        async with make(unlucky) as supervisor:
            handle = await supervisor.submit(unlucky)
            await handle.wait()
            drawn.append(await delays(handle))

    assert drawn[0] == drawn[1]
    caps = [60, 120, 240, 480, 600, 600, 600]
    assert all(0 <= delay < cap for delay, cap in zip(drawn[0], caps, strict=True))
    assert len(set(drawn[0])) == 7


async def test_a_custom_backoff_gets_the_count_and_the_error(make: Make) -> None:
    """A function as backoff is asked with the failures so far and the error, and is obeyed."""
    asked: list[tuple[int, str]] = []

    def by_error(failures: int, error: BaseException | None) -> Duration:
        asked.append((failures, repr(error)))
        return "90s" if failures == 1 else 7

    @job(retries=2, backoff=by_error)
    async def failing(ctx: Context) -> None:
        raise OSError(ctx.attempt)

    async with make(failing) as supervisor:
        handle = await supervisor.submit(failing)
        begun = asyncio.get_running_loop().time()
        await handle.wait()
        took = asyncio.get_running_loop().time() - begun
        assert await delays(handle) == [90.0, 7.0]

    assert took == pytest.approx(97, abs=0.1)
    assert asked == [(1, "OSError(1)"), (2, "OSError(2)")]


@pytest.mark.parametrize("raised", [ZeroDivisionError, KeyboardInterrupt, asyncio.CancelledError])
async def test_a_backoff_that_raises_harms_nobody(make: Make, raised: type[BaseException]) -> None:
    """A bug in a custom backoff is no job's outcome and no supervisor's end: the job is retried
    by the default backoff."""

    def broken(failures: int, error: BaseException | None) -> Duration:
        raise raised("in the backoff")

    @job(retries=2, backoff=broken)
    async def second_time(ctx: Context) -> int:
        if ctx.attempt < 2:
            raise OSError("once")
        return ctx.attempt

    async with make(second_time) as supervisor:
        handle = await supervisor.submit(second_time)

        assert await handle.result() == 2
        assert supervisor.figures.restarts == 0


async def test_a_snooze_costs_nothing_and_runs_again_after_its_delay(make: Make) -> None:
    """A body that raises `Snooze` runs again after that time; it may do so for ever."""

    @job
    async def not_yet(ctx: Context) -> int:
        if ctx.attempt <= 5:
            raise Snooze("2h")
        return ctx.attempt

    async with make(not_yet) as supervisor:
        handle = await supervisor.submit(not_yet)
        begun = asyncio.get_running_loop().time()

        assert await handle.result() == 6
        assert asyncio.get_running_loop().time() - begun == pytest.approx(10 * 3600, abs=1)
        row = await handle.record()
        assert (row.failures, row.losses, row.snoozes) == (0, 0, 5)
        types = [e.type for e in await handle.history()]
        assert types[:4] == ["submitted", "started", "snoozed", "due"]


async def test_a_snooze_of_nothing_is_a_turn_at_the_back(make: Make) -> None:
    """``Snooze(0)`` is legal: the job is due again at once."""

    @job
    async def again(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise Snooze(0)
        return ctx.attempt

    async with make(again) as supervisor:
        assert await (await supervisor.submit(again)).result() == 2


async def test_abandon_ends_the_job_whatever_the_budget(make: Make) -> None:
    """A body that raises `Abandon` fails at once, as `abandoned`, with its reason."""

    @job(retries=9)
    async def hopeless() -> None:
        raise Abandon("the account was closed")

    async with make(hopeless) as supervisor:
        handle = await supervisor.submit(hopeless)
        with pytest.raises(JobFailed, match="account was closed") as caught:
            await handle.result()
        assert (await handle.wait()).attempts == 1

    assert caught.value.reason is Reason.ABANDONED


async def test_a_job_that_completes_after_failures_shows_no_error(make: Make) -> None:
    """A completed job's outcome has no error, from memory and from its row alike."""

    @job(retries=1, backoff=FLAT)
    async def second(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise OSError("first")
        return ctx.attempt

    async with make(second) as supervisor:
        handle = await supervisor.submit(second)
        fresh = await handle.wait()
    async with make(second, recent_outcomes=0) as supervisor:
        late = await supervisor.handle(handle.id, second).wait()

    assert fresh == late
    assert fresh.error is None
