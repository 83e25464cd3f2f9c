"""Cancelling: in every status, with every wish about waiting, and what the caller is told."""

from __future__ import annotations

import asyncio

import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import (
    Backoff,
    Context,
    EventType,
    Handle,
    JobCancelled,
    JobNotFound,
    Outcome,
    Reason,
    Snooze,
    Status,
    Supervisor,
    job,
)
from overseen_storage.lifecycle import Cause

FLAT = Backoff(initial="1h", factor=1, maximum="1h", jitter="none")


@job(queue="narrow")
async def sleeps(seconds: float = 1e6) -> str:
    await asyncio.sleep(seconds)
    return "slept"


@job(retries=1, backoff=FLAT)
async def fails(ctx: Context) -> None:
    raise OSError(ctx.attempt)


async def types(handle: Handle[object]) -> list[EventType]:
    return [event.type for event in await handle.history()]


async def waiting(supervisor: Supervisor, status: Status) -> Handle[object]:
    """Return a job that waits in this status."""
    if status is Status.SCHEDULED:
        return await supervisor.submit(sleeps.options(delay="1h"))
    if status is Status.PENDING:
        await supervisor.pause("narrow")
        return await supervisor.submit(sleeps)
    handle = await supervisor.submit(fails)
    await asyncio.sleep(1)
    assert await handle.status() is status
    return handle


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.PENDING, Status.RETRYING])
async def test_a_waiting_job_is_cancelled_at_once(make: Make, status: Status, wait: bool) -> None:
    """A job no body of which runs ends with the request; it never starts again, and whoever waits
    for it is told."""
    async with make(sleeps, fails) as supervisor:
        handle = await waiting(supervisor, status)
        other = asyncio.create_task(handle.wait())
        outcome = await handle.cancel(reason="not needed", wait=wait)

        assert (outcome.answer, outcome.reason) == ("cancelled", Reason.REQUESTED)
        assert await other == outcome
        await supervisor.resume("narrow")
        await asyncio.sleep(7200)
        assert await handle.status() is Status.CANCELLED
        end = (await handle.history())[-1]
        assert (end.type, end.cause) == (EventType.CANCELLED, Cause.CALLER)
        assert end.data == '{"message":"not needed"}'
        with pytest.raises(JobCancelled):
            await handle.result()


async def test_a_running_body_is_told_and_the_answer_comes_when_it_has_stopped(make: Make) -> None:
    """`cancelling` is visible while the body still cleans up; `cancelled` only when it has really
    stopped. (R31, R62)"""
    cleaned: list[float] = []

    @job
    async def cleans_up() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            await asyncio.sleep(0.9)
            cleaned.append(asyncio.get_running_loop().time())

    async with make(cleans_up) as supervisor:
        handle = await supervisor.submit(cleans_up)
        await asyncio.sleep(10)
        asked = asyncio.get_running_loop().time()
        cancelling = asyncio.create_task(handle.cancel())
        await asyncio.sleep(0.5)
        assert await handle.status() is Status.CANCELLING
        assert not cancelling.done()
        outcome = await cancelling

        assert (outcome.answer, outcome.reason) == ("cancelled", Reason.REQUESTED)
        assert cleaned == [pytest.approx(asked + 0.9)]
        assert await types(handle) == ["submitted", "started", "cancelling", "cancelled"]


async def test_without_waiting_the_answer_is_that_the_body_was_told(make: Make) -> None:
    """``cancel(wait=False)`` answers `requested` at once; the job ends later by itself. (R62)"""
    async with make(sleeps) as supervisor:
        handle = await supervisor.submit(sleeps)
        await asyncio.sleep(10)
        outcome = await handle.cancel(wait=False)

        assert (outcome.answer, outcome.ended) == ("requested", False)
        assert (await handle.wait()).answer == "cancelled"


@pytest.mark.parametrize("how", ["value", "error", "snooze"])
async def test_a_body_that_ends_otherwise_first_is_answered_so(make: Make, how: str) -> None:
    """A body that returns a value all the same completes, one that raises something else fails
    without a retry, one that snoozes is cancelled; the canceller is told which. (R7)"""

    @job(retries=5)
    async def own_way() -> str:
        try:
            await asyncio.sleep(1e6)
        except asyncio.CancelledError:
            if how == "error":
                raise ValueError("while cleaning up") from None
            if how == "snooze":
                raise Snooze("1h") from None
        return "all the same"

    async with make(own_way) as supervisor:
        handle = await supervisor.submit(own_way)
        await asyncio.sleep(10)
        outcome = await handle.cancel()

        answers = {"value": "completed", "error": "failed", "snooze": "cancelled"}
        assert outcome.answer == answers[how]
        assert outcome.value == ("all the same" if how == "value" else None)
        assert outcome == await handle.wait()
        await asyncio.sleep(7200)
        assert (await handle.record()).attempts == 1


