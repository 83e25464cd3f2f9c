"""`explain`: for every status, why the job is there, what happens next, and who did what."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import Backoff, Context, Explanation, JobNotFound, Snooze, Status, job
from overseen.explaining.explaining import explain
from overseen.explaining.from_file import situation_in_file
from overseen_actors import LoopClock

STEADY = Backoff(initial=60, maximum=60, jitter="none")


@job
async def quick(number: int) -> int:
    return number


@job(timeout="10m")
async def hangs(ctx: Context) -> None:
    ctx.progress(3, 9, message="reading")
    await asyncio.Event().wait()


@job(retries=2, backoff=STEADY)
async def fails(ctx: Context) -> None:
    raise ValueError("wrong input\nsecond line")


@job
async def snoozes(ctx: Context) -> int:
    if ctx.attempt == 1:
        raise Snooze("5m")
    return 1


def said(explanation: Explanation) -> str:
    """Everything that is said, as people read it."""
    return str(explanation)


async def test_who_waits_is_told_behind_how_many(make: Make) -> None:
    """A pending job: its place in the queue, the slots that are taken, a pause and who paused."""
    async with make(quick, hangs, queues={"one": 1}, cancel_timeout=1, drain_timeout=0) as running:
        await running.submit(hangs.options(queue="one"))
        await running.submit(quick.options(queue="one"), 1)
        last = await running.submit(quick.options(queue="one"), 2)
        await asyncio.sleep(1)
        waiting = await running.explain(last.id)
        await running.pause("one")
        paused = await running.explain(last.id)

    assert waiting.status is Status.PENDING
    assert waiting.summary == "It waits in queue 'one' behind 1 job."
    assert "1 of 1 slots of it are taken." in waiting.why
    assert paused.summary.startswith("Its queue 'one' is paused since ")
    assert "by an operator" in paused.summary
    assert "resume('one') lets it go on." in paused.next


async def test_a_draft_tells_when_it_expires(make: Make) -> None:
    """A draft: nobody released it, and when it is given up."""
    async with make(quick, draft_timeout="1h") as running, running.draft(quick, 1) as draft:
        await draft.attach("input", b"content")
        told = await running.explain(draft.id)

    assert told.status is Status.DRAFT
    assert told.why == ("It is a draft with 1 file: its author has not released it.",)
    assert "It expires at" in told.next[0]
    assert [step.text for step in told.history] == [
        "begun as a draft",
        "given a file ('input', 7 bytes)",
    ]


async def test_who_waits_for_its_time_is_told_when(make: Make) -> None:
    """Scheduled, snoozed and retrying jobs: why, how often, and the moment they go on."""
    async with make(quick, fails, snoozes) as running:
        later = await running.submit(quick.options(delay="1h"), 1)
        failing = await running.submit(fails)
        snoozing = await running.submit(snoozes)
        await asyncio.sleep(1)
        scheduled = await running.explain(later.id)
        retrying = await running.explain(failing.id)
        snoozed = await running.explain(snoozing.id)
        for handle in (later, failing, snoozing):
            await handle.cancel()

    assert scheduled.why == ("It was submitted for later.",)
    assert "(in 59m59s)" in scheduled.next[0]
    assert (
        "Attempt 1 failed: its body raised (ValueError: wrong input). That was failure 1; "
        "2 may be retried."
    ) in retrying.why
    assert "attempt 2 then starts" in retrying.next[0]
    assert retrying.attempts[0].outcome == "retrying"
    assert snoozed.why == ("Attempt 1 asked to be run again later (for the 1st time).",)


async def test_a_running_job_tells_how_far_it_is_and_its_deadline(make: Make) -> None:
    """Running: since when, the last progress, the deadline; then cancelled, and who asked."""
    async with make(hangs, drain_timeout=0, cancel_timeout=1) as running:
        handle = await running.submit(hangs)
        await asyncio.sleep(2)
        told = await running.explain(handle.id)
        outcome = await handle.cancel(reason="enough")
        ended = await running.explain(handle.id)

    assert told.summary.startswith("Attempt 1 runs since ")
    assert "Its last progress: 3 of 9, reading." in told.why
    assert any("Its run timeout is at" in line for line in told.next)
    assert told.progress_events == 1
    assert outcome.answer == "cancelled"
    assert ended.status is Status.CANCELLED
    assert ended.why == ("It was cancelled: somebody asked for it, by the program.",)
    assert "asked to end (somebody asked for it; 'enough'), by the program" in said(ended)


async def test_an_ended_job_tells_how_and_why(make: Make) -> None:
    """Completed and failed: who ended it, with which error, after which attempts."""
    async with make(quick, fails) as running:
        good, bad = await running.submit(quick, 1), await running.submit(fails)
        await good.wait()
        await bad.wait()
        completed, failed = await running.explain(good.id), await running.explain(bad.id)
        with pytest.raises(JobNotFound):
            await running.explain(99)

    assert completed.why == ("It completed, by the job's own code.",)
    assert failed.why == (
        "It failed: its body raised, by the job's own code (ValueError: wrong input).",
    )
    assert [one.attempt for one in failed.attempts] == [1, 2, 3]
    assert [one.outcome for one in failed.attempts] == ["retrying", "retrying", "failed"]
    assert "no failures left" in said(failed)


async def test_a_held_job_tells_who_holds_it(make: Make) -> None:
    """A kind that the program does not know: parked until one that does starts."""
    async with make(quick) as first:
        handle = await first.submit(quick.options(delay="1s"), 1)
    async with make(hangs) as second:
        await asyncio.sleep(5)
        told = await second.explain(handle.id)

    assert told.summary == "It is held: the program that owns the database does not know its kind."
    assert told.next[0] == "A program that knows its kind releases it when it starts."


async def test_a_file_tells_the_same_without_a_program(
    make: Make, database: Path, clock: LoopClock
) -> None:
    """From the file alone, the words are those of the program, and that nobody owns it is said."""
    async with make(quick) as running:
        await running.pause("default")
        handle = await running.submit(quick, 1)
        inside = await running.explain(handle.id)
    outside = explain(situation_in_file(database, handle.id, clock.wall_us()))

    assert "No program owns the database: nothing happens until one starts." in outside.why
    assert set(inside.next) <= set(outside.next)
    assert inside.history == outside.history
    with pytest.raises(JobNotFound):
        situation_in_file(database, 99, 0)
