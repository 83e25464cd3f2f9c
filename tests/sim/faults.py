"""What goes wrong in a life, at moments and for times drawn from the seed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from tests.sim.failing_disk import BUSY, CANNOT_OPEN, DISK_FULL, IO_ERROR
from tests.sim.world import Life
from tests.sim.zombies import zombie

Fault = Callable[[Life, Random], Awaitable[None]]


async def harm(life: Life) -> None:
    """One fault after the other, until somebody cancels this."""
    options = life.world.options
    for index in range(options.faults):
        name = f"{life.number}/fault/{index}"
        draw = life.draw(name)
        await asyncio.sleep(draw.choice((0.05, 2.0, 15.0)) * draw.random())
        if name in options.skipped:
            continue
        fault = draw.choices(list(FAULTS), list(FAULTS.values()))[0]
        life.say("fault", fault.__name__)
        life.book.counts[f"fault {fault.__name__}"] += 1
        await fault(life, draw)


# Time


async def wall_step(life: Life, draw: Random) -> None:
    """Somebody sets the wall clock."""
    seconds = draw.choice((-1, 1)) * draw.choice((0.001, 1.0, 3_600.0, 86_400.0 * 3_650))
    life.clock.step(seconds)
    life.book.sometimes.reach_if(seconds < 0, "the wall clock was behind the stamps")


async def suspend(life: Life, draw: Random) -> None:
    """The machine sleeps."""
    life.clock.suspend(draw.choice((1.0, 60.0, 7_200.0)) * draw.random())


async def stall(life: Life, draw: Random) -> None:
    """Something blocks the loop."""
    life.loop.stall(draw.choice((0.05, 1.0, 20.0, 90.0)) * draw.random())


# The disk


async def slow_disk(life: Life, draw: Random) -> None:
    """Transactions take long."""
    life.disk.slower_seconds = draw.choice((0.1, 1.0, 10.0))
    await asyncio.sleep(draw.uniform(1, 20))
    life.disk.heal()


async def silent_disk(life: Life, draw: Random) -> None:
    """Nothing is answered for a while."""
    life.disk.hang()
    await asyncio.sleep(draw.choice((0.5, 8.0, 60.0)) * draw.random())
    life.disk.heal()


async def full_disk(life: Life, draw: Random) -> None:
    """No space left, then some again."""
    life.disk.at_begin = DISK_FULL
    await asyncio.sleep(draw.uniform(0, 20))
    life.disk.heal()


async def busy_disk(life: Life, draw: Random) -> None:
    """Another program writes, for shorter or longer than the store waits."""
    life.disk.at_begin = BUSY
    await asyncio.sleep(draw.uniform(0, 8))
    life.disk.heal()


async def failing_commit(life: Life, draw: Random) -> None:
    """One COMMIT fails, and may have happened all the same."""
    life.disk.commit_reaches_disk = draw.random() < 0.5
    life.disk.at_commit = draw.choice((IO_ERROR, DISK_FULL))
    if draw.random() < 0.5:
        life.disk.at_connect = CANNOT_OPEN  # and nobody can look whether it did
    await asyncio.sleep(draw.uniform(0, 10))
    life.disk.heal()
    for _ in range(draw.choice((0, 0, 4))):  # some that have happened, and nobody knows it
        await asyncio.sleep(draw.uniform(0, 2))
        life.disk.commit_reaches_disk = True
        life.disk.at_commit, life.disk.at_connect = IO_ERROR, CANNOT_OPEN
        await asyncio.sleep(draw.uniform(0, 2))
        life.disk.heal()


async def failing_reads(life: Life, draw: Random) -> None:
    """What is on disk cannot be read."""
    life.disk.at_read = IO_ERROR
    await asyncio.sleep(draw.uniform(0, 10))
    life.disk.heal()


# The supervisor itself


async def bug_while_writing(life: Life, draw: Random) -> None:
    """A bug in the store: the actor that called it dies, and is restarted."""
    life.disk.write_bugs = draw.choice((1, 1, 1, 2, 8))


async def bug_while_reading(life: Life, draw: Random) -> None:
    """The same where something is read."""
    life.disk.read_bugs = draw.choice((1, 1, 1, 2, 8))


FAULTS: dict[Fault, int] = {
    wall_step: 12,
    suspend: 8,
    stall: 14,
    slow_disk: 10,
    silent_disk: 8,
    full_disk: 10,
    busy_disk: 6,
    failing_commit: 26,
    failing_reads: 8,
    bug_while_writing: 5,
    bug_while_reading: 5,
    zombie: 10,
}
"""What goes wrong, and how often."""
