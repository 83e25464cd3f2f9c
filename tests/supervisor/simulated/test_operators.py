"""What an operator does to a waiting or ended job: promote, change, release, retry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec
import pytest
from tests.supervisor.ledger import of_type, started, whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import (
    Backoff,
    Cause,
    Context,
    EventType,
    Held,
    InvalidOption,
    JobFailed,
    JobNotFound,
    Reason,
    Status,
    Supervisor,
    UnknownJob,
    WrongStatus,
    job,
)
from overseen_actors import LoopClock


@job(retries=1, backoff=Backoff(initial="1h", maximum="1h", jitter="none"))
async def work(ctx: Context, fails: int = 0) -> int:
    """Fails at its first attempts."""
    await asyncio.sleep(1)
    if ctx.attempt <= fails:
        raise RuntimeError(f"attempt {ctx.attempt}")
    return ctx.attempt


@job(retries=0)
async def long_way(ctx: Context, stop_at: int | None = None) -> list[object]:
    """Goes on from its checkpoint."""
    begun: int = ctx.last_checkpoint or 0
    for n in range(begun, 10):
        await ctx.checkpoint(n)
        if n == stop_at and not begun:
            raise RuntimeError("half way")
    return [begun, dict(ctx.labels)]


@pytest.fixture
async def supervisor(make: Make) -> Supervisor:
    """Not started."""
    return make(work, long_way, concurrency=1)


async def test_a_promoted_job_is_due_now(supervisor: Supervisor) -> None:
    """Promoting makes a scheduled or a retrying job run at once; the ledger says who did it."""
    async with supervisor:
        begun = asyncio.get_running_loop().time()
        delayed = await supervisor.submit(work.options(delay="1d"))
        await supervisor.promote(delayed.id)
        assert await delayed.result() == 1
        retrying = await supervisor.submit(work, 1)
        await asyncio.sleep(5)
        assert await retrying.status() is Status.RETRYING
        await supervisor.promote(retrying.id)
        assert await retrying.result() == 2
        assert asyncio.get_running_loop().time() - begun < 20
        events = of_type(await whole_ledger(supervisor), EventType.PROMOTED)
    assert [event.job_id for event in events] == [delayed.id, retrying.id]
    assert {event.cause for event in events} == {Cause.OPERATOR}
    assert {event.status for event in events} == {Status.PENDING}


async def test_a_changed_priority_changes_the_order(supervisor: Supervisor) -> None:
    """A waiting job whose priority is raised overtakes; the ledger holds the new value."""
    async with supervisor:
        handles = [await supervisor.submit(work) for _ in range(4)]
        await supervisor.change(handles[3].id, priority=7)
        for handle in handles:
            await handle.wait()
        assert started(await whole_ledger(supervisor)) == [1, 4, 2, 3]
        changed = of_type(await handles[3].history(), EventType.CHANGED)
    assert [msgspec.json.decode(event.data or "") for event in changed] == [{"priority": 7}]


@pytest.mark.parametrize("how", ["sooner", "later", "moment", "past"])
async def test_a_changed_due_time_counts(
    supervisor: Supervisor, clock: LoopClock, how: str
) -> None:
    """A scheduled job can be put earlier, later, to a moment, or to one that is over."""
    now = clock.wall_us() / 1e6
    seconds = {"sooner": 60, "later": 7200, "moment": 600, "past": 0}[how]
    async with supervisor:
        begun = asyncio.get_running_loop().time()
        handle = await supervisor.submit(work.options(delay="1h"))
        if how in ("moment", "past"):
            at = datetime.fromtimestamp(now + (600 if how == "moment" else -600), UTC)
            await supervisor.change(handle.id, at=at)
        else:
            await supervisor.change(handle.id, delay=seconds)
        assert await handle.result() == 1
        assert asyncio.get_running_loop().time() - begun == pytest.approx(seconds + 1, abs=1)
        assert len(of_type(await handle.history(), EventType.CHANGED)) == 1


ACTS: dict[str, Callable[[Supervisor, int], Awaitable[object]]] = {
    "promote": lambda supervisor, job_id: supervisor.promote(job_id),
    "priority": lambda supervisor, job_id: supervisor.change(job_id, priority=1),
    "delay": lambda supervisor, job_id: supervisor.change(job_id, delay=1),
    "release": lambda supervisor, job_id: supervisor.release(job_id),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("status", ["running", "completed"])
async def test_what_does_not_wait_cannot_be_changed(
    supervisor: Supervisor, act: str, status: str
) -> None:
    """Changing a running or ended job is `WrongStatus`, which names the status, and nothing is on
    the ledger; an unknown job is `JobNotFound`."""
    async with supervisor:
        handle = await supervisor.submit(work)
        await asyncio.sleep(0.5)
        if status == "completed":
            await handle.wait()
        before = await handle.history()
        with pytest.raises(WrongStatus, match=f"job {handle.id} is {status}") as caught:
            await ACTS[act](supervisor, handle.id)
        assert (caught.value.job_id, caught.value.status) == (handle.id, status)
        assert await handle.history() == before
        with pytest.raises(JobNotFound, match="no job 77"):
            await ACTS[act](supervisor, 77)


async def test_a_pending_job_is_due_already(supervisor: Supervisor) -> None:
    """Promoting a pending job, or giving it a due time, is `WrongStatus` that says why."""
    async with supervisor:
        await supervisor.pause("default")
        handle = await supervisor.submit(work)
        for act in ("promote", "delay"):
            with pytest.raises(WrongStatus, match="due already"):
                await ACTS[act](supervisor, handle.id)
        with pytest.raises(InvalidOption, match="priority"):
            await supervisor.change(handle.id)
        with pytest.raises(InvalidOption, match="priority"):
            await supervisor.change(handle.id, priority=10**6)
        assert len(await handle.history()) == 1


@pytest.mark.parametrize("delay", [None, "1h"])
async def test_what_is_not_held_cannot_be_released(
    supervisor: Supervisor, delay: str | None
) -> None:
    """Releasing a waiting job that nobody holds is `WrongStatus`, and changes nothing."""
    async with supervisor:
        await supervisor.pause("default")
        handle = await supervisor.submit(work.options(delay=delay) if delay else work)
        before = await handle.record()
        with pytest.raises(WrongStatus, match="only a held job can be released"):
            await supervisor.release(handle.id)
        assert await handle.record() == before
        assert len(await handle.history()) == 1


async def test_a_held_job_runs_once_it_is_released(make: Make) -> None:
    """A kind that this program does not know is held; released by hand it is held again, known to
    a later program it runs."""
    async with make(work, concurrency=1) as supervisor:
        await supervisor.pause("default")
        handle = await supervisor.submit(work)
    async with make(long_way) as supervisor:
        await supervisor.resume("default")
        await asyncio.sleep(1)
        assert [one.id for one in await supervisor.jobs(held=True)] == [handle.id]
        assert (await supervisor.job(handle.id)).held is Held.UNREGISTERED
        await supervisor.release(handle.id)
        await asyncio.sleep(1)
        events = await supervisor.history(handle.id)
        assert [e.type for e in events] == ["submitted", "held", "unheld", "held"]
        assert supervisor.figures.events["held"] == 2
        assert supervisor.figures.events["unheld"] == 1
    async with make(work, concurrency=1) as supervisor:
        assert await supervisor.handle(handle.id, work).result() == 1


async def test_many_operators_one_job(make_slow: Make) -> None:
    """Many operators that act on one job at the same time are all answered, each as the job was
    when its turn came."""
    async with make_slow(work) as supervisor:
        handle = await supervisor.submit(work.options(delay="1d"))
        acts = [ACTS[name](supervisor, handle.id) for name in ("priority", "promote") * 5]
        answers = await asyncio.gather(*acts, return_exceptions=True)
        assert sum(answer is None for answer in answers) >= 2
        assert all(answer is None or isinstance(answer, WrongStatus) for answer in answers)
        assert len(of_type(await handle.history(), EventType.PROMOTED)) == 1
        await handle.wait()


async def test_retry_makes_a_new_job_and_leaves_the_old_one(supervisor: Supervisor) -> None:
    """Retrying an ended job makes a new one that points back, with the same work, labels and
    queue, fresh budgets and the last checkpoint; the old row does not change, its ledger has one
    `retried` note. (R3)"""
    async with supervisor:
        call = long_way.options(queue="q", priority=3, labels={"user": "7"}, key="once")
        old = await supervisor.submit(call, 4)
        with pytest.raises(JobFailed):
            await old.result()
        before = await old.record()
        new = await supervisor.retry(old.id)
        assert await new.result() == [4, {"user": "7"}]
        after = await new.record()
        assert await old.record() == before
        assert [e.type for e in await old.history()][-2:] == ["failed", "retried"]
    assert (after.retried_from, after.queue, after.priority) == (old.id, "q", 3)
    assert (after.failures, after.key, new.created) == (0, None, True)


@pytest.mark.parametrize("status", ["scheduled", "pending", "running", "retrying"])
async def test_only_an_ended_job_can_be_retried(supervisor: Supervisor, status: str) -> None:
    """Retrying a job that has not ended is `WrongStatus`; an unknown one is `JobNotFound`."""
    async with supervisor:
        if status == "pending":
            await supervisor.pause("default")
        fails = 1 if status == "retrying" else 0
        call = work.options(delay="1h") if status == "scheduled" else work
        handle = await supervisor.submit(call, fails)
        await asyncio.sleep(5 if status == "retrying" else 0.5)
        with pytest.raises(WrongStatus, match=f"is {status}.*has ended"):
            await supervisor.retry(handle.id)
        with pytest.raises(JobNotFound):
            await supervisor.retry(77)
        assert len(await supervisor.jobs()) == 1


async def test_a_kind_that_is_not_known_here_cannot_be_retried(make: Make) -> None:
    """Retrying a job of a kind that this program does not have is `UnknownJob`."""
    async with make(work) as supervisor:
        handle = await supervisor.submit(work)
        await handle.cancel()
        assert (await handle.record()).reason is Reason.REQUESTED
    async with make(long_way) as supervisor:
        with pytest.raises(UnknownJob, match="work"):
            await supervisor.retry(handle.id)
