"""Subscribers that join at any point, follow for a while, and remember what they were given."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Literal

from tests.sim.book import Stream
from tests.sim.client import Answer
from tests.sim.failing_disk import PlantedBug
from tests.sim.workload import Client

from overseen import Event, EventType, OverseenError
from overseen_storage.lifecycle import TERMINAL

After = Literal["start", "now"] | int


async def watch(client: Client) -> None:
    """Follow everything, one job, one kind or one batch; the action goes on beside it."""
    draw, book = client.draw, client.book
    after: After = draw.choice(("start", "now", draw.randrange(200)))
    stream = Stream(f"stream {len(book.streams)} of {client.name}", 0)
    match draw.randrange(4):
        case 0:
            stream.kind = draw.choice(("plain", "sturdy"))
        case 1 | 2 if book.jobs:
            stream.job_id = client.any_job()
        case 3 if book.batches:
            stream.batch_id = draw.choice(book.batches)
        case _:
            pass
    try:
        events = client.supervisor.events(
            job=stream.job_id, batch=stream.batch_id, kind=stream.kind, after=after
        )
    except OverseenError:
        return
    book.streams.append(stream)
    client.life.say(client.name, f"{stream.name} after {after} of {stream.job_id or 'all'}")
    pause = draw.choice((0.0, 0.0, 0.01, 2.0))
    follow = _follow(client, stream, events, after, pause, draw.choice((0.5, 10, 60)))
    client.life.background.append(asyncio.get_running_loop().create_task(follow, name="watcher"))
    await asyncio.sleep(0)


async def _follow(
    client: Client,
    stream: Stream,
    events: AsyncGenerator[Event, None],
    after: After,
    pause: float,
    seconds: float,
) -> None:
    ended = False
    async with contextlib.aclosing(events):
        try:
            async with asyncio.timeout(seconds):
                async for event in events:
                    if client.life.witness.dead:
                        return
                    _take(client, stream, event, after)
                    if pause:
                        await asyncio.sleep(pause)
                ended = True
        except (OverseenError, TimeoutError, PlantedBug) as error:
            client.life.say(client.name, f"{stream.name} ends by {type(error).__name__}")
            if isinstance(error, TimeoutError) and not pause:
                stream.left_at = client.life.witness.stamp_now()
    if ended and stream.job_id is not None and stream.after == 0:
        _check_end(client, stream)


def _take(client: Client, stream: Stream, event: Event, after: After) -> None:
    book = client.book
    if event.type is EventType.SNAPSHOT:
        heights: dict[object, int] = {"start": 0, "now": event.seq}
        stream.after = heights.get(after, min(after, event.seq) if isinstance(after, int) else 0)
        stream.height = event.seq
        stream.joined_at = client.life.witness.stamp_now()
        book.sometimes.reach_if(after != "now" and event.seq, "a subscriber joined late")
    elif event.type is EventType.HISTORY_PRUNED:
        stream.pruned_to = event.seq
        book.sometimes.reach("a subscriber was told of pruned history")
    else:
        stream.events.append(event)
        if event.replayed != (event.seq <= stream.height):
            book.broken("I25 history is marked as such", f"{stream.name}: {event}")


def _check_end(client: Client, stream: Stream) -> None:
    client.book.sometimes.reach("a subscriber saw the end")
    moves = [event.status for event in stream.events if event.status is not None]
    if not moves or moves[-1] not in TERMINAL:
        client.book.broken("I25 a job's events end with its end", f"{stream.name}: {moves}")


WATCHING: dict[Callable[[Client], Awaitable[None]], int] = {watch: 10}
"""What subscribers do, and how often."""

__all__ = ["WATCHING", "Answer"]
