"""What the end of a batch submits: each once, with the frozen summary; whatever becomes of it, the
batch has ended."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.supervisor.batch_checks import audit
from tests.supervisor.simulated.conftest import Make

from overseen import (
    Batch,
    BatchStatus,
    BatchSummary,
    Cause,
    Context,
    EventType,
    Held,
    InvalidOption,
    Job,
    JobDefinitionError,
    JobFailed,
    JobRecord,
    MemberResult,
    NoCallback,
    Status,
    Supervisor,
    UnknownJob,
    batch_summary,
    job,
)

Told = list[tuple[str, int, BatchSummary]]


@job
async def work(value: int = 1, fails: bool = False) -> int:
    await asyncio.sleep(0.01)
    if fails:
        raise RuntimeError("no")
    return value


@job
async def finished(ctx: Context, summary: BatchSummary) -> str:
    ctx.state.append(("finish", ctx.job_id, summary))
    return f"{summary.completed} of {summary.total}"


@job
async def spoiled(ctx: Context, summary: BatchSummary) -> None:
    ctx.state.append(("failure", ctx.job_id, summary))


@job(retries=1)
async def broken(summary: BatchSummary) -> None:
    """A callback that fails, at every attempt."""
    raise ConnectionError(f"no mail about {summary.name}")


@batch_summary
async def total(ctx: Context, results: AsyncIterator[MemberResult]) -> int:
    """The sum of what the members returned."""
    return sum([one.value async for one in results if one.status is Status.COMPLETED])


@batch_summary(retries=1)
async def total_that_fails(ctx: Context, results: AsyncIterator[MemberResult]) -> int:
    """A user's aggregator with a bug."""
    async for one in results:
        raise ZeroDivisionError(one.job_id)
    return 0


JOBS: tuple[Job[..., Any], ...] = (work, finished, spoiled, broken, total, total_that_fails)


async def callbacks_of(supervisor: Supervisor, batch: Batch) -> dict[str, JobRecord]:
    """The jobs that its end submitted, by event."""
    found = [row for row in await supervisor.jobs() if row.callback_of == batch.id]
    by_event = {row.callback_event or "": row for row in found}
    assert len(by_event) == len(found)
    return by_event


@pytest.mark.parametrize("fails", [False, True])
async def test_callbacks_run_once_with_the_frozen_summary(make: Make, fails: bool) -> None:
    """`on_finish` runs at every end, `on_failure` at one with errors; each once, after the end,
    with the summary that is on disk. (R43)"""
    told: Told = []
    async with make(*JOBS, state=told) as supervisor:
        async with supervisor.batch("told", on_finish=finished, on_failure=spoiled) as batch:
            await batch.submit_many(work.call(n) for n in range(5))
            await batch.submit(work, 5, fails)
        summary = await batch.summary()
        await asyncio.sleep(3600)

        assert [event for event, _, _ in told] == ["finish", "failure"][: 1 + fails]
        assert [one for _, _, one in told] == [summary] * (1 + fails)
        callbacks = await callbacks_of(supervisor, batch)
        assert {event: row.id for event, row in callbacks.items()} == {
            event: job_id for event, job_id, _ in told
        }
        assert callbacks["finish"].result == msgspec.json.encode(f"{6 - fails} of 6").decode()
        events = [event async for event in supervisor.events_of(callbacks["finish"].id, "start")]
        submitted = next(event for event in events if event.type is EventType.SUBMITTED)
        finalized = [e async for e in batch.events() if e.type is EventType.BATCH_FINALIZED]
        assert submitted.seq > finalized[0].seq
        assert submitted.cause is Cause.BATCH
        await audit(supervisor)


async def test_a_cancelled_batch_has_finished_and_not_failed(make: Make) -> None:
    """A batch that somebody wanted to end calls `on_finish`; `on_failure` is for errors."""
    told: Told = []
    async with make(*JOBS, state=told) as supervisor:
        async with supervisor.batch("asked", on_finish=finished, on_failure=spoiled) as batch:
            await batch.submit(work.options(delay="1h"))
        await batch.cancel()
        await asyncio.sleep(10)
        assert [(event, one.status) for event, _, one in told] == [
            ("finish", BatchStatus.CANCELLED)
        ]
        await audit(supervisor)


async def test_an_empty_batch_calls_back_too(make: Make) -> None:
    """A batch without members has an end, a callback, and the sum of nothing."""
    told: Told = []
    async with make(*JOBS, state=told) as supervisor:
        async with supervisor.batch("empty", on_finish=finished, aggregate=total) as batch:
            pass
        assert await batch.aggregate(total, timeout=10) == 0
        assert [(event, one.total) for event, _, one in told] == [("finish", 0)]
        await audit(supervisor)


