"""Results and outcomes: the same answer however late it is asked for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import (
    Backoff,
    JobCancelled,
    JobFailed,
    JobNotFound,
    NoResult,
    Outcome,
    Reason,
    ResultExpired,
    Retention,
    Supervisor,
    SupervisorStopped,
    job,
)


@dataclass(frozen=True)
class Size:
    """A typed result."""

    width: int
    height: int


@job
async def measure(how: str = "fine", seconds: float = 0.01) -> Size:
    """Returns a value with a type of its own, or fails."""
    await asyncio.sleep(seconds)
    if how == "fails":
        raise LookupError("nothing to measure")
    return Size(3, 4)


@job(retries=5, backoff=Backoff(initial="1h", jitter="none"))
async def stubborn() -> None:
    """Never succeeds."""
    raise RuntimeError


async def answer(supervisor: Supervisor, job_id: int) -> tuple[Outcome[Size], object]:
    """Both forms of the answer."""
    handle = supervisor.handle(job_id, measure)
    outcome = await handle.wait()
    try:
        return outcome, await handle.result()
    except NoResult as error:
        return outcome, (type(error), str(error))


@pytest.mark.parametrize("recent", [0, 1, 20_000])
async def test_the_answer_does_not_depend_on_when_one_asks(make: Make, recent: int) -> None:
    """A value, a failure and a cancellation are told in the same words and types by who waited, by
    who asks at once, an hour later, after others have pushed it out of memory, and after a
    restart. (R39)"""
    async with make(measure, recent_outcomes=recent) as supervisor:
        handles = [
            await supervisor.submit(measure),
            await supervisor.submit(measure, "fails"),
            await supervisor.submit(measure.options(delay="1d")),
        ]
        waiting = [asyncio.create_task(answer(supervisor, handle.id)) for handle in handles]
        await handles[2].cancel("not needed")
        live = [await task for task in waiting]
        now = [await answer(supervisor, handle.id) for handle in handles]
        for other in [await supervisor.submit(measure) for _ in range(30)]:
            assert await other.result() == Size(3, 4)
        await asyncio.sleep(3600)
        late = [await answer(supervisor, handle.id) for handle in handles]
    async with make(measure, recent_outcomes=recent) as supervisor:
        restarted = [await answer(supervisor, handle.id) for handle in handles]

    assert live == now == late == restarted
    (completed, value), (failed, failure), (cancelled, cancellation) = live
    assert value == completed.value == Size(3, 4)
    assert isinstance(value, Size)
    assert (failed.answer, failed.reason, failed.value) == ("failed", Reason.ERROR, None)
    assert failed.error is not None
    assert failed.error.type == "LookupError"
    assert 'raise LookupError("nothing to measure")' in failed.error.traceback
    assert failure[0] is JobFailed  # type: ignore[index] # a pair, as it failed
    assert (cancelled.answer, cancelled.reason) == ("cancelled", Reason.REQUESTED)
    assert cancellation[0] is JobCancelled  # type: ignore[index] # as above


@pytest.mark.parametrize("seed", range(5))
async def test_no_waiter_is_ever_missed(make_slow: Make, seed: int) -> None:
    """Hundreds of waiters that ask before, while and after a job ends, with a memory of a single
    outcome, all get the answer. (R39)"""
    draw = Random(seed)
    async with make_slow(measure, recent_outcomes=1, concurrency=20) as supervisor:
        handles = await supervisor.submit_many(
            measure.call("fine", draw.uniform(0, 0.1)) for _ in range(60)
        )

        async def waiter() -> Size:
            await asyncio.sleep(draw.uniform(0, 0.2))
            handle = draw.choice(handles)
            if draw.random() < 0.5:
                handle = supervisor.handle(handle.id, measure)
            return await handle.result(timeout=60)

        found = await asyncio.gather(*(waiter() for _ in range(600)))
    assert found == [Size(3, 4)] * 600


async def test_giving_up_tells_how_long_and_that_it_goes_on(make: Make) -> None:
    """A timeout ends the waiting, not the job; its text names the job, the time and says so."""
    async with make(measure) as supervisor:
        handle = await supervisor.submit(measure, "fine", 100)
        begun = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError, match=r"job 1 has not ended within 90 s; it goes on"):
            await handle.result(timeout="1.5m")
        assert asyncio.get_running_loop().time() - begun == pytest.approx(90)
        with pytest.raises(TimeoutError):
            await handle.wait(timeout=1)
        assert await handle.result() == Size(3, 4)
        assert await handle.result(timeout=0) == Size(3, 4)


async def test_a_result_that_was_pruned_has_expired(make: Make) -> None:
    """After its retention a result is `ResultExpired`, its row `JobNotFound`: an error, no hang.
    (R39)"""
    keep = Retention(completed="1h")
    async with make(measure, retention=keep, recent_outcomes=0) as supervisor:
        handle = await supervisor.submit(measure)
        await handle.result()
        await asyncio.sleep(3600 + 60)
        with pytest.raises(ResultExpired, match="job 1"):
            await handle.result()
        with pytest.raises(JobNotFound):
            await handle.wait()
        with pytest.raises(JobNotFound):
            await handle.record()
        with pytest.raises(JobNotFound):
            await handle.history()
        with pytest.raises(JobNotFound):
            await handle.cancel()


async def test_a_job_is_readable_from_submit_to_its_retentions_end(make_slow: Make) -> None:
    """Once submit has returned, the job's status can be read at every moment. (R6)"""
    async with make_slow(measure) as supervisor:
        handle = await supervisor.submit(measure, "fine", 0.2)
        seen: list[str] = []
        while not (record := await handle.record()).ended:
            seen.append(record.status)
            await asyncio.sleep(0.003)
        await asyncio.sleep(3600)
        assert (await handle.status()) == "completed"
    assert set(seen) <= {"pending", "running"}


async def test_waiters_are_told_when_the_supervisor_stops(make: Make) -> None:
    """Who waits for a job that will not end in this life gets `SupervisorStopped`, and who waits
    for one that the stop drains gets its value, even if no outcome is kept in memory."""
    async with make(measure, stubborn, recent_outcomes=0) as supervisor:
        endless = await supervisor.submit(stubborn)
        drained = [await supervisor.submit(measure, "fine", 5) for _ in range(30)]
        await asyncio.sleep(1)
        hopeless = asyncio.create_task(endless.result())
        hopeful = [asyncio.create_task(handle.result()) for handle in drained]
        await asyncio.sleep(1)
    with pytest.raises(SupervisorStopped, match=f"job {endless.id}"):
        await hopeless
    assert [await task for task in hopeful] == [Size(3, 4)] * 30


async def test_asking_after_the_stop_is_an_error(make: Make) -> None:
    """A handle of a stopped supervisor says that it is stopped; after a start it works again."""
    supervisor = make(measure, recent_outcomes=0)
    async with supervisor:
        handle = await supervisor.submit(measure)
        await handle.result()
    with pytest.raises(SupervisorStopped):
        await handle.result()
    async with supervisor:
        assert await handle.result() == Size(3, 4)
