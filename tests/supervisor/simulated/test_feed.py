"""The feed of one job and of all: a snapshot, each event exactly once, then the end."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from tests.supervisor.ledger import whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import (
    Backoff,
    Context,
    Event,
    EventType,
    InvalidOption,
    JobNotFound,
    Supervisor,
    SupervisorStopped,
    job,
)
from overseen.subscribing import After
from overseen_storage.lifecycle import TERMINAL


@job(retries=2, backoff=Backoff(initial=0.05, maximum=0.05, jitter="none"))
async def busy(ctx: Context, steps: int = 5, seconds: float = 0.02) -> int:
    """Says a lot, fails once."""
    for n in range(steps):
        ctx.progress(n, steps)
        if n % 2:
            ctx.warn("odd", n=n)
        await asyncio.sleep(seconds)
    if ctx.attempt == 1:
        raise RuntimeError("once more")
    return steps


async def follow(supervisor: Supervisor, job_id: int, after: After) -> list[Event]:
    """Everything a subscriber of one job gets."""
    return [event async for event in supervisor.events(job=job_id, after=after)]


def check(frames: list[Event], history: list[Event], after: After) -> None:
    """A snapshot, then exactly what the ledger holds after the point asked for, marked by it."""
    first, *rest = frames
    assert first.type is EventType.SNAPSHOT
    start = first.seq if after == "now" else 0 if after == "start" else after
    assert [event.seq for event in rest] == [e.seq for e in history if e.seq > start]
    assert [event.replayed for event in rest] == [event.seq <= first.seq for event in rest]
    before = [e.status for e in history if e.seq <= first.seq and e.status is not None]
    assert first.status is before[-1], "the snapshot shows the state as of its seq"
    if rest:
        assert rest[-1].status in TERMINAL
    else:
        assert first.status in TERMINAL


@pytest.mark.parametrize("seed", range(4))
async def test_whenever_one_joins_one_misses_nothing(make_slow: Make, seed: int) -> None:
    """Hundreds of subscribers that join one job at random moments, before, during and after its
    run, each get the snapshot and then every event exactly once, in order, to the end.
    (R35, R36, R38)"""
    draw = Random(seed)
    found: list[tuple[After, list[Event]]] = []
    async with make_slow(busy, progress_interval=0.01) as supervisor:
        others = [await supervisor.submit(busy) for _ in range(5)]
        handle = await supervisor.submit(busy.options(delay=0.05))

        async def subscriber() -> None:
            await asyncio.sleep(draw.uniform(0, 0.6))
            after: After = draw.choice(["start", "now", draw.randint(0, 30)])
            found.append((after, await follow(supervisor, handle.id, after)))

        await asyncio.gather(*(subscriber() for _ in range(400)))
        history = await handle.history()
        for other in others:
            await other.wait()

    joined = {frames[0].status for _, frames in found}
    assert {"scheduled", "running", "completed"} <= joined
    for after, frames in found:
        height = frames[0].seq
        check(frames, history, min(after, height) if isinstance(after, int) else after)


async def test_a_job_that_ended_an_hour_ago_is_told_as_any_other(make: Make) -> None:
    """Joining an hour after the end, or after a restart, gives the same history and ends.
    (R37, R38)"""
    async with make(busy) as supervisor:
        handle = await supervisor.submit(busy)
        live = await follow(supervisor, handle.id, "start")
        await asyncio.sleep(3600)
        late = await follow(supervisor, handle.id, "start")
    async with make(busy) as supervisor:
        restarted = await follow(supervisor, handle.id, "start")
        only_state = await follow(supervisor, handle.id, "now")
        beyond = await follow(supervisor, handle.id, 10**9)
    assert [e.seq for e in live[1:]] == [e.seq for e in late[1:]] == [e.seq for e in restarted[1:]]
    assert all(event.replayed for event in restarted[1:])
    assert [event.type for event in only_state] == [event.type for event in beyond]
    assert [event.status for event in only_state] == ["completed"]


async def test_a_cursor_beyond_the_ledger_does_not_hang(make: Make) -> None:
    """A cursor from another database, higher than anything here, counts as "now": the job's
    further events arrive, and its end."""
    async with make(busy) as supervisor:
        handle = await supervisor.submit(busy)
        async with asyncio.timeout(60):
            frames = await follow(supervisor, handle.id, 10**9)
    assert frames[-1].status == "completed"


async def test_following_a_job_that_does_not_exist_is_an_error(make: Make) -> None:
    """Events of an unknown job raise `JobNotFound`; a cursor that is none raises
    `InvalidOption`."""
    async with make(busy) as supervisor:
        with pytest.raises(JobNotFound):
            await follow(supervisor, 77, "start")
        await supervisor.submit(busy)
        for wrong in (-1, True, "yesterday"):
            with pytest.raises(InvalidOption, match="after"):
                await follow(supervisor, 1, wrong)  # type: ignore[arg-type] # the wrong use
            with pytest.raises(InvalidOption, match="after"):
                async for _ in supervisor.events(after=wrong):  # type: ignore[arg-type] # as above
                    pass


async def test_a_subscriber_of_a_kind_gets_that_kind_only(make: Make) -> None:
    """`events(kind=)` gives every event of that kind exactly once, and no other."""

    @job
    async def other() -> None:
        await asyncio.sleep(0.01)

    async with make(busy, other) as supervisor:
        frames: list[Event] = []

        async def subscriber() -> None:
            async for event in supervisor.events(kind=other, after="now"):
                frames.append(event)
                if sum(e.type is EventType.COMPLETED for e in frames) == 20:
                    return

        task = asyncio.create_task(subscriber())
        await asyncio.sleep(0)
        for _ in range(20):
            await supervisor.submit(busy, 2)
            await supervisor.submit(other)
            await asyncio.sleep(0.01)
        await task
        ledger = await whole_ledger(supervisor)
    assert [e.seq for e in frames[1:]] == [e.seq for e in ledger if e.kind == "other"]


async def test_events_of_a_job_end_with_an_error_when_the_supervisor_stops(make: Make) -> None:
    """Who follows a job that has not ended when the supervisor stops gets every event up to the
    stop and then `SupervisorStopped`; who follows everything simply ends."""

    @job
    async def endless() -> None:
        await asyncio.sleep(1e6)

    frames: list[Event] = []
    everything: list[Event] = []

    async def one(supervisor: Supervisor, job_id: int) -> None:
        async for event in supervisor.events(job=job_id, after="start"):
            frames.append(event)  # noqa: PERF401 - kept when the stream ends with an error

    async def everyone(supervisor: Supervisor) -> None:
        everything.extend([event async for event in supervisor.events(after="start")])

    async with make(endless, drain_timeout=1) as supervisor:
        handle = await supervisor.submit(endless)
        await asyncio.sleep(1)
        tasks = [
            asyncio.create_task(one(supervisor, handle.id)),
            asyncio.create_task(everyone(supervisor)),
        ]
        await asyncio.sleep(1)
    with pytest.raises(SupervisorStopped, match=f"job {handle.id}"):
        await tasks[0]
    await tasks[1]
    assert frames[-1].type is EventType.REQUEUED
    assert everything[-1].seq >= frames[-1].seq


async def test_a_reader_that_is_slow_at_the_stop_ends_in_order(make: Make) -> None:
    """A subscriber that has not read everything when the supervisor stops ends like any other: it
    gets no error of the store."""
    async with make(busy) as supervisor:
        stream = supervisor.events(after="start")
        lazy = supervisor.events(job=1, after="start")
        handle = await supervisor.submit(busy)
        await anext(stream)
        await handle.wait()
    rest = [event async for event in stream]
    assert [event.seq for event in rest] == sorted(event.seq for event in rest)
    with pytest.raises(SupervisorStopped):
        await anext(lazy)


async def test_a_slow_reader_misses_nothing(make: Make) -> None:
    """A reader that sleeps an hour between two events gets all of them all the same."""
    async with make(busy, progress_interval=0) as supervisor:
        handles = [await supervisor.submit(busy) for _ in range(3)]
        seen: list[int] = []
        async for event in supervisor.events(after="start"):
            if event.type is EventType.SNAPSHOT:
                continue
            seen.append(event.seq)
            await asyncio.sleep(3600)
            if event.type is EventType.COMPLETED and event.job_id == handles[-1].id:
                break
        ledger = await whole_ledger(supervisor)
    assert seen == [event.seq for event in ledger if event.seq <= seen[-1]]


@pytest.mark.parametrize("seed", range(6))
async def test_subscribers_that_come_and_go_disturb_nobody(make_slow: Make, seed: int) -> None:
    """However subscribers join and leave while the ledger grows, each that stays gets every event
    exactly once: the ring that they share never has a hole."""
    draw = Random(seed)
    async with make_slow(busy, progress_interval=0) as supervisor:

        async def passing() -> None:
            async with asyncio.timeout(draw.uniform(0.001, 0.05)):
                async for _ in supervisor.events(after="now"):
                    pass

        async def reader() -> list[Event]:
            frames: list[Event] = []
            async for event in supervisor.events(after="now"):
                frames.append(event)
                await asyncio.sleep(draw.choice([0, 0, 0.003, 0.02]))
                if len(frames) == 25:
                    break
            return frames

        async def visitors() -> None:
            for _ in range(60):
                with pytest.raises(TimeoutError):
                    await passing()
                await asyncio.sleep(draw.uniform(0, 0.02))

        async def readers() -> list[list[Event]]:
            return [await reader() for _ in range(12)]

        async def work() -> None:
            while True:
                await supervisor.submit(busy, 3, 0.005)
                await asyncio.sleep(draw.uniform(0, 0.05))

        worker = asyncio.create_task(work())
        found, _ = await asyncio.gather(readers(), visitors())
        worker.cancel()
        await asyncio.wait([worker])
    for frames in found:
        first = frames[0].seq
        assert [e.seq for e in frames[1:]] == list(range(first + 1, first + len(frames)))


async def test_a_thousand_subscribers_cost_no_queue(make: Make) -> None:
    """A thousand subscribers of one job and a thousand of all jobs all get everything; when they
    have left, nobody is waiting any more."""
    async with make(busy) as supervisor:
        handle = await supervisor.submit(busy.options(delay=1))

        async def everything() -> int:
            seqs: list[int] = []
            async for event in supervisor.events(after="now"):
                seqs.append(event.seq)
                if event.type is EventType.COMPLETED:
                    break
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
            return len(seqs)

        async def one() -> int:
            return len(await follow(supervisor, handle.id, "start"))

        tasks = [everything() for _ in range(1_000)] + [one() for _ in range(1_000)]
        counts = await asyncio.gather(*tasks)
    assert len(set(counts[:1_000])) == 1
    assert set(counts[1_000:]) == {len(await _history(make, handle.id)) + 1}


async def _history(make: Make, job_id: int) -> list[Event]:
    async with make(busy) as supervisor:
        return await supervisor.history(job_id)
