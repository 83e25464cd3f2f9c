"""Stopping: quiet, drain, cancel, persist, and a report that is true."""

from __future__ import annotations

import asyncio

import pytest
from tests.supervisor.faults import DISK_FULL, Faults
from tests.supervisor.simulated.conftest import Make

from overseen import (
    Context,
    Degraded,
    NotStarted,
    Status,
    StillRunning,
    StopReport,
    Supervisor,
    SupervisorStopped,
    job,
)
from overseen_storage.errors import DatabaseOwned

pytestmark = pytest.mark.usefixtures("audited")


@job
async def sleep_for(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@job(grace="2s")
async def stubborn(ctx: Context) -> None:
    """Ignores every cancellation until the test lets it go."""
    while not ctx.state.is_set():
        try:
            await ctx.state.wait()
        except asyncio.CancelledError:
            continue


async def test_what_runs_may_end(make: Make) -> None:
    """A stop waits for running bodies, starts nothing new, and counts who ended. (R58)"""
    supervisor = make(sleep_for, concurrency=2)
    await supervisor.start()
    first, second, third = await supervisor.submit_many(sleep_for.call(n) for n in (5, 7, 9))
    await asyncio.sleep(1)
    report = await supervisor.stop()

    assert report == StopReport(drained=2, interrupted=0, seconds=6.0)
    assert report.clean
    async with make(sleep_for) as again:
        assert await again.handle(first.id, sleep_for).result() == 5
        assert await again.handle(second.id, sleep_for).result() == 7
        assert (await again.job(third.id)).attempts <= 1
        assert await again.handle(third.id, sleep_for).result() == 9


async def test_what_does_not_end_in_time_is_interrupted_for_free(make: Make) -> None:
    """A body that a stop interrupts goes back to the queue: it costs no failure, no loss, and is
    no failed job. (R59, R60)"""
    supervisor = make(sleep_for, drain_timeout="3s")
    await supervisor.start()
    handle = await supervisor.submit(sleep_for.options(retries=0, losses=0), 100)
    await asyncio.sleep(1)
    report = await supervisor.stop()

    assert (report.drained, report.interrupted, report.stuck) == (0, 1, ())
    assert report.seconds == pytest.approx(3)
    async with make(sleep_for) as again:
        record = await again.job(handle.id)
        assert (record.failures, record.losses, record.interruptions) == (0, 0, 1)
        assert await again.handle(handle.id, sleep_for).result() == 100
        assert again.recovered.jobs == 0


async def test_an_interrupted_job_is_at_the_front(make: Make) -> None:
    """After a restart the interrupted job runs before those that waited behind it. (R59)"""
    order: list[float] = []

    @job
    async def note(number: float) -> None:
        order.append(number)
        await asyncio.sleep(50)

    supervisor = make(note, concurrency=1, drain_timeout=0)
    await supervisor.start()
    handles = await supervisor.submit_many(note.call(n) for n in range(4))
    await asyncio.sleep(60)  # the second runs
    await supervisor.stop()
    async with make(note, concurrency=1) as again:
        await again.handle(handles[3].id).wait()

    assert order == [0, 1, 1, 2, 3]


async def test_a_stop_leaves_no_running_row(make_slow: Make) -> None:
    """However a stop meets submits and starts on their way, no row runs once it is over. (R64)"""
    for turns in range(30):
        supervisor = make_slow(sleep_for, drain_timeout="1s", concurrency=3)
        await supervisor.start()
        submits = [asyncio.create_task(supervisor.submit(sleep_for, 60)) for _ in range(5)]
        for _ in range(turns):
            await asyncio.sleep(0.0003)
        report = await supervisor.stop()
        await asyncio.gather(*submits, return_exceptions=True)
        assert report.clean
        async with make_slow(sleep_for, concurrency=1) as again:
            assert again.recovered.jobs == 0, f"rows were left running after {turns} turns"
            for record in await again.jobs(limit=100):
                await again.cancel(record.id)


async def test_a_stuck_body_is_named_and_keeps_the_database(make: Make) -> None:
    """A body that ignores its cancellation is in the report; until it ends nobody may open the
    database, and starting again says which jobs still run. (R61, R63)"""
    let_go = asyncio.Event()
    supervisor = make(stubborn, drain_timeout="1s", cancel_timeout="30s", state=let_go)
    await supervisor.start()
    handle = await supervisor.submit(stubborn)
    await asyncio.sleep(1)
    report = await supervisor.stop()

    assert report.stuck == (handle.id,)
    assert not report.clean
    assert report.seconds == pytest.approx(3), "drain, then the grace of the body"
    with pytest.raises(StillRunning, match=rf"jobs {handle.id}\.") as caught:
        await supervisor.start()
    assert caught.value.job_ids == (handle.id,)
    with pytest.raises(DatabaseOwned, match="this process"):
        await make(stubborn).start()

    let_go.set()
    await asyncio.sleep(0.1)
    async with supervisor:
        assert supervisor.recovered.again == 1
        await supervisor.handle(handle.id).result()


@pytest.mark.parametrize("when", ["before the stop", "after the stop"])
async def test_a_stuck_body_does_not_wait_for_ever_for_its_checkpoint(
    make: Make, faults: Faults, make_faulty: Make, when: str
) -> None:
    """A body that outlives the stop and awaits a checkpoint gets `SupervisorStopped`: else it would
    never end, and the database would stay owned for ever. (R63)"""
    let_go, told = asyncio.Event(), list[BaseException]()

    @job(grace="2s")
    async def saves(ctx: Context) -> None:
        saved = ctx.checkpoint(1) if when == "before the stop" else None
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        try:
            await (saved or ctx.checkpoint(2))
        except SupervisorStopped as error:
            told.append(error)
            raise

    supervisor = make_faulty(saves, drain_timeout="1s", cancel_timeout="30s")
    await supervisor.start()
    handle = await supervisor.submit(saves)
    if when == "before the stop":
        faults.at_write = DISK_FULL
    await asyncio.sleep(1)
    report = await supervisor.stop()
    assert report.stuck == (handle.id,)
    faults.heal()
    let_go.set()
    await asyncio.sleep(0.1)
    assert [f"job {handle.id}" in str(error) for error in told] == [True]
    async with make(saves) as again:
        assert again.recovered.again == 1
        await again.handle(handle.id).result()


async def test_a_body_that_stops_the_supervisor_is_told_that_it_would_wait_for_itself(
    make: Make,
) -> None:
    """`stop` inside a body is `SupervisorError` that names the job and the way out; the body is no
    different from any other that raises, and everything goes on."""

    @job(retries=0)
    async def stop(ctx: Context) -> None:
        await ctx.state[0].stop()

    state: list[Supervisor] = []
    async with make(stop, sleep_for, state=state) as supervisor:
        state.append(supervisor)
        outcome = await (await supervisor.submit(stop)).wait()
        assert outcome.answer == "failed"
        assert outcome.error is not None
        assert "by the body of job 1" in outcome.error.message
        assert await (await supervisor.submit(sleep_for, 1)).result() == 1
    assert supervisor.report == StopReport(drained=0, interrupted=0, seconds=0.0)


async def test_a_start_during_a_stop_starts_after_it(make: Make) -> None:
    """`start` while a stop is under way waits for its end and starts anew: when it returns the
    supervisor takes requests."""
    supervisor = make(sleep_for)
    await supervisor.start()
    await supervisor.submit(sleep_for, 10)
    await asyncio.sleep(1)
    stopping = asyncio.create_task(supervisor.stop())
    await asyncio.sleep(1)
    starts = [asyncio.create_task(supervisor.start()) for _ in range(3)]
    await asyncio.gather(*starts)
    assert stopping.done()
    assert (await stopping).drained == 1
    assert await (await supervisor.submit(sleep_for, 1)).result() == 1
    await supervisor.stop()


async def test_a_stop_that_is_cancelled_hurries(make: Make) -> None:
    """Cancelling `stop` ends the draining: bodies are told at once, and all is closed."""
    supervisor = make(sleep_for, drain_timeout="1h")
    await supervisor.start()
    handle = await supervisor.submit(sleep_for, 10_000)
    await asyncio.sleep(1)
    stopping = asyncio.create_task(supervisor.stop())
    await asyncio.sleep(5)
    begun = asyncio.get_running_loop().time()
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping

    assert asyncio.get_running_loop().time() - begun < 1
    assert supervisor.report is not None
    assert supervisor.report.interrupted == 1
    async with make(sleep_for) as again:
        assert (await again.job(handle.id)).interruptions == 1
        await again.cancel(handle.id)


async def test_stopping_twice_is_one_stop(make: Make) -> None:
    """Two stops at once both get the same report, and a third after them too."""
    supervisor = make(sleep_for)
    await supervisor.start()
    await supervisor.submit(sleep_for, 3)
    await asyncio.sleep(1)
    one, two = await asyncio.gather(supervisor.stop(), supervisor.stop())

    assert one == two == await supervisor.stop()
    assert one.drained == 1


async def test_a_late_second_stop_leaves_a_new_start_alone(make: Make) -> None:
    """Who starts again as soon as a stop is over is not stopped by another waiter of that stop."""
    supervisor = make(sleep_for)
    await supervisor.start()

    async def restart() -> None:
        await supervisor.stop()
        await supervisor.start()

    await asyncio.gather(restart(), supervisor.stop())
    assert await (await supervisor.submit(sleep_for, 1)).result() == 1
    await supervisor.stop()


async def test_stopping_what_was_never_started(make: Make) -> None:
    """A stop before the start is harmless and reports nothing."""
    supervisor = make(sleep_for)
    assert await supervisor.stop() == StopReport(drained=0, interrupted=0, seconds=0.0)
    async with supervisor:
        await supervisor.submit(sleep_for, 0)


async def test_before_the_start_and_after_the_stop_calls_say_so(make: Make) -> None:
    """A call before the start, during it, or after the stop gets a typed error with a way out."""
    supervisor = make(sleep_for)
    with pytest.raises(NotStarted, match="async with supervisor"):
        await supervisor.submit(sleep_for, 1)
    starting = asyncio.create_task(supervisor.start())
    await asyncio.sleep(0)
    with pytest.raises(NotStarted):
        await supervisor.submit(sleep_for, 1)
    await starting
    await supervisor.stop()
    with pytest.raises(SupervisorStopped, match="Start it again"):
        await supervisor.submit(sleep_for, 1)
    async with supervisor:
        assert await supervisor.jobs() == []


async def test_two_starts_at_once_are_one(make: Make) -> None:
    """Whoever awaits a start can submit afterwards, also when somebody else began it."""
    supervisor = make(sleep_for)

    async def start_and_submit() -> None:
        await supervisor.start()
        await supervisor.submit(sleep_for, 0)

    await asyncio.gather(supervisor.start(), start_and_submit())
    await supervisor.stop()


async def test_an_exception_leaves_through_a_stop(make: Make) -> None:
    """Leaving `async with` by an exception stops in order, and the exception is the caller's."""
    supervisor = make(sleep_for)

    async def leave_by_an_error() -> None:
        async with supervisor:
            await supervisor.submit(sleep_for, 2)
            await asyncio.sleep(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await leave_by_an_error()
    assert supervisor.report is not None
    assert supervisor.report.drained == 1


async def test_a_cancelled_start_gives_the_database_back(make: Make, make_faulty: Make) -> None:
    """Cancelling a start that waits for its store ends it at once and leaves nothing owned."""
    supervisor = make_faulty(sleep_for)
    starting = asyncio.create_task(supervisor.start())
    for _ in range(3):
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    with pytest.raises(NotStarted):
        await supervisor.jobs()
    async with make(sleep_for) as other:
        assert await other.jobs() == []


async def test_who_waits_for_a_result_is_told_of_the_stop(make: Make) -> None:
    """Waiting for a job that is interrupted ends with `SupervisorStopped`, not in a hang."""
    supervisor = make(sleep_for, drain_timeout="1s")
    await supervisor.start()
    handle = await supervisor.submit(sleep_for, 500)
    waiting = asyncio.create_task(handle.result())
    await asyncio.sleep(0.1)
    await supervisor.stop()
    with pytest.raises(SupervisorStopped):
        await waiting
    async with make(sleep_for) as again:
        await again.cancel(handle.id)


async def test_unwritten_ends_are_named(make_faulty: Make, make: Make, faults: Faults) -> None:
    """A stop while the disk is full names the jobs whose ends it could not write; the next start
    finds them lost and runs them again. (R9)"""
    supervisor = make_faulty(sleep_for, drain_timeout="4s", cancel_timeout="2s")
    await supervisor.start()
    handle = await supervisor.submit(sleep_for, 1)
    await asyncio.sleep(0.5)
    faults.at_write = DISK_FULL
    with pytest.raises(Degraded):
        await supervisor.submit(sleep_for, 1)
    await asyncio.sleep(5)
    report = await supervisor.stop()

    assert report.unwritten == (handle.id,)
    assert report.stuck == ()
    faults.heal()
    async with make(sleep_for) as again:
        assert again.recovered.again == 1
        assert await again.handle(handle.id, sleep_for).result() == 1
        assert (await again.job(handle.id)).status is Status.COMPLETED


async def test_an_end_in_the_last_moment_is_written(make_slow: Make) -> None:
    """A body that obeys in the very last moment of a stop is not called unwritten. (R64)"""

    @job(grace="1m")
    async def slow_to_obey() -> None:
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            await asyncio.sleep(4.9999)
            raise

    supervisor = make_slow(slow_to_obey, drain_timeout="1s", cancel_timeout="5s")
    await supervisor.start()
    handle = await supervisor.submit(slow_to_obey)
    await asyncio.sleep(1)
    report = await supervisor.stop()

    assert report.clean
    async with make_slow(slow_to_obey) as again:
        assert again.recovered.jobs == 0
        await again.cancel(handle.id, wait=False)
