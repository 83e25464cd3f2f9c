"""Plain ``def`` bodies: each in a thread, told to stop by their context, never called ended early.

Real threads on a real loop. Bodies and tests wait for each other by events; nothing sleeps.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from overseen import Context, EventType, Job, Reason, Status, Supervisor, job

LONG = 30.0
"""Real seconds after which a test that waits for a thread has failed."""

request_id: ContextVar[str] = ContextVar("request_id", default="none")


class Meeting:
    """How a body in a thread and its test wait for each other."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.begun = asyncio.Event()
        self._count = asyncio.Semaphore(0)
        self.go_on = threading.Event()
        self.threads: list[int] = []

    def body_is_here(self) -> None:
        """Called by the body."""
        self.threads.append(threading.get_ident())
        self.loop.call_soon_threadsafe(self._arrived)

    def _arrived(self) -> None:
        self.begun.set()
        self._count.release()

    async def all_here(self, count: int) -> None:
        """Wait until so many bodies have come."""
        for _ in range(count):
            await self._count.acquire()

    def wait(self) -> None:
        """Called by the body: until the test says go on."""
        self.body_is_here()
        assert self.go_on.wait(LONG)


@pytest.fixture
async def meeting() -> Meeting:
    return Meeting()


@pytest.fixture
def make(tmp_path: Path, meeting: Meeting) -> Callable[..., Supervisor]:
    def supervisor(*jobs: Job[..., Any], **knobs: Any) -> Supervisor:
        return Supervisor(tmp_path / "jobs.db", jobs=jobs, state=meeting, **knobs)

    return supervisor


@job(grace=0.05)
def waits(ctx: Context, value: int) -> int:
    """Looks at its context only after it was let go."""
    ctx.state.wait()
    ctx.heartbeat()
    return value


@job(grace=0.05)
def deaf(ctx: Context, value: int) -> int:
    """Never looks at its context."""
    ctx.state.wait()
    return value


@job
def quick(value: int) -> int:
    return value


Make = Callable[..., Supervisor]


async def test_a_plain_function_runs_in_a_thread_and_not_on_the_loop(
    make: Make, meeting: Meeting
) -> None:
    """The loop goes on while the body blocks; its value is the result."""
    async with make(waits, quick) as supervisor:
        handle = await supervisor.submit(waits, 7)
        await meeting.begun.wait()
        assert await (await supervisor.submit(quick, 1)).result(timeout=LONG) == 1
        meeting.go_on.set()

        assert await handle.result(timeout=LONG) == 7
        assert meeting.threads != [threading.get_ident()]


async def test_context_variables_are_carried_into_the_thread(make: Make) -> None:
    """A body in a thread sees the context variables a coroutine body would see: the program's and
    the job's own for its log."""
    import structlog

    @job
    def looks() -> list[str]:
        bound = structlog.contextvars.get_contextvars()
        return [request_id.get(), str(bound["job"]), str(bound["job_id"])]

    token = request_id.set("of the program")
    try:
        async with make(looks) as supervisor:
            handle = await supervisor.submit(looks)
            assert await handle.result(timeout=LONG) == ["of the program", "looks", "1"]
    finally:
        request_id.reset(token)


async def test_everything_of_the_context_works_from_the_thread(make: Make) -> None:
    """Progress, warnings, log lines and checkpoints from a thread all reach the disk, the last
    progress included."""

    @job
    def reports(ctx: Context) -> int:
        for n in range(1_000):
            ctx.progress(n, 1_000)
            ctx.heartbeat()
        for n in range(50):
            ctx.warn(f"warning {n}")
            ctx.log(f"line {n}")
            ctx.checkpoint(n)
        return ctx.attempt

    async with make(reports) as supervisor:
        for _ in range(5):
            handle = await supervisor.submit(reports)
            assert await handle.result(timeout=LONG) == 1
            row = await handle.record()
            assert row.progress is not None
            assert (row.progress.done, row.warnings, row.checkpoint) == (999, 50, "49")
    async with make(reports) as supervisor:
        assert len(await supervisor.logs(1)) == 50


