"""What schedules promise: they find interleaving bugs, keep asyncio's order, and never livelock."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Literal

import anyio
import pytest

from overseen_actors import InvalidBound, VirtualLoop, run_virtual

Name = Literal["fifo", "random", "pct"]
SEEDS = 150


async def check_then_act() -> bool:
    """Two tasks read a status, then both write it; True if the second overwrote the first."""
    status, wrote = "running", list[str]()

    async def complete() -> None:
        nonlocal status
        if status == "running":
            await asyncio.sleep(0)  # a store call, for example
            status = "completed"
            wrote.append(status)

    async def cancel() -> None:
        nonlocal status
        for _ in range(3):
            await asyncio.sleep(0)
        if status == "running":
            status = "cancelled"
            wrote.append(status)

    async with asyncio.TaskGroup() as group:
        group.create_task(complete())
        group.create_task(cancel())
    return wrote == ["cancelled", "completed"]


async def lost_wake_up() -> bool:
    """A worker clears its bell after it has looked; True if it then sleeps beside its work."""
    work, bell, woken = list[int](), asyncio.Event(), False

    async def worker() -> None:
        nonlocal woken
        empty = not work
        await asyncio.sleep(0)
        if empty:
            bell.clear()
            try:
                async with asyncio.timeout(30):
                    await bell.wait()
            except TimeoutError:
                return
        woken = True

    async def producer() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        work.append(1)
        bell.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(worker())
        group.create_task(producer())
    return not woken


async def two_owners() -> bool:
    """A rescuer between two steps of an owner, a claim between two of the rescuer, all busy."""
    owner: int | None = 1
    alive, twice = False, False

    async def busy() -> None:
        for _ in range(4):
            await asyncio.sleep(0)

    async def first() -> None:
        nonlocal alive, twice
        await asyncio.sleep(0)
        alive = True
        for _ in range(8):
            await asyncio.sleep(0)
        twice = owner == 2

    async def rescuer() -> None:
        nonlocal owner
        for _ in range(2):
            await asyncio.sleep(0)
        seen_alive = alive
        await asyncio.sleep(0)
        if not seen_alive:
            owner = None

    async def second() -> None:
        nonlocal owner
        for _ in range(4):
            await asyncio.sleep(0)
        if owner is None:
            owner = 2

    async with asyncio.TaskGroup() as group:
        for work in (first, rescuer, second, *[busy] * 6):
            group.create_task(work())
    return twice


@pytest.mark.parametrize("bug", [check_then_act, lost_wake_up, two_owners])
def test_planted_interleaving_bugs_are_found_only_by_a_schedule_that_shuffles(
    bug: Callable[[], Awaitable[bool]],
) -> None:
    """First in, first out never hits them; random and PCT do so within a few hundred seeds."""

    async def run() -> bool:
        return await bug()

    hits = {
        schedule: sum(
            run_virtual(run(), seed=seed, schedule=schedule, pct_span_steps=60)
            for seed in range(SEEDS)
        )
        for schedule in NAMES
    }
    assert hits["fifo"] == 0
    assert hits["random"] >= SEEDS / 30
    assert hits["pct"] >= 1, hits


NAMES: tuple[Name, ...] = ("fifo", "random", "pct")


@pytest.mark.parametrize("schedule", NAMES)
def test_plain_callbacks_keep_their_order_whatever_the_schedule(schedule: Name) -> None:
    """`call_soon` promises it, and asyncio leans on it; only tasks are shuffled."""

    async def main() -> list[int]:
        loop, ran = asyncio.get_running_loop(), list[int]()

        async def add(first: int) -> None:
            for number in range(first, first + 10):
                loop.call_soon(ran.append, number)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for number in range(50):
                loop.call_soon(ran.append, number)
            for _ in range(5):
                group.create_task(asyncio.sleep(0))
        await add(50)
        await asyncio.sleep(1)
        return ran

    for seed in range(20):
        assert run_virtual(main(), seed=seed, schedule=schedule) == list(range(60))


@pytest.mark.parametrize("schedule", ["random", "pct"])
def test_ready_tasks_are_shuffled(schedule: Name) -> None:
    """Ten tasks that are ready together start in many orders, and each runs exactly once."""

    async def main() -> tuple[int, ...]:
        ran = list[int]()

        async def note(number: int) -> None:
            ran.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(note(number))
        return tuple(ran)

    orders = {run_virtual(main(), seed=seed, schedule=schedule) for seed in range(50)}
    assert len(orders) >= 45
    assert all(sorted(order) == list(range(10)) for order in orders)


@pytest.mark.parametrize("schedule", NAMES)
def test_the_redelivery_of_an_anyio_cancellation_does_not_lock_out_the_tasks(
    schedule: Name,
) -> None:
    """anyio puts its delivery back into the queue each turn while a task cleans up; that ends."""

    async def main() -> int:
        turns = 0

        async def stubborn() -> None:
            nonlocal turns
            while turns < 200:
                with contextlib.suppress(asyncio.CancelledError):  # it swallows it, for a while
                    await asyncio.sleep(0)
                turns += 1

        with anyio.move_on_after(5):
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(stubborn)
                group.cancel_scope.cancel()
        return turns

    for seed in range(20):
        assert run_virtual(main(), seed=seed, schedule=schedule, step_limit=20_000) >= 200


@pytest.mark.parametrize("schedule", NAMES)
def test_a_task_that_polls_does_not_starve_the_one_it_waits_for(schedule: Name) -> None:
    """Under priorities too: who takes its turn too often in a row falls behind."""

    async def main() -> None:
        done = False

        async def poll() -> None:
            while not done:  # noqa: ASYNC110  that is what is tested
                await asyncio.sleep(0)

        async def finish() -> None:
            nonlocal done
            for _ in range(20):
                await asyncio.sleep(0)
            done = True

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(poll())
            group.create_task(finish())

    for seed in range(20):
        run_virtual(main(), seed=seed, schedule=schedule, step_limit=100_000)


def test_a_schedule_out_of_bounds_is_refused() -> None:
    """Names, numbers of changes and spans are checked when the loop is made."""
    with pytest.raises(ValueError, match="lifo"):
        VirtualLoop(schedule="lifo")  # type: ignore[arg-type]  # that is what is tested
    with pytest.raises(InvalidBound, match="pct_changes"):
        VirtualLoop(schedule="pct", pct_changes=-1)
    with pytest.raises(InvalidBound, match="pct_span_steps"):
        VirtualLoop(schedule="pct", pct_span_steps=0)
