"""Submitting: all or nothing, bounded, and slowed down rather than dropped."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from tests.supervisor.ledger import of_type, whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import Call, EventType, InvalidArguments, TooManyCalls, UnknownJob, job


@job
async def echo(value: int) -> int:
    """Returns it."""
    return value


@job
async def keep(text: str) -> int:
    """Measures it."""
    return len(text)


async def test_submit_many_is_one_transaction(make: Make) -> None:
    """Ten thousand calls are stored in one transaction with consecutive ids."""
    async with make(echo, concurrency=1) as supervisor:
        await supervisor.pause("default")
        groups = supervisor.figures.groups
        handles = await supervisor.submit_many(echo.call(n) for n in range(10_000))
        assert [h.id for h in handles] == list(range(1, 10_001))
        assert supervisor.figures.groups == groups + 1


async def test_more_calls_than_the_limit_are_refused_as_a_whole(make: Make) -> None:
    """One call above ten thousand is an error that says to submit in chunks; nothing is stored."""
    async with make(echo) as supervisor:
        with pytest.raises(TooManyCalls, match=r"10,000 calls and 64 MiB.*in chunks") as caught:
            await supervisor.submit_many(echo.call(n) for n in range(10_001))
        assert caught.value.calls == 10_001
        assert await supervisor.jobs() == []


@pytest.mark.parametrize("letter", ["x", "\u2603"])
async def test_more_bytes_than_the_limit_are_refused_as_a_whole(make: Make, letter: str) -> None:
    """More than 64 MiB of arguments, counted in bytes, are refused; 60 MiB are taken."""
    megabyte = letter * ((1 << 20) // len(letter.encode()) - 100)
    async with make(keep) as supervisor:
        with pytest.raises(TooManyCalls, match="in chunks") as caught:
            await supervisor.submit_many(keep.call(megabyte) for _ in range(66))
        assert caught.value.size > 64 << 20
        assert await supervisor.jobs() == []


async def test_one_wrong_call_refuses_all(make: Make) -> None:
    """A call that does not fit, an unknown job or an error of the generator: nothing is stored."""

    @job
    async def stranger() -> None: ...

    def failing() -> object:
        yield echo.call(1)
        raise ZeroDivisionError

    async with make(echo) as supervisor:
        wrong = echo.call("one")  # type: ignore[arg-type] # the wrong use
        with pytest.raises(InvalidArguments):
            await supervisor.submit_many([echo.call(1), wrong])
        mixed: list[Call[object]] = [echo.call(1), stranger.call()]
        with pytest.raises(UnknownJob):
            await supervisor.submit_many(mixed)
        with pytest.raises(ZeroDivisionError):
            await supervisor.submit_many(failing())  # type: ignore[arg-type] # yields a call
        assert await supervisor.submit_many([]) == []
        assert await supervisor.jobs() == []


@pytest.mark.parametrize("limit", [1, 3])
async def test_a_full_mailbox_slows_submitters_down(make_slow: Make, limit: int) -> None:
    """With a mailbox of one or three places five hundred submitters wait for their turn, every
    one is answered, and no more requests than that ever lay in it."""
    async with make_slow(echo, mailbox_limit=limit, concurrency=5) as supervisor:
        handles = await asyncio.gather(*(supervisor.submit(echo, n) for n in range(500)))
        assert [await handle.result() for handle in handles] == list(range(500))
        assert [handle.id for handle in handles] == list(range(1, 501))
        # Reports of bodies are never refused: at most two each, beside the requests.
        assert supervisor.figures.mailbox_high_water <= limit + 2 * 5 + 2


@pytest.mark.parametrize("seed", range(4))
async def test_a_cancelled_submit_is_withdrawn_or_stored_never_half(
    make_slow: Make, seed: int
) -> None:
    """Cancelling submits at random moments stores each job wholly or not at all; whoever got a
    handle has his job, and those that still waited for room are withdrawn. (I19)"""
    draw = Random(seed)
    async with make_slow(echo, mailbox_limit=2) as supervisor:
        tasks = [asyncio.create_task(supervisor.submit(echo, n)) for n in range(200)]
        for task in draw.sample(tasks, 80):
            await asyncio.sleep(draw.uniform(0, 0.002))
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        handles = [one for one in done if not isinstance(one, BaseException)]
        for handle in handles:
            await handle.result()
        stored = len(of_type(await whole_ledger(supervisor), EventType.SUBMITTED))
    assert len(handles) <= stored <= 200
    assert stored < 200, "some were withdrawn"


async def test_a_submit_that_waits_for_room_is_withdrawn_by_its_cancellation(make: Make) -> None:
    """A submit that is cancelled before the supervisor took it up leaves nothing behind."""
    async with make(echo, mailbox_limit=1) as supervisor:
        first = asyncio.create_task(supervisor.submit(echo, 1))
        second = asyncio.create_task(supervisor.submit(echo, 2))
        await asyncio.sleep(0)
        second.cancel()
        await first
        with pytest.raises(asyncio.CancelledError):
            await second
        await asyncio.sleep(60)
        assert [one.arguments for one in await supervisor.jobs()] == ['{"value":1}']