async def test_a_cancelled_body_is_interrupted_at_its_next_call_of_the_context(
    make: Make, meeting: Meeting
) -> None:
    """A thread is told by its context: the next heartbeat raises, the body unwinds, and only then
    the job is cancelled."""
    cleaned: list[bool] = []

    @job
    def obedient(ctx: Context) -> None:
        try:
            ctx.state.wait()
            ctx.heartbeat()
        finally:
            cleaned.append(ctx.cancelled)

    async with make(obedient) as supervisor:
        handle = await supervisor.submit(obedient)
        await meeting.begun.wait()
        await handle.cancel(wait=False)
        assert await handle.status() is Status.CANCELLING
        assert not cleaned
        meeting.go_on.set()
        outcome = await handle.wait(timeout=LONG)

    assert (outcome.answer, outcome.reason, cleaned) == ("cancelled", Reason.REQUESTED, [True])


async def test_a_body_can_ask_whether_it_was_told_to_stop(make: Make, meeting: Meeting) -> None:
    """``ctx.cancelled`` and ``ctx.stop_reason`` are readable from the thread, without raising."""

    @job
    def polite(ctx: Context) -> list[object]:
        before: list[object] = [ctx.cancelled, ctx.stop_reason]
        ctx.state.wait()
        return [*before, ctx.cancelled, ctx.stop_reason]

    async with make(polite) as supervisor:
        handle = await supervisor.submit(polite)
        await meeting.begun.wait()
        await handle.cancel(wait=False)
        meeting.go_on.set()
        outcome = await handle.wait(timeout=LONG)

    assert outcome.value == [False, None, True, "requested"]


async def test_a_deaf_body_is_stuck_and_never_called_cancelled_while_it_runs(
    make: Make, meeting: Meeting
) -> None:
    """A thread that ignores its cancellation past its grace is `stuck`: its slot is free, its row
    stays `cancelling`, and it ends with what its body did in the end. (R61)"""
    async with make(deaf, quick, concurrency=1) as supervisor:
        handle = await supervisor.submit(deaf, 7)
        await meeting.begun.wait()
        outcome = await handle.cancel()

        assert outcome.answer == "stuck"
        assert await handle.status() is Status.CANCELLING
        assert await (await supervisor.submit(quick, 1)).result(timeout=LONG) == 1
        meeting.go_on.set()
        end = await handle.wait(timeout=LONG)
        assert (end.answer, end.value) == ("completed", 7)
        types = [event.type for event in await handle.history()]
        assert types[-3:] == ["stuck", "unstuck", "completed"]


async def test_a_timed_out_thread_is_not_run_twice_at_once(make: Make, meeting: Meeting) -> None:
    """A retry waits until the thread of the attempt before has ended. (R61)"""
    running = threading.Lock()

    @job(timeout=0.05, grace=0.05, retries=1, backoff=lambda n, e: 0)
    def overruns(ctx: Context) -> int:
        assert running.acquire(blocking=False), "two attempts at once"
        try:
            if ctx.attempt == 1:
                ctx.state.wait()
            return ctx.attempt
        finally:
            running.release()

    async with make(overruns) as supervisor:
        handle = await supervisor.submit(overruns)
        async for event in handle.events():
            if event.type is EventType.STUCK:
                assert await handle.status() is Status.RUNNING
                meeting.go_on.set()

        assert (await handle.wait()).value == 2