@pytest.mark.parametrize("wait", [True, False])
async def test_cancelling_what_has_ended_is_answered_with_its_end(make: Make, wait: bool) -> None:
    """Losing the race is an answer, not an exception, and changes nothing. (R7, R62)"""

    @job
    async def quick(fail: bool) -> int:
        if fail:
            raise ValueError("early")
        return 7

    async with make(quick, sleeps, recent_outcomes=1) as supervisor:
        ends: list[tuple[Handle[object], Outcome[object]]] = []
        for fail in (False, True):
            handle = await supervisor.submit(quick, fail)
            ends.append((handle, await handle.wait()))
        gone = await supervisor.submit(sleeps)
        ends.append((gone, await gone.cancel()))

        for ended, end in ends:
            history = await ended.history()
            assert await ended.cancel(wait=wait) == end
            assert await ended.history() == history


async def test_cancelling_an_unknown_job_is_a_typed_error(make: Make) -> None:
    """An id that no job has is `JobNotFound`, from the supervisor and from a handle."""
    async with make(sleeps) as supervisor:
        for job_id in (1, 10**12, -1, 0):
            with pytest.raises(JobNotFound):
                await supervisor.cancel(job_id)
            with pytest.raises(JobNotFound):
                await supervisor.handle(job_id).cancel(wait=False)


async def test_cancelling_twice_is_harmless(make: Make) -> None:
    """A second request while the body still stops is answered like the first, and is no second
    event; many at once likewise."""

    @job
    async def slow_to_stop() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            await asyncio.sleep(0.9)

    async with make(slow_to_stop) as supervisor:
        handle = await supervisor.submit(slow_to_stop)
        await asyncio.sleep(10)
        first = asyncio.create_task(handle.cancel())
        await asyncio.sleep(0.1)
        again = await handle.cancel(wait=False)
        many = await asyncio.gather(*(handle.cancel() for _ in range(50)), first)

        assert again.answer == "requested"
        assert {outcome.answer for outcome in many} == {"cancelled"}
        assert await types(handle) == ["submitted", "started", "cancelling", "cancelled"]


async def test_a_job_whose_body_has_not_begun_is_cancelled_without_it(make: Make) -> None:
    """A cancel that comes between the start on disk and the first step of the body: the body never
    runs, and the job is cancelled."""
    begun: list[int] = []

    @job
    async def notes(number: int) -> None:
        begun.append(number)
        await asyncio.sleep(1e6)

    async with make(notes) as supervisor:
        for number in range(20):
            handle = await supervisor.submit(notes, number)
            for _ in range(number):
                await asyncio.sleep(0)
            outcome = await handle.cancel()
            assert outcome.answer == "cancelled"
            end = (await handle.history())[-2:]
            assert [event.type for event in end][-1] == "cancelled"


async def test_the_canceller_may_go_away(make: Make) -> None:
    """Cancelling the call of `cancel` does not undo the request once it was taken up."""

    @job
    async def slow_to_stop() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            await asyncio.sleep(0.9)

    async with make(slow_to_stop) as supervisor:
        handle = await supervisor.submit(slow_to_stop)
        await asyncio.sleep(10)
        call = asyncio.create_task(handle.cancel())
        await asyncio.sleep(0.1)
        call.cancel()

        assert (await handle.wait()).answer == "cancelled"


async def test_who_asked_is_on_the_ledger(make: Make) -> None:
    """A cancel through a handle is the caller's, one through the supervisor an operator's; the
    reason given stands beside it."""
    async with make(sleeps) as supervisor:
        mine = await supervisor.submit(sleeps)
        theirs = await supervisor.submit(sleeps)
        await asyncio.sleep(1)
        await mine.cancel("changed my mind")
        await supervisor.cancel(theirs.id, "maintenance")
        causes = [
            [(e.type, e.cause, e.data) for e in await handle.history()][-2:]
            for handle in (mine, theirs)
        ]

    assert causes == [
        [
            ("cancelling", Cause.CALLER, '{"message":"changed my mind"}'),
            ("cancelled", Cause.CALLER, None),
        ],
        [
            ("cancelling", Cause.OPERATOR, '{"message":"maintenance"}'),
            ("cancelled", Cause.OPERATOR, None),
        ],
    ]


async def test_a_cancel_after_a_failure_gives_one_answer_however_late(make: Make) -> None:
    """The outcome of a job that failed once and was then cancelled reads the same from memory, from
    its row and after a restart."""

    @job(retries=1, backoff=Backoff(initial=1, maximum=1, jitter="none"))
    async def second_hangs(ctx: Context) -> None:
        if ctx.attempt == 1:
            raise OSError("first")
        await asyncio.sleep(1e6)

    async with make(second_hangs) as supervisor:
        handle = await supervisor.submit(second_hangs)
        await asyncio.sleep(10)
        told = await handle.cancel()
        fresh = await handle.wait()
    async with make(second_hangs) as supervisor:
        late = await supervisor.handle(handle.id, second_hangs).wait()

    assert told == fresh == late


async def test_text_that_is_no_text_is_a_fine_reason(make: Make) -> None:
    """A reason with surrogates or NUL is kept in a safe form and harms nobody."""
    async with make(sleeps) as supervisor:
        handles = [await supervisor.submit(sleeps) for _ in range(2)]
        await asyncio.sleep(1)
        outcomes = [await handle.cancel("\ud800 and \0") for handle in handles]

        assert [outcome.answer for outcome in outcomes] == ["cancelled"] * 2
        assert supervisor.figures.restarts == 0
