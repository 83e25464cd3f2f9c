"""Bodies that ignore their cancellation: told again, reported stuck, their slot released."""

from __future__ import annotations

import asyncio

import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import Backoff, Context, EventType, Handle, Reason, Status, job


def now() -> float:
    return asyncio.get_running_loop().time()


class Stubborn:
    """The state of a body that swallows every cancellation until it is let go."""

    def __init__(self) -> None:
        self.told: list[float] = []
        self.let_go = asyncio.Event()

    async def ignore_everything(self) -> None:
        begun = now()
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                self.told.append(now() - begun)


@job(queue="narrow", grace=10)
async def ignores(ctx: Context) -> str:
    await ctx.state.ignore_everything()
    return "done in the end"


@job(queue="narrow")
async def works(number: int) -> int:
    return number


async def types(handle: Handle[object]) -> list[EventType]:
    return [event.type for event in await handle.history()]


async def test_a_body_is_told_at_0_1_and_then_every_5_seconds(make: Make) -> None:
    """A body that swallows its cancellation is told again after 1 s and then every 5 s, no more
    often, for as long as it runs. (R31)"""
    stubborn = Stubborn()
    async with make(ignores, state=stubborn) as supervisor:
        handle = await supervisor.submit(ignores.options(grace="1h"))
        await asyncio.sleep(0.5)
        stubborn.told.clear()
        asked = now()
        await handle.cancel(wait=False)
        await asyncio.sleep(60)
        stubborn.let_go.set()
        await handle.wait()

    first = stubborn.told[0]
    assert first == pytest.approx(0.5, abs=0.01)
    assert asked > 0
    since = [round(moment - first, 3) for moment in stubborn.told]
    assert since == [0, 1, 6, 11, 16, 21, 26, 31, 36, 41, 46, 51, 56]


async def test_past_its_grace_a_body_is_stuck_and_its_slot_is_free(make: Make) -> None:
    """At the end of the grace the canceller is told `stuck`, the ledger too, and the next job of
    the queue gets the slot. The job itself stays `cancelling`: its body still runs. (R61, R62)"""
    stubborn = Stubborn()
    async with make(ignores, works, queues={"narrow": 1}, state=stubborn) as supervisor:
        handle = await supervisor.submit(ignores)
        next_one = await supervisor.submit(works, 3)
        await asyncio.sleep(5)
        assert await next_one.status() is Status.PENDING
        asked = now()
        outcome = await handle.cancel()

        assert (outcome.answer, outcome.ended) == ("stuck", False)
        assert now() - asked == pytest.approx(10, abs=0.01)
        assert await next_one.result() == 3
        assert await handle.status() is Status.CANCELLING
        assert supervisor.figures.stuck == 1
        assert supervisor.figures.running == 0
        assert supervisor.figures.events["stuck"] == 1
        assert (await handle.cancel()).answer == "stuck"
        stubborn.let_go.set()
        await handle.wait()


async def test_a_stuck_body_that_ends_after_all_is_told_and_decides(make: Make) -> None:
    """When a stuck body ends the ledger says `unstuck`, its report counts as any other, and its
    slot is not given back a second time. (R61)"""
    stubborn = Stubborn()
    async with make(ignores, works, queues={"narrow": 1}, state=stubborn) as supervisor:
        handle = await supervisor.submit(ignores)
        await asyncio.sleep(1)
        await handle.cancel()
        stubborn.let_go.set()
        outcome = await handle.wait()

        assert (outcome.answer, outcome.value) == ("completed", "done in the end")
        assert await types(handle) == [
            *("submitted", "started", "cancelling", "stuck", "unstuck", "completed")
        ]
        figures = supervisor.figures
        assert (figures.stuck, figures.running) == (0, 0)
        assert (figures.events["stuck"], figures.events["unstuck"]) == (1, 1)
        numbers = await supervisor.submit_many(works.call(n) for n in range(10))
        assert [await handle.result() for handle in numbers] == list(range(10))