@pytest.mark.parametrize("clock", ["timeout", "heartbeat"])
async def test_a_body_that_waits_for_a_thread_is_not_timed(
    make: Make, meeting: Meeting, clock: str
) -> None:
    """All threads busy: the timeout and the heartbeat of a job whose body has not begun do not run,
    nobody is failed for a neighbour. They run once it has. (R25)"""

    timeout, heartbeat = (0.05, None) if clock == "timeout" else (None, 0.05)

    @job(retries=0, timeout=timeout, heartbeat=heartbeat)
    def quick() -> str:
        return "done"

    @job(retries=0, timeout=timeout, heartbeat=heartbeat, grace=LONG)
    def overruns(ctx: Context) -> None:
        ctx.state.wait()

    async with make(waits, quick, overruns, threads=1) as supervisor:
        first = await supervisor.submit(waits, 1)
        await meeting.begun.wait()
        second = await supervisor.submit(quick)
        with pytest.raises(TimeoutError):
            await second.wait(timeout=0.2)
        meeting.go_on.set()
        assert await second.result() == "done"
        await first.result()
        meeting.go_on.clear()
        third = await supervisor.submit(overruns)
        async for event in third.events():
            if event.type is EventType.STOPPING:
                meeting.go_on.set()
        assert (await third.wait()).reason in (Reason.TIMEOUT, Reason.SILENT)


async def test_a_job_that_waits_for_a_thread_is_cancelled_without_it(
    make: Make, meeting: Meeting
) -> None:
    """All threads busy: a job whose body has not begun is cancelled at once, and its body does
    not run later. (R62)"""
    begun: list[int] = []

    @job
    def notes(value: int) -> None:
        begun.append(value)

    async with make(waits, notes, threads=1) as supervisor:
        first = await supervisor.submit(waits, 1)
        await meeting.begun.wait()
        second = await supervisor.submit(notes, 2)
        async for event in second.events():
            if event.type is EventType.STARTED:
                break
        outcome = await second.cancel()
        meeting.go_on.set()

        assert outcome.answer == "cancelled"
        assert await first.result(timeout=LONG) == 1
        third = await supervisor.submit(notes, 3)
        await third.result(timeout=LONG)
        assert begun == [3]


async def test_a_stop_does_not_wait_for_each_stuck_thread(make: Make, meeting: Meeting) -> None:
    """Closing takes no time for threads that are at work, however many they are. (R63)"""
    async with make(deaf, threads=12, drain_timeout=0, cancel_timeout=0) as supervisor:
        handles = await supervisor.submit_many(deaf.call(n) for n in range(12))
        await meeting.all_here(len(handles))
        begun = perf_counter()
        report = await supervisor.stop()
        took = perf_counter() - begun
        meeting.go_on.set()

    assert len(report.stuck) == 12
    assert took < 1.5  # a fifth of a second for each would be 2.4
    async with make(quick) as following:  # which is let in when the last of them has ended
        assert following.recovered.jobs == len(handles)


RAISED: dict[str, BaseException] = {
    "ValueError": ValueError("wrong"),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "SystemExit": SystemExit(3),
    "GeneratorExit": GeneratorExit(),
    "StopIteration": StopIteration(),
    "CancelledError": asyncio.CancelledError(),
}


@pytest.mark.parametrize("name", RAISED)
async def test_whatever_a_thread_raises_is_its_jobs_outcome(make: Make, name: str) -> None:
    """A body in a thread may raise anything: its job fails, the thread serves the next one."""

    @job
    def fails() -> None:
        raise RAISED[name]

    async with make(fails, quick, threads=1) as supervisor:
        outcome = await (await supervisor.submit(fails)).wait(timeout=LONG)
        assert (outcome.answer, outcome.reason) == ("failed", Reason.ERROR)
        assert await (await supervisor.submit(quick, 1)).result(timeout=LONG) == 1
        assert supervisor.figures.restarts == 0


async def test_more_bodies_than_threads_all_get_their_turn(make: Make) -> None:
    """Two hundred plain functions on three threads: all complete, on no more than three threads."""
    seen: set[int] = set()

    @job
    def notes(value: int) -> int:
        seen.add(threading.get_ident())
        return value

    async with make(notes, threads=3) as supervisor:
        handles = await supervisor.submit_many(notes.call(n) for n in range(200))
        assert [await handle.result(timeout=LONG) for handle in handles] == list(range(200))
    assert len(seen) <= 3
