"""Limits of concurrency, judged from the ledger alone: they hold at every prefix of it."""

from __future__ import annotations

import asyncio
import contextlib
from random import Random

import pytest
from tests.supervisor.ledger import most_running, of_type, whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import Backoff, Context, EventType, Snooze, job


@job(retries=2, backoff=Backoff(initial=0.01, maximum=0.05))
async def work(ctx: Context, seconds: float, mood: str = "fine") -> None:
    """Takes its time; at its first attempt it may snooze or fail."""
    await asyncio.sleep(seconds)
    if ctx.attempt == 1 and mood == "snoozes":
        raise Snooze(0.02)
    if ctx.attempt == 1 and mood == "fails":
        raise RuntimeError("first attempt")


@job(grace=0.01)
async def deaf(seconds: float) -> None:
    """Ignores every cancellation until its time is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(end - loop.time())


@pytest.mark.parametrize("seed", range(4))
async def test_no_limit_is_ever_exceeded(make_slow: Make, seed: int) -> None:
    """At every prefix of the ledger each queue, and all together, keep within their limits."""
    draw = Random(seed)
    async with make_slow(work, concurrency=7, queues={"narrow": 1, "middle": 3}) as supervisor:

        async def client() -> None:
            queue = draw.choice(["narrow", "middle", "wide"])
            mood = draw.choice(["fine", "fine", "snoozes", "fails"])
            await asyncio.sleep(draw.uniform(0, 0.3))
            call = work.options(queue=queue, priority=draw.randint(0, 2))
            handle = await supervisor.submit(call, draw.uniform(0, 0.05), mood)
            if draw.random() < 0.2:
                await asyncio.sleep(draw.uniform(0, 0.1))
                await handle.cancel()
            await handle.wait()

        await asyncio.gather(*(client() for _ in range(200)))
        most = most_running(await whole_ledger(supervisor))

    assert most["narrow"] == 1
    assert most["middle"] == 3
    assert most[""] == 7


async def test_a_full_house_uses_every_slot(make: Make) -> None:
    """With enough work, exactly as many bodies run at once as the limits allow, no fewer."""
    async with make(work, concurrency=5, queues={"narrow": 2}) as supervisor:
        calls = [work.options(queue="narrow").call(1.0) for _ in range(10)]
        calls += [work.options(queue="wide").call(1.0) for _ in range(10)]
        begun = asyncio.get_running_loop().time()
        for handle in await supervisor.submit_many(calls):
            await handle.wait()
        assert asyncio.get_running_loop().time() - begun == pytest.approx(5.0, abs=0.1)
        assert most_running(await whole_ledger(supervisor)) == {"narrow": 2, "wide": 3, "": 5}


async def test_a_stuck_body_gives_its_slot_back(make_slow: Make) -> None:
    """A body that ignores its cancellation past its grace holds no slot: the next one starts, and
    when the deaf one ends after all no slot is counted twice."""
    async with make_slow(work, deaf, concurrency=1) as supervisor:
        stuck = await supervisor.submit(deaf, 3.0)
        waiting = [await supervisor.submit(work, 0.5) for _ in range(10)]
        assert (await stuck.cancel()).answer == "stuck"
        assert supervisor.figures.stuck == 1
        for handle in waiting:
            await handle.wait()
        assert (await stuck.wait()).answer == "completed"  # it returned after all
        figures = supervisor.figures
        assert (figures.running, figures.stuck) == (0, 0)
        events = await whole_ledger(supervisor)

    assert most_running(events)[""] == 1
    assert len(of_type(events, EventType.STUCK, EventType.UNSTUCK)) == 2


async def test_a_busy_queue_does_not_starve_another(make: Make) -> None:
    """A queue with hundreds of jobs ahead does not keep a later job of another queue waiting for
    them all, as long as its own limit leaves a slot free."""
    async with make(work, concurrency=4, queues={"bulk": 3}) as supervisor:
        bulk = await supervisor.submit_many(
            work.options(queue="bulk").call(1.0) for _ in range(200)
        )
        begun = asyncio.get_running_loop().time()
        await (await supervisor.submit(work, 0.0)).wait()
        assert asyncio.get_running_loop().time() - begun < 0.1
        for handle in bulk:
            await handle.cancel(wait=False)


async def test_equal_queues_share_slots_by_age(make: Make) -> None:
    """Jobs of equal priority start in the order in which they became ready, whatever queue they
    are in: a steady stream into one queue starves nobody."""
    async with make(work, concurrency=1) as supervisor:
        first = [await supervisor.submit(work.options(queue="a"), 1.0) for _ in range(5)]
        other = await supervisor.submit(work.options(queue="b"), 1.0)
        later = [await supervisor.submit(work.options(queue="a"), 1.0) for _ in range(5)]
        await other.wait()
        assert [(await h.status()).value for h in first] == ["completed"] * 5
        assert "completed" not in [(await h.status()).value for h in later]
        for handle in later:
            await handle.wait()
