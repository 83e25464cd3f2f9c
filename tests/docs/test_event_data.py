"""What the reference says of an event's `data` is what is written there."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from docs.generating.after_attempt import every_decision, every_loss
from docs.generating.events_page import DATA

from overseen import Context, Event, Snooze, Supervisor, job
from overseen_storage.lifecycle import EventType, event_after_attempt


@job
async def speak(ctx: Context) -> None:
    ctx.progress(1, 2, message="half", stage="first")
    ctx.warn("careful")
    await ctx.checkpoint({"at": 1})


@job(retries=1, backoff=lambda failures, error: 0)
async def fail(ctx: Context) -> None:
    raise ValueError("always")


@job
async def snooze(ctx: Context) -> None:
    if ctx.attempt == 1:
        raise Snooze("1ms")


@job
async def wait(ctx: Context) -> None:
    ctx.progress()
    await asyncio.Event().wait()


def promised(event: EventType) -> set[str]:
    """The names that the page gives."""
    return set(re.findall(r"`(\w+)`", DATA.get(event, "")))


def told(data: str | None) -> set[str]:
    """The names that are there."""
    found: dict[str, Any] = json.loads(data) if data else {}
    return set(found)


async def whole_ledger(supervisor: Supervisor, job_ids: list[int]) -> list[Event]:
    """Every event of some jobs."""
    return [event for job_id in job_ids for event in await supervisor.history(job_id)]


async def test_data_of_events_holds_what_the_page_says(tmp_path: Path) -> None:
    """Each name in the `data` of an event is on the page, and each name there is written."""
    supervisor = Supervisor(tmp_path / "data.db", jobs=[speak, fail, snooze, wait])
    async with supervisor:
        spoken = await supervisor.submit(speak)
        failed = await supervisor.submit(fail)
        snoozed = await supervisor.submit(snooze)
        for handle in (spoken, failed, snoozed):
            await handle.wait()
        running = await supervisor.submit(wait)
        async for event in running.events():
            if event.type is EventType.PROGRESS:
                break
        await running.cancel("enough")
        waiting = await supervisor.submit(wait.options(delay="1h"))
        await supervisor.change(waiting.id, priority=3, delay="2h")
        await waiting.cancel("never mind")
        promoted = await supervisor.submit(speak.options(delay="1h"))
        await supervisor.promote(promoted.id)
        await promoted.wait()
        retried = await supervisor.retry(failed.id)
        await retried.wait()
        handles = [spoken, failed, snoozed, running, waiting, promoted, retried]
        events = await whole_ledger(supervisor, [handle.id for handle in handles])

    written: dict[EventType, set[str]] = {}
    for event in events:
        written.setdefault(event.type, set()).update(told(event.data))
    for decision in [*every_decision(), *every_loss()]:
        written.setdefault(event_after_attempt(decision.status), set()).update(told(decision.data))

    surprising = {one: names - promised(one) for one, names in written.items()}
    assert {one: names for one, names in surprising.items() if names} == {}
    # Wall time and the priority of a promotion are not made here.
    unmade = {EventType.CHANGED: {"due_wall_at"}, EventType.PROMOTED: {"priority"}}
    missing = {
        one: promised(one) - names - unmade.get(one, set()) for one, names in written.items()
    }
    assert {one: names for one, names in missing.items() if names} == {}
    assert {EventType.PROGRESS, EventType.WARNING, EventType.CANCELLING} <= set(written)
