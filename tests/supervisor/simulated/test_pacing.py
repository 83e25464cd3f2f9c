"""Turns of subscribers: fair, within their share of the loop's time, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from overseen.pacing import BURST_SECONDS, QUIET_SECONDS, SHARE, SLICE_SECONDS, TURNS_MAX, Pacer
from overseen_actors.virtual import running_virtual_loop

TURN_SECONDS = 0.0002
"""What a turn costs the loop in these tests."""


async def take(pacer: Pacer, turns: int, log: list[int], name: int) -> None:
    """A subscriber that is behind and takes so many turns."""
    for _ in range(turns):
        await pacer.turn()
        log.append(name)
        running_virtual_loop().stall(TURN_SECONDS)


async def commit_often(pacer: Pacer, every: float) -> None:
    """Work that goes on and on."""
    loop = asyncio.get_running_loop()
    while True:
        pacer.committed(loop.time())
        await asyncio.sleep(every)


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def test_turns_go_round() -> None:
    """Between two turns of one subscriber each other one that is behind has exactly one."""
    pacer, log = Pacer(), list[int]()
    await asyncio.gather(*(take(pacer, 7, log, name) for name in range(20)))
    assert log == list(range(20)) * 7


@pytest.mark.parametrize("every", [0.001, 0.005, 0.02, 0.1])  # the last: work that was slowed
async def test_while_work_goes_on_subscribers_have_their_share_and_no_more(every: float) -> None:
    """While commits follow each other a crowd of laggards takes its share of the loop's time,
    neither more nor much less, however often there are commits."""
    pacer, log = Pacer(), list[int]()
    work = asyncio.create_task(commit_often(pacer, every))
    crowd = [asyncio.create_task(take(pacer, 10**6, log, name)) for name in range(50)]
    await asyncio.sleep(10)
    spent = len(log) * TURN_SECONDS
    for task in (work, *crowd):
        await stop(task)
    assert spent <= SHARE * 10 + BURST_SECONDS + 2 * TURNS_MAX * TURN_SECONDS
    assert spent >= 0.8 * SHARE * 10


async def test_work_waits_for_no_more_than_a_slice() -> None:
    """Whatever the crowd, and also when it may take all of the loop's time, something else gets
    its turn on the loop after a slice."""
    pacer, log = Pacer(), list[int]()
    crowd = asyncio.gather(*(take(pacer, 100, log, name) for name in range(50)))
    loop, longest = asyncio.get_running_loop(), 0.0
    while not crowd.done():
        begun = loop.time()
        await asyncio.sleep(0)
        longest = max(longest, loop.time() - begun)
    assert longest <= 2 * SLICE_SECONDS + TURN_SECONDS


async def test_who_lags_catches_up_at_full_speed_when_work_ends() -> None:
    """A while after the last commit all of the loop's time is for subscribers."""
    pacer, log = Pacer(), list[int]()
    loop = asyncio.get_running_loop()
    pacer.committed(loop.time())
    begun = loop.time()
    await asyncio.gather(*(take(pacer, 1_000, log, name) for name in range(10)))
    assert len(log) == 10_000
    assert loop.time() - begun <= QUIET_SECONDS + 10_000 * TURN_SECONDS + 0.001


async def test_news_comes_soon_however_many_are_behind() -> None:
    """Whoever had everything gets the next news within one slice, beside a thousand laggards."""
    pacer, log = Pacer(), list[int]()
    crowd = [asyncio.create_task(take(pacer, 20, log, name)) for name in range(1_000)]
    for _ in range(100):
        await asyncio.sleep(0)
    news: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    before = len(log)
    pacer.give([(news, 7)])
    assert await news == 7
    assert len(log) - before <= 2 * TURNS_MAX
    await asyncio.gather(*crowd)


async def test_endless_news_starves_nobody_who_is_behind() -> None:
    """Laggards catch up beside subscribers for whom there is always news."""
    pacer, log = Pacer(), list[int]()
    work = asyncio.create_task(commit_often(pacer, 0.005))

    async def always_news() -> None:
        while True:
            news: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            pacer.give([(news, 0)])
            await news
            running_virtual_loop().stall(TURN_SECONDS)

    lucky = [asyncio.create_task(always_news()) for _ in range(100)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(take(pacer, 10, log, name) for name in range(100)))
    for task in (work, *lucky):
        await stop(task)
    assert len(log) == 1_000


async def test_news_on_an_idle_loop_has_its_turn_at_once() -> None:
    """Where nobody else waits, and work leaves time, the turn comes with the news itself."""
    pacer = Pacer()
    loop = asyncio.get_running_loop()
    for _ in range(1_000):
        pacer.committed(loop.time())
        news: asyncio.Future[int] = loop.create_future()
        pacer.give([(news, 3)])
        assert news.done()
        await asyncio.sleep(0.001)


async def test_a_reader_that_blocks_the_loop_holds_nobody_back_for_long() -> None:
    """After a turn that blocked the loop for a minute the next one comes within a tenth of a
    second, although commits go on."""
    pacer = Pacer()
    loop = running_virtual_loop()
    work = asyncio.create_task(commit_often(pacer, 0.005))
    await pacer.turn()
    loop.stall(60)
    await asyncio.sleep(0.1)
    begun = loop.time()
    await pacer.turn()
    assert loop.time() - begun < 0.1
    await stop(work)


@pytest.mark.parametrize("seed", range(20))
async def test_those_who_leave_take_no_turn_with_them(seed: int) -> None:
    """However many give up while they wait, or in their turn, all others get theirs; at the end
    nothing is left that waits."""
    draw = Random(seed)
    pacer, log = Pacer(), list[int]()
    work = asyncio.create_task(commit_often(pacer, 0.003))
    crowd = [asyncio.create_task(take(pacer, 10, log, name)) for name in range(100)]
    leaving = draw.sample(range(100), 60)
    for name in leaving:
        crowd[name].cancel()
        if draw.random() < 0.5:
            await asyncio.sleep(draw.choice([0, 0.0005, 0.01]))
    async with asyncio.timeout(60):
        await asyncio.wait(crowd)
    for name in set(range(100)) - set(leaving):
        assert log.count(name) == 10
    await stop(work)
    async with asyncio.timeout(1):
        await pacer.turn()


async def test_the_limit_is_lifted_at_the_end() -> None:
    """Once work has ended for good nobody pauses any more, also who pauses just now."""
    pacer, log = Pacer(), list[int]()
    loop = asyncio.get_running_loop()
    work = asyncio.create_task(commit_often(pacer, 0.001))
    crowd = [asyncio.create_task(take(pacer, 50, log, name)) for name in range(100)]
    await asyncio.sleep(0.2)
    pacer.lift()
    begun, had = loop.time(), len(log)
    await asyncio.gather(*crowd)
    assert loop.time() - begun <= (5_000 - had) * TURN_SECONDS + 0.001
    await stop(work)
