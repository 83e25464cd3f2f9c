"""The alarm: woken by time or by a ring, and no ring is lost."""

from __future__ import annotations

import asyncio

import pytest

from overseen_actors import Alarm


async def woken_by_a_ring(alarm: Alarm) -> bool:
    """Whether a ring is there to be heard within the next minute."""
    return await alarm.sleep_until(asyncio.get_running_loop().time() + 60)


async def test_time_wakes_the_sleeper() -> None:
    """Without a ring it sleeps until its moment, and says that it was time."""
    loop = asyncio.get_running_loop()
    wake_at = loop.time() + 60
    assert not await Alarm().sleep_until(wake_at)
    assert loop.time() == wake_at


async def test_a_ring_wakes_the_sleeper_at_once() -> None:
    """A ring ends a sleep that has no end of its own."""
    alarm = Alarm()
    asyncio.get_running_loop().call_later(5, alarm.ring)
    assert await alarm.sleep_until(None)
    assert not await woken_by_a_ring(alarm), "it was heard once"


async def test_a_ring_that_nobody_hears_is_for_the_next_sleep() -> None:
    """Rings between two sleeps are remembered, as one."""
    alarm = Alarm()
    alarm.ring()
    alarm.ring()
    assert await alarm.sleep_until(None)
    assert not await woken_by_a_ring(alarm)


@pytest.mark.parametrize("rings", [0, 1, 2])
async def test_a_ring_is_not_lost_with_a_cancelled_sleeper(rings: int) -> None:
    """Who is cancelled in the same turn in which it is rung leaves the ring to its successor."""
    alarm = Alarm()
    sleeper = asyncio.create_task(alarm.sleep_until(None))
    await asyncio.sleep(0)
    for _ in range(rings):
        alarm.ring()
    sleeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeper
    assert await woken_by_a_ring(alarm) is (rings > 0)