@pytest.mark.parametrize("bad", [broken, total_that_fails], ids=["callback", "aggregator"])
async def test_a_callback_that_fails_does_not_touch_its_batch(
    make: Make, bad: Job[..., Any]
) -> None:
    """A failing callback or aggregator is retried and fails as any job; the batch is completed
    before it began, and stays so, with the same summary."""
    async with make(*JOBS, sweep_interval=10) as supervisor:
        if bad is broken:
            batch = supervisor.batch("fine", on_finish=bad)
        else:
            batch = supervisor.batch("fine", aggregate=bad)
        async with batch:
            await batch.submit(work)
        before = await batch.summary()
        if bad is not broken:
            with pytest.raises(JobFailed, match="ZeroDivisionError"):
                await batch.aggregate(total_that_fails)
        await asyncio.sleep(600)

        assert before.status is BatchStatus.COMPLETED
        assert await batch.summary() == before
        (callback,) = (await callbacks_of(supervisor, batch)).values()
        assert (callback.status, callback.attempts) == (Status.FAILED, 2)
        await audit(supervisor)


async def test_an_aggregator_gets_every_result_with_its_type(make: Make) -> None:
    """The aggregator sees every member that ended, however it ended, in order, with the values'
    types; its own value is kept as that of any job."""

    @job
    async def pair(n: int) -> tuple[int, str]:
        return n, str(n)

    @batch_summary
    async def told(ctx: Context, results: AsyncIterator[MemberResult]) -> list[str]:
        """Says what it saw."""
        return [f"{one.kind} {one.status} {one.value!r}" async for one in results]

    async with make(*JOBS, pair, told) as supervisor:
        async with supervisor.batch("typed", aggregate=told) as batch:
            await batch.submit(pair, 1)
            await batch.submit(work, 2, fails=True)
            waiting = await batch.submit(work.options(delay="1h"), 3)
        await waiting.cancel()
        assert await batch.aggregate(told) == [
            "pair completed (1, '1')",
            "work failed None",
            "work cancelled None",
        ]
        await audit(supervisor)


async def test_an_aggregator_can_be_submitted_by_hand(make: Make) -> None:
    """For a batch that ended long ago without one, it is a job that takes the batch's id; and
    `aggregate` says what it does not have."""
    async with make(*JOBS) as supervisor:
        async with supervisor.batch("plain") as batch:
            await batch.submit_many(work.call(n) for n in range(1_200))
        await batch.summary()
        with pytest.raises(NoCallback, match="Submit it by hand") as caught:
            await batch.aggregate(total)
        assert (caught.value.batch_id, caught.value.event) == (batch.id, "aggregate")
        assert await (await supervisor.submit(total, batch.id)).result() == sum(range(1_200))
        await audit(supervisor)


async def test_options_of_a_callback_are_kept(make: Make) -> None:
    """A callback runs with the queue, priority, labels and retries that were said."""
    async with make(*JOBS, state=[]) as supervisor:
        callback = finished.options(queue="mail", priority=7, retries=5, labels={"for": "ops"})
        async with supervisor.batch("options", on_finish=callback) as batch:
            await batch.submit(work)
        await batch.summary()
        (row,) = (await callbacks_of(supervisor, batch)).values()
        assert (row.queue, row.priority, row.retries) == ("mail", 7, 5)
        assert row.labels == '{"for":"ops"}'
        await audit(supervisor)


async def test_callbacks_are_members_of_nothing(make: Make) -> None:
    """A callback belongs to no batch: not to the one that called it, nor to one that it opens; and
    its own retry is nobody's callback. (R43)"""
    told: Told = []
    async with make(*JOBS, state=told) as supervisor:
        async with supervisor.batch("outer", on_finish=finished) as batch:
            await batch.submit(work)
        await batch.summary()
        await asyncio.sleep(10)
        (row,) = (await callbacks_of(supervisor, batch)).values()
        again = await (await supervisor.retry(row.id)).record()
        await asyncio.sleep(10)
        assert (row.batch_id, again.batch_id, again.callback_of) == (None, None, None)
        assert len(told) == 2
        assert len(await callbacks_of(supervisor, batch)) == 1
        assert (await batch.progress()).total == 1
        await audit(supervisor)


async def test_a_callback_that_nobody_knows_is_held(make: Make) -> None:
    """When a later program does not know the callback's kind, the batch ends all the same; the
    callback is held, and runs once when a program comes that knows it."""
    supervisor = make(*JOBS, state=[])
    async with supervisor, supervisor.batch("deployed", on_finish=finished) as batch:
        await batch.submit(work.options(delay="1m"))
    async with make(work) as second:
        summary = await second.find_batch(batch.id).summary()
        await asyncio.sleep(60)
        (row,) = (await callbacks_of(second, batch)).values()
        assert (row.status, row.held) == (Status.PENDING, Held.UNREGISTERED)
    told: Told = []
    async with make(*JOBS, state=told) as third:
        await asyncio.sleep(60)
        assert [(event, one) for event, _, one in told] == [("finish", summary)]
        await audit(third)


