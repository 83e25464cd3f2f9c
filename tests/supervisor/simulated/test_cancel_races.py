"""Cancel against completion: one winner, and everybody is told the same.

The store takes its time here (each transaction some virtual milliseconds, drawn from a seed), and
requests fall anywhere: before the start is on disk, while the body runs, between its end and the
commit of that end, after it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Final

import pytest
from tests.storage.checkers import check_everything
from tests.supervisor.ledger import whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import Backoff, Context, Handle, JobRecord, Outcome, Snooze, Supervisor, job

TERMINAL: Final = ("completed", "failed", "cancelled")


@job(retries=2, backoff=Backoff(initial="3ms", factor=1, maximum="10ms"), grace="3ms", queue="q")
async def lives(ctx: Context, seed: int) -> int:
    """Ends in one of all ways after some milliseconds; obeys a cancellation or not."""
    random = Random(seed + 1_000_003 * ctx.attempt)
    how = random.choice(("returns", "returns", "raises", "snoozes", "stubborn", "catches", "exits"))
    loop = asyncio.get_running_loop()
    until = loop.time() + random.uniform(0, 0.02)
    while (left := until - loop.time()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            if how == "catches":
                return -1
            if how != "stubborn":
                raise
    if how == "raises":
        raise OSError(seed)
    if how == "exits":
        raise SystemExit(seed)
    if how == "snoozes" and ctx.attempt < 3:
        raise Snooze(random.uniform(0, 0.01))
    return seed


async def asked(handle: Handle[int], random: Random) -> Outcome[int]:
    """Cancel at some moment, waiting for the end or not."""
    await asyncio.sleep(random.uniform(0, 0.03))
    return await handle.cancel(wait=random.random() < 0.7)


async def rows_of(supervisor: Supervisor) -> dict[int, JobRecord]:
    """All rows."""
    return {row.id: row for row in await supervisor.jobs(limit=500)}


@pytest.mark.parametrize("seed", range(12))
async def test_cancel_and_completion_have_one_winner(make_slow: Make, seed: int) -> None:
    """Whatever the interleaving: each job ends exactly once, cancellers get a typed answer and no
    exception, all who are told an end are told the row's own, no late report changes an end, and
    rows and ledger keep every invariant. (R1, R3, R7, R62)"""
    random = Random(seed)
    async with make_slow(lives, queues={"q": 40}, concurrency=60) as supervisor:
        handles = await supervisor.submit_many(
            lives.options(delay=random.choice((0, 0, 0.005))).call(n) for n in range(60)
        )
        asking = [
            asyncio.create_task(asked(handle, random)) for handle in random.choices(handles, k=70)
        ]
        waiting = [asyncio.create_task(handle.wait()) for handle in handles]
        answers = await asyncio.gather(*asking)
        outcomes = {outcome.job_id: outcome for outcome in await asyncio.gather(*waiting)}
        await asyncio.sleep(60)
        rows, events = await rows_of(supervisor), await whole_ledger(supervisor)

        check_everything(rows, events)
        for answer in answers:
            if answer.ended:
                assert answer == outcomes[answer.job_id]
            else:
                assert answer.answer in ("stuck", "requested")
        for handle in handles:
            outcome, row = outcomes[handle.id], rows[handle.id]
            assert outcome.answer == row.status
            assert outcome.value == (None if row.result is None else int(row.result))
            assert await handle.wait() == outcome
        ends = Counter(event.job_id for event in events if event.status in TERMINAL)
        assert set(ends.values()) == {1}
        assert (supervisor.figures.running, supervisor.figures.stuck) == (0, 0)
        assert supervisor.figures.restarts == 0
        assert len({outcome.answer for outcome in outcomes.values()}) == 3  # all ways were met


async def test_a_cancel_loses_exactly_when_the_end_is_on_the_way(make_slow: Make) -> None:
    """Cancels at every microsecond around a body's end: `cancelled` before the body has returned,
    `completed` after it, and nothing else. (R7)"""

    @job
    async def brief() -> str:
        await asyncio.sleep(0.01)
        return "done"

    async with make_slow(brief) as supervisor:
        answers: list[tuple[int, str]] = []
        for offset_us in range(-300, 300, 20):
            handle = await supervisor.submit(brief)
            async for event in handle.events():
                if event.type == "started":
                    break
            started = (await handle.record()).started_at
            assert started is not None
            await asyncio.sleep(0.01 + offset_us / 1e6)
            outcome = await handle.cancel()
            assert outcome == await handle.wait()
            assert outcome.answer in ("cancelled", "completed")
            assert (outcome.value == "done") == (outcome.answer == "completed")
            answers.append((offset_us, outcome.answer))

    assert {answer for _, answer in answers} >= {"completed"}


@pytest.mark.parametrize("how", ["raises", "snoozes"])
async def test_a_cancel_beside_a_failure_leaves_no_other_attempt(make_slow: Make, how: str) -> None:
    """A cancel that is drained together with the report of an attempt that would be repeated: the
    job is cancelled, it is not run again. (R62)"""

    @job(retries=5, backoff=Backoff(initial="1h", jitter="none"))
    async def on_command(ctx: Context) -> None:
        await ctx.state.wait()
        raise OSError if how == "raises" else Snooze("1h")

    go = asyncio.Event()
    async with make_slow(on_command, lives, state=go) as supervisor:
        handle = await supervisor.submit(on_command)
        await asyncio.sleep(1)
        other = asyncio.create_task(supervisor.submit(lives, 1))
        await asyncio.sleep(0.00005)  # its transaction is under way: what comes now is one group
        go.set()
        outcome = await handle.cancel()
        await other
        await asyncio.sleep(7200)

        assert outcome.answer == "cancelled"
        assert (await handle.record()).attempts == 1


async def test_a_stop_at_any_step_of_a_start_leaves_a_whole_job(make: Make) -> None:
    """A stop at any turn of the loop while a job is submitted, claimed and begun: nothing is stuck,
    nothing is waited for, and the job waits again or was never stored. (R59, R64)"""

    @job
    async def endless() -> None:
        await asyncio.sleep(1e6)

    fences: set[int] = set()
    for turns in range(20):
        async with make(endless, drain_timeout=0) as supervisor:
            submitting = asyncio.create_task(supervisor.submit(endless))
            for _ in range(turns):
                await asyncio.sleep(0)
            report = await supervisor.stop()
            await asyncio.gather(submitting, return_exceptions=True)
        assert report.stuck == ()
        assert report.seconds < 0.5
        async with make() as supervisor:  # knows no kind: starts nothing
            for row in (await rows_of(supervisor)).values():
                if not row.ended:
                    assert (row.status, row.interruptions) == ("pending", row.fence)
                    fences.add(row.fence)
                    await supervisor.cancel(row.id)

    assert fences >= {1}
