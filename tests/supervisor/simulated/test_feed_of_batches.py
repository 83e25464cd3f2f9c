"""The feed of one batch: a snapshot, each event of it and its members exactly once, its end."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from tests.supervisor.ledger import whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import Context, Event, EventType, InvalidOption, Supervisor, SupervisorStopped, job
from overseen.batches.batch import Batch
from overseen.batches.errors import BatchNotFound
from overseen.settings import Retention
from overseen.subscribing import After
from overseen_actors import LoopClock
from overseen_storage.answers import EventPage
from overseen_storage.batch_records import BatchSnapshot
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore


@job(retries=1)
async def member(ctx: Context, fails: bool = False, seconds: float = 0.02) -> None:
    """Says something, may fail."""
    ctx.progress(1, 2)
    await asyncio.sleep(seconds)
    if fails:
        raise RuntimeError("no")


@job
async def stranger() -> None:
    """Is in no batch, or in another."""
    await asyncio.sleep(0.003)


async def follow(batch: Batch, after: After = "start") -> list[Event]:
    """Everything a subscriber of the batch gets."""
    return [event async for event in batch.events(after)]


def state_of(frame: Event) -> dict[str, Any]:
    """What a snapshot tells."""
    assert frame.type is EventType.SNAPSHOT
    found: dict[str, Any] = msgspec.json.decode(frame.data or "")
    return found


def check(frames: list[Event], ledger: list[Event], batch_id: int, after: After) -> None:
    """A snapshot, then exactly what the ledger holds of the batch, from the point asked for to its
    end, marked by the snapshot."""
    first, *rest = frames
    history = [event for event in ledger if event.batch_id == batch_id]
    end = next(one.seq for one in history if one.type is EventType.BATCH_FINALIZED)
    start = first.seq if after == "now" else 0 if after == "start" else after
    expected = [one.seq for one in history if start < one.seq <= end]
    assert first.batch_id == batch_id
    assert [event.seq for event in rest] == expected
    assert [event.replayed for event in rest] == [seq <= first.seq for seq in expected]
    state = state_of(first)
    known = [one for one in history if one.seq <= first.seq]
    members = {one.job_id for one in known if one.job_id is not None}
    ends = [one for one in known if one.type in ("completed", "failed", "cancelled")]
    assert state["total"] == len(members)
    assert state["completed"] + state["failed"] + state["cancelled"] == len(ends)
    assert state["waiting"] + state["running"] == len(members) - len(ends)


async def fill(supervisor: Supervisor, batch: Batch, draw: Random) -> None:
    """Members one by one, in groups, some that fail; jobs of others in between; then the seal."""
    async with batch:
        for _ in range(draw.randint(3, 8)):
            calls = [
                member.call(draw.random() < 0.2, draw.choice([0, 0.01, 0.05]))
                for _ in range(draw.randint(1, 6))
            ]
            await batch.submit_many(calls)
            await supervisor.submit(stranger)
            await asyncio.sleep(draw.choice([0, 0.01, 0.1]))


@pytest.mark.parametrize("pages", [4, 1_000])
@pytest.mark.parametrize("seed", range(4))
async def test_whenever_one_joins_a_batch_one_misses_nothing(
    make_slow: Make, monkeypatch: pytest.MonkeyPatch, seed: int, pages: int
) -> None:
    """Hundreds of subscribers that join at random moments, before, during and after the batch,
    fast ones and slow ones, each get a snapshot that fits its seq and then every event of the
    batch exactly once, in order, to its end: also where the ring is far too short."""
    for name in ("overseen.ring.PAGE_EVENTS", "overseen.feed.PAGE_EVENTS"):
        monkeypatch.setattr(name, pages)
    monkeypatch.setattr("overseen.ring.RING_EVENTS", 5 * pages)
    draw = Random(seed)
    found: list[tuple[After, list[Event]]] = []
    async with make_slow(member, stranger, progress_interval=0.01) as supervisor:
        other = asyncio.create_task(fill(supervisor, supervisor.batch("other"), draw))
        batch = await supervisor.batch("followed").open()

        async def subscriber() -> None:
            await asyncio.sleep(draw.choice([0, draw.uniform(0, 1), draw.uniform(0, 3), 100]))
            after: After = draw.choice(["start", "start", "now", draw.randint(0, 60)])
            pause = draw.choice([None, None, 0, 0.001, 0.1])
            frames: list[Event] = []
            async for event in batch.events(after):
                frames.append(event)
                if pause is not None:
                    await asyncio.sleep(pause)
            found.append((after, frames))

        subscribers = [asyncio.create_task(subscriber()) for _ in range(150)]
        await fill(supervisor, batch, draw)
        await asyncio.gather(*subscribers, other)
        ledger = await whole_ledger(supervisor)

    joined = {state_of(frames[0])["status"] for _, frames in found}
    assert {"open", "completed_with_errors"} <= joined or {"open", "completed"} <= joined
    for after, frames in found:
        height = frames[0].seq
        check(frames, ledger, batch.id, min(after, height) if isinstance(after, int) else after)


async def test_a_batch_that_ended_an_hour_ago_is_told_as_any_other(make: Make) -> None:
    """Joining an hour after the end, or after a restart, gives the same history and ends."""
    async with make(member, stranger) as supervisor:
        batch = supervisor.batch("old")
        async with batch:
            await batch.submit_many(member.call(n == 3) for n in range(10))
            live = asyncio.create_task(follow(batch))
        await batch.summary()
        for _ in range(20):
            await supervisor.submit(stranger)
        await asyncio.sleep(3600)
        late = await follow(batch)
    async with make(member, stranger) as supervisor:
        same = supervisor.find_batch(batch.id)
        restarted = await follow(same)
        only_state = await follow(same, "now")
        beyond = await follow(same, 10**9)
    seqs = [event.seq for event in (await live)[1:]]
    assert seqs == [event.seq for event in late[1:]] == [event.seq for event in restarted[1:]]
    assert restarted[-1].type is EventType.BATCH_FINALIZED
    assert all(event.replayed for event in restarted[1:])
    for frames in (only_state, beyond):
        assert [event.type for event in frames] == [EventType.SNAPSHOT]
        assert state_of(frames[0])["status"] == "completed_with_errors"


async def test_what_happens_after_its_end_is_not_told(make: Make) -> None:
    """A member that is repeated after the batch was finalized adds nothing to its events: they end
    with its end, for who joined before and for who joins later."""
    async with make(member) as supervisor:
        async with supervisor.batch("once") as batch:
            failed = await batch.submit(member, True)
        before = await follow(batch)
        again = await supervisor.retry(failed.id)
        await again.wait()
        after = await follow(batch)
    assert [event.seq for event in before[1:]] == [event.seq for event in after[1:]]
    assert after[-1].type is EventType.BATCH_FINALIZED


async def test_pruned_members_are_told_as_such(make: Make) -> None:
    """Whoever joins after members were pruned is told so first, and then gets what is kept, up to
    the end of the batch."""
    keep = Retention(completed=3600.0, failed=3600.0, cancelled=3600.0)
    async with make(member, retention=keep, sweep_interval=30) as supervisor:
        async with supervisor.batch("pruned") as batch:
            await batch.submit_many(member.call() for _ in range(5))
        await batch.summary()
        whole = await follow(batch)
        await asyncio.sleep(3 * 3600)
        async with asyncio.timeout(60):
            rest = await follow(batch)
    assert [event.type for event in rest[:2]] == [EventType.SNAPSHOT, EventType.HISTORY_PRUNED]
    assert state_of(rest[0])["completed"] == 5
    assert [e.seq for e in rest[2:]] == [e.seq for e in whole[1:] if e.job_id is None]
    assert rest[-1].type is EventType.BATCH_FINALIZED


async def test_an_empty_batch_has_events_too(make: Make) -> None:
    """A batch without members is opened, sealed, finalized: its subscriber sees that and ends."""
    async with make(member) as supervisor:
        async with supervisor.batch("empty") as batch:
            live = asyncio.create_task(follow(batch))
            await asyncio.sleep(1)
        frames = await live
    assert [event.type for event in frames] == [
        EventType.SNAPSHOT,
        EventType.BATCH_OPENED,
        EventType.BATCH_SEALED,
        EventType.BATCH_FINALIZED,
    ]


async def test_a_batch_that_does_not_exist_is_an_error(make: Make) -> None:
    """Events of an unknown batch raise `BatchNotFound`; a cursor that is none `InvalidOption`."""
    async with make(member) as supervisor:
        with pytest.raises(BatchNotFound, match="batch 7"):
            await follow(supervisor.find_batch(7))
        batch = await supervisor.batch("there").open()
        for wrong in (-1, True, "yesterday"):
            with pytest.raises(InvalidOption, match="after"):
                await follow(batch, wrong)  # type: ignore[arg-type] # the wrong use
        await batch.seal()


async def test_events_of_a_batch_end_with_an_error_when_the_supervisor_stops(make: Make) -> None:
    """Who follows a batch that has not ended when the supervisor stops gets every event up to the
    stop and then `SupervisorStopped`."""
    frames: list[Event] = []

    async def one(batch: Batch) -> None:
        async for event in batch.events():
            frames.append(event)  # noqa: PERF401 - kept when the stream ends with an error

    async with make(member, drain_timeout=1) as supervisor:
        batch = await supervisor.batch("long").open()
        await batch.submit(member, False, 1e6)
        task = asyncio.create_task(one(batch))
        await asyncio.sleep(1)
    with pytest.raises(SupervisorStopped, match=f"batch {batch.id}"):
        await task
    assert frames[-1].type is EventType.REQUEUED


class CountingStore(SqliteStore):
    """The real one; counts how often events and snapshots are read."""

    def __init__(self, database: Path) -> None:
        super().__init__(database, synchronous="normal", connector=InlineConnector())
        self.reads: Counter[str] = Counter()

    async def events(
        self,
        *,
        after: int,
        limit: int,
        up_to: int | None = None,
        job_id: int | None = None,
        batch_id: int | None = None,
        kind: str | None = None,
    ) -> EventPage:
        self.reads["events"] += 1
        return await super().events(
            after=after, limit=limit, up_to=up_to, job_id=job_id, batch_id=batch_id, kind=kind
        )

    async def batch_snapshot(self, batch_id: int) -> BatchSnapshot:
        self.reads["snapshots"] += 1
        return await super().batch_snapshot(batch_id)


async def test_a_thousand_followers_read_together(database: Path, clock: LoopClock) -> None:
    """A thousand subscribers of one batch each get all of it exactly once, while jobs of nobody's
    batch run beside it; its counts are read once for all who join at once, and its events once
    for all who are at the same place."""
    store = CountingStore(database)
    supervisor = Supervisor(lambda: store, jobs=[member, stranger], clock=clock)
    async with supervisor:
        batch = await supervisor.batch("followed").open()
        await batch.submit(member)
        await asyncio.sleep(1)
        tasks = [asyncio.create_task(follow(batch)) for _ in range(1_000)]
        await asyncio.sleep(1)
        assert store.reads["snapshots"] == 1
        assert store.reads["events"] <= 10
        for _ in range(30):
            await supervisor.submit_many(stranger.call() for _ in range(10))
            await batch.submit(member)
        await batch.seal()
        found = await asyncio.gather(*tasks)
        ledger = await whole_ledger(supervisor)
    for frames in found:
        check(frames, ledger, batch.id, "start")
    assert store.reads["events"] <= 300