async def test_whoever_waits_for_the_result_goes_on_waiting(make: Make) -> None:
    """Being stuck is no end: `wait` and `result` are answered by the end alone. (R7)"""
    stubborn = Stubborn()
    async with make(ignores, state=stubborn) as supervisor:
        handle = await supervisor.submit(ignores)
        await asyncio.sleep(1)
        waiting = asyncio.create_task(handle.wait())
        assert (await handle.cancel()).answer == "stuck"
        await asyncio.sleep(3600)
        assert not waiting.done()
        stubborn.let_go.set()

        assert (await waiting).answer == "completed"


async def test_a_timed_out_body_that_is_stuck_gets_no_second_attempt_beside_it(make: Make) -> None:
    """While the old body lives its job is not retried; when it ends, it is. (R25)"""
    stubborn = Stubborn()
    running: list[int] = []

    @job(timeout="1m", retries=1, grace=10, backoff=Backoff(initial=1, maximum=1, jitter="none"))
    async def overruns(ctx: Context) -> int:
        running.append(ctx.attempt)
        assert len(running) == 1
        if ctx.attempt == 1:
            await ctx.state.ignore_everything()
        running.remove(ctx.attempt)
        return ctx.attempt

    async with make(overruns, state=stubborn) as supervisor:
        handle = await supervisor.submit(overruns)
        await asyncio.sleep(3600)
        assert await handle.status() is Status.RUNNING
        assert (await handle.record()).stop_reason is Reason.TIMEOUT
        assert await types(handle) == ["submitted", "started", "stopping", "stuck"]
        stubborn.let_go.set()

        assert await handle.result() == 2
        assert (await types(handle))[4:] == [
            *("unstuck", "retrying", "late_success", "due", "started", "completed")
        ]


async def test_no_grace_means_stuck_at_once(make: Make) -> None:
    """With ``grace=0`` the slot is free as soon as the body was told."""
    stubborn = Stubborn()
    async with make(ignores, works, queues={"narrow": 1}, state=stubborn) as supervisor:
        handle = await supervisor.submit(ignores.options(grace=0))
        await asyncio.sleep(1)
        asked = now()

        assert (await handle.cancel()).answer == "stuck"
        assert now() - asked < 0.01
        stubborn.let_go.set()
        await handle.wait()


async def test_a_body_that_ends_just_when_its_grace_does_is_booked_once(make: Make) -> None:
    """A body that obeys at the very end of its grace ends the job either way, and the slots are
    counted right afterwards."""

    @job(queue="narrow", grace=10)
    async def late_to_obey(seconds: float) -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            until = now() + seconds
            while now() < until:
                try:
                    await asyncio.sleep(until - now())
                except asyncio.CancelledError:
                    continue

    async with make(late_to_obey, works, queues={"narrow": 2}) as supervisor:
        for seconds in (9.999, 9.9999999, 10, 10.0000001, 10.001):
            handle = await supervisor.submit(late_to_obey, seconds)
            await asyncio.sleep(1)
            assert (await handle.cancel()).answer in ("cancelled", "stuck")
            assert (await handle.wait()).answer == "cancelled"
            figures = supervisor.figures
            assert (figures.running, figures.stuck) == (0, 0)
            events = await types(handle)
            assert events.count(EventType.STUCK) == events.count(EventType.UNSTUCK)


async def test_many_stuck_bodies_cost_nothing_but_their_memory(make: Make) -> None:
    """A queue of one slot lets ten bodies get stuck one after the other and still runs its jobs."""
    stubborn = Stubborn()
    async with make(ignores, works, queues={"narrow": 1}, state=stubborn) as supervisor:
        handles = await supervisor.submit_many(ignores.call() for _ in range(10))
        for handle in handles:
            async for event in handle.events():
                if event.type is EventType.STARTED:
                    break
            assert (await handle.cancel()).answer == "stuck"
        assert supervisor.figures.stuck == 10
        assert await (await supervisor.submit(works, 1)).result() == 1
        stubborn.let_go.set()
        assert {(await handle.wait()).answer for handle in handles} == {"completed"}