async def test_a_long_name_and_any_text_travel_to_the_callback(make: Make) -> None:
    """Quotes, braces and other alphabets in a name come out as they went in."""
    told: Told = []
    async with make(*JOBS, state=told) as supervisor:
        names = ['say "no"', "Größe \N{SNOWMAN} " + "x" * 180, "\\x00 {}", "', NULL); --"]
        for name in names:
            async with supervisor.batch(name, on_finish=finished) as batch:
                await batch.submit(work)
            assert (await batch.summary()).name == name
        await asyncio.sleep(10)
        assert [one.name for _, _, one in told] == names
        await audit(supervisor, batches=len(names))


@job
async def takes_nothing() -> None: ...


@job
async def takes_text(text: str) -> None: ...


@job
async def takes_two(summary: BatchSummary, more: int) -> None: ...


@job
async def not_registered(summary: BatchSummary) -> None: ...


@job(attachments=["input"])
async def wants_a_file(summary: BatchSummary) -> None: ...


@job
async def has_a_default(summary: BatchSummary, more: int = 1) -> int:
    return more


async def expected_name(summary: BatchSummary) -> str:
    """Not a job: nobody said `@job`."""
    return summary.name


WRONG: list[tuple[Any, type[Exception], str]] = [
    (takes_nothing, InvalidOption, r"report\(summary: BatchSummary\)"),
    (takes_text, InvalidOption, r"report\(summary: BatchSummary\)"),
    (takes_two, InvalidOption, r"report\(summary: BatchSummary\)"),
    (total, InvalidOption, r"report\(summary: BatchSummary\)"),
    (wants_a_file, InvalidOption, "no attachments"),
    (not_registered, UnknownJob, "not_registered"),
    (finished.options(delay="1h"), InvalidOption, "without delay"),
    (finished.options(key="k"), InvalidOption, "without delay"),
    (finished.options(idempotency_key="k"), InvalidOption, "without delay"),
    (expected_name, InvalidOption, "job"),
    ("finished", InvalidOption, "job"),
]
IDS = ["nothing", "text", "two", "aggregator", "files", "unknown", "delay", "key", "once"]


@pytest.mark.parametrize(("callback", "error", "says"), WRONG, ids=[*IDS, "function", "name"])
@pytest.mark.parametrize("event", ["on_finish", "on_failure"])
async def test_a_wrong_callback_is_refused_at_once(
    make: Make, callback: Any, error: type[Exception], says: str, event: str
) -> None:
    """A job that cannot take a summary is refused where the batch is begun, not when it ends."""
    jobs = (*JOBS, takes_nothing, takes_text, takes_two, wants_a_file)
    async with make(*jobs) as supervisor:
        callbacks: dict[str, Any] = {event: callback}
        with pytest.raises(error, match=says):
            supervisor.batch("wrong", **callbacks)
        assert await supervisor.batches() == []


async def test_a_callback_may_have_defaults(make: Make) -> None:
    """What matters is that one summary is all it needs."""
    async with make(*JOBS, has_a_default) as supervisor:
        callbacks: dict[str, Any] = {"on_finish": has_a_default}  # type checkers want it exact
        async with supervisor.batch("defaults", **callbacks) as batch:
            await batch.submit(work)
        await batch.summary()
        await asyncio.sleep(10)
        (row,) = (await callbacks_of(supervisor, batch)).values()
        assert row.result == "1"
        await audit(supervisor)


def test_a_wrong_aggregator_is_refused_at_its_definition() -> None:
    """`@batch_summary` on something else names the function, the place and the right form."""

    async def too_few(ctx: Context) -> int:
        return 0

    def plain(ctx: Context, results: AsyncIterator[MemberResult]) -> int:
        return 0

    wrong: list[Any] = [too_few, plain, 5]
    for function in wrong:
        with pytest.raises(JobDefinitionError, match=r"total\(ctx: Context, results"):
            batch_summary(function)


DAMAGES = {
    "no such queue": "replace(on_finish, '\"default\"', '\"\"')",
    "of another program": "'{\"job\":{}}'",
    "no text": "'nonsense'",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
async def test_a_callback_that_cannot_be_submitted_leaves_the_end_alone(
    make: Make, database: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Should a callback turn out to be none when its batch ends (a damaged row), the batch ends
    without it, nobody else is disturbed, and the log says so."""
    supervisor = make(*JOBS, state=[])
    async with supervisor, supervisor.batch("damaged", on_finish=finished) as batch:
        await batch.submit(work.options(delay="1m"))
    with closing(sqlite3.connect(database)) as file, file:
        file.execute(f"UPDATE batch SET on_finish = {damage}")
    async with make(*JOBS, state=[]) as second:
        summary = await second.find_batch(batch.id).summary(timeout=120)
        assert summary.status is BatchStatus.COMPLETED
        assert await callbacks_of(second, batch) == {}
        assert second.figures.restarts == 0
        assert "batch.callbacks_refused" in caplog.text
