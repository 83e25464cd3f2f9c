"""Progress page: the page subscribed after the first events were sent; a fast job's completion was
lost, and the page hung.

Here events are rows with a number. Following is: a snapshot as of a number, history up to it, what
comes after it, the end; one does not depend on when one joins. The scenarios let pages join fast
jobs and batches at any moment, lose their connections and come back. And each guard is taken away
once: then the page hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec
import pytest
from tests.incidents.reading import read_back, store_of

from overseen import Backoff, Batch, Context, Event, EventType, Handle, Status, Supervisor, job
from overseen.feed import Feed, Page, Which
from overseen.subscribing import After
from overseen_actors import LoopClock, run_virtual
from overseen_storage.lifecycle import MOVES, TERMINAL
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore

HOUR = 3600.0
MEMBERS = 25
PAGES = 60
NEXT = {(before, after) for (before, _), after in MOVES.items()}

Frames = Callable[[After], AsyncGenerator[Event, None]]


@job(retries=1, backoff=Backoff(initial="1ms", jitter="none"))
async def fast(ctx: Context, n: int) -> int:
    """Ends at once; every seventh at its second try."""
    ctx.progress(n, MEMBERS)
    if n % 7 == 6 and ctx.attempt == 1:
        raise ConnectionError("once more")
    return n


def slow_supervisor(database: Path, seed: int) -> Supervisor:
    """In virtual time; every transaction, reads included, takes up to some milliseconds. It is not
    flushed: the power does not fail here."""
    draw = Random(seed).uniform
    connector = InlineConnector(lambda: asyncio.sleep(draw(0.0001, 0.004)))
    return Supervisor(
        lambda: SqliteStore(
            database, synchronous="normal", connector=connector, owner_wait_seconds=0
        ),
        jobs=[fast],
        clock=LoopClock(asyncio.get_running_loop()),
        random=Random(seed).random,
        progress_interval=0.001,
    )


@dataclass
class Shown:
    """What a page shows: events, and a state made of the snapshot and of what comes after it."""

    seqs: list[int] = field(default_factory=list[int])
    state: Status | str | None = None
    """Of the job or the batch."""
    status_of: dict[int, Status] = field(default_factory=dict[int, Status])
    """Of each job, by the events."""
    ended: bool = False
    connections: int = 0

    def take(self, event: Event) -> None:
        """Show one frame."""
        if event.type is EventType.SNAPSHOT:
            self.state = msgspec.json.decode(event.data or "{}")["status"]
            return
        assert event.seq > (self.seqs or [0])[-1], "in order, and not twice"
        self.seqs.append(event.seq)
        if event.status is not None and event.job_id is not None:
            before = self.status_of.get(event.job_id)
            assert (before, event.status) in NEXT, "the next step of the table of moves"
            self.status_of[event.job_id] = event.status
        if not event.replayed and event.batch_id is None and event.status is not None:
            self.state = event.status


async def show(frames: Frames, draw: Random | None = None) -> Shown:
    """Follow as a page does; with `draw`, connections break at random, and the page comes back
    with the number of the last event it has shown."""
    shown = Shown()
    while not shown.ended:
        shown.connections += 1
        left = draw.randint(0, 40) if draw and shown.connections < 8 else None
        async with contextlib.aclosing(frames(shown.seqs[-1] if shown.seqs else "start")) as source:
            async for event in source:
                if left == 0:
                    break
                left = None if left is None else left - 1
                shown.take(event)
                if draw and draw.random() < 0.1:
                    await asyncio.sleep(draw.uniform(0, 0.003))  # a slow line
            else:
                shown.ended = True
    return shown


async def work(batch: Batch, draw: Random) -> None:
    """Fill a batch with fast jobs, some at a time, and seal it."""
    for start in range(0, MEMBERS, 5):
        await batch.submit_many(fast.call(n) for n in range(start, start + 5))
        await asyncio.sleep(draw.choice([0, 0, 0.002, 0.01]))
    await batch.seal()


async def pages_of_a_batch(
    supervisor: Supervisor, seed: int, late: float
) -> tuple[int, list[Shown]]:
    """Open a batch and let pages join it: before its first member, while it runs, `late`."""
    draw = Random(seed)
    shown: list[Shown] = []
    async with supervisor:
        batch = await supervisor.batch("fast").open()

        async def page(breaks: Random | None) -> None:
            await asyncio.sleep(
                draw.choice([0, draw.uniform(0, 0.15), draw.uniform(0, 0.15), late])
            )
            shown.append(await show(batch.events, breaks))

        async with asyncio.timeout(2 * HOUR), asyncio.TaskGroup() as group:
            for n in range(PAGES):
                group.create_task(page(Random(seed * PAGES + n) if n % 2 else None))
            await work(batch, draw)
        assert (await batch.summary()).completed == MEMBERS
        return batch.id, shown


async def check_batch(database: Path, batch_id: int, shown: list[Shown]) -> None:
    """Every page showed the whole ledger of the batch, and its end."""
    _, ledger = await read_back(database)
    expected = [event.seq for event in ledger if event.batch_id == batch_id]
    assert len(expected) > 3 * MEMBERS
    assert len(shown) >= PAGES
    for page in shown:
        assert page.ended
        assert page.seqs == expected
        assert set(page.status_of.values()) == {Status.COMPLETED}
        assert len(page.status_of) == MEMBERS


@pytest.mark.parametrize("seed", range(16))
def test_whenever_a_page_joins_a_fast_batch_it_sees_the_end(database: Path, seed: int) -> None:
    """Before the first member, while it runs, an hour after, over connections that break, and after
    a restart: each page shows every event once, and the end.
    (incident: Progress page) (R35, R36, R37, R38, R40)
    """

    async def scenario() -> None:
        supervisor = slow_supervisor(database, seed)
        batch_id, shown = await pages_of_a_batch(supervisor, seed, late=HOUR)
        async with slow_supervisor(database, seed + 1) as restarted:
            frames = restarted.find_batch(batch_id).events
            shown += [await show(frames), await show(frames, Random(seed))]
        await check_batch(database, batch_id, shown)

    run_virtual(scenario())


def test_pages_join_a_fast_batch_on_the_real_loop_and_disk(database: Path) -> None:
    """The same with threads, a real clock and a real disk. (incident: Progress page)"""

    async def scenario() -> None:
        supervisor = Supervisor(database, jobs=[fast], progress_interval=0.001)
        batch_id, shown = await pages_of_a_batch(supervisor, 1, late=0.5)
        await check_batch(database, batch_id, shown)

    asyncio.run(scenario())


async def jobs_in_turn(supervisor: Supervisor, draw: Random) -> AsyncIterator[Handle[int]]:
    """Fast jobs that begin at random moments, some of them delayed."""
    for n in range(12):
        await asyncio.sleep(draw.uniform(0, 0.004))
        yield await supervisor.submit(fast.options(delay=draw.choice([0, 0, 0.01])), n)


@pytest.mark.parametrize("seed", range(8))
def test_whenever_a_page_joins_a_fast_job_it_sees_the_end(database: Path, seed: int) -> None:
    """One page for each moment at which something of a job is committed, one an hour after: each
    shows every event once and the end; and `result()` cannot hang either.
    (incident: Progress page) (R35, R36, R38, R39)
    """

    async def scenario() -> None:
        draw = Random(seed)
        shown: list[tuple[int, Shown]] = []
        async with (
            slow_supervisor(database, seed) as supervisor,
            asyncio.timeout(2 * HOUR),
            asyncio.TaskGroup() as group,
        ):

            async def page(handle: Handle[int], seconds: float) -> None:
                await asyncio.sleep(seconds)
                shown.append((handle.id, await show(handle.events, Random(handle.id))))
                assert await handle.result() < 12

            async def one_page_for_each_event(handle: Handle[int]) -> None:
                async for _ in handle.events():
                    for seconds in (0, 0.0005, 0.002):
                        group.create_task(page(handle, seconds))

            async for handle in jobs_in_turn(supervisor, draw):
                group.create_task(one_page_for_each_event(handle))
                group.create_task(page(handle, HOUR))
        _, ledger = await read_back(database)
        assert len(shown) > 12 * 3 * 4
        for job_id, page_of_job in shown:
            assert page_of_job.state == Status.COMPLETED
            assert page_of_job.seqs == [e.seq for e in ledger if e.job_id == job_id]

    run_virtual(scenario())


@pytest.mark.parametrize("seed", range(4))
def test_job_batch_and_everything_are_one_story(database: Path, seed: int) -> None:
    """Who follows a member, its batch or everything sees the same numbers: one cursor fits all.
    (incident: Progress page) (R37)
    """

    async def scenario() -> None:
        everything: list[Event] = []
        async with slow_supervisor(database, seed) as supervisor:

            async def follow_all() -> None:
                everything.extend([event async for event in supervisor.events(after="start")])

            following = asyncio.create_task(follow_all())
            batch = await supervisor.batch("fast").open()
            await work(batch, Random(seed))
            whole = await show(batch.events)
            of_jobs = [await show(supervisor.handle(member).events) for member in whole.status_of]
            middle = whole.seqs[len(whole.seqs) // 2]
            rest = [event.seq async for event in batch.events(after=middle)][1:]
        await following
        _, ledger = await read_back(database)
        seqs = [event.seq for event in ledger]
        # The supervisor's own last word comes when nobody follows any more.
        assert [event.seq for event in everything[1:]] == seqs[: len(everything) - 1]
        assert {event.batch_id for event in everything[1:]} == {None, batch.id}
        told = [event.seq for event in everything[1:] if event.batch_id == batch.id]
        assert told == whole.seqs
        assert {seq for one in of_jobs for seq in one.seqs} < set(whole.seqs)
        assert rest == [seq for seq in whole.seqs if seq > middle]

    run_virtual(scenario())


# The guards, taken away.


async def naive(supervisor: Supervisor, handle: Handle[int]) -> AsyncGenerator[Event, None]:
    """The page of the incident: it asks how the job is, and then for what is new."""
    record = await handle.record()
    if record.ended:
        return
    async for event in supervisor.events(kind=fast, after="now"):
        if event.job_id == handle.id:
            yield event
            if event.status in TERMINAL:
                return


async def sound(supervisor: Supervisor, handle: Handle[int]) -> AsyncGenerator[Event, None]:
    """The page as it should be, which does not care for history either."""
    async for event in handle.events(after="now"):
        yield event


PageOf = Callable[[Supervisor, Handle[int]], AsyncGenerator[Event, None]]


async def hung_pages(database: Path, seed: int, page_of: PageOf) -> int:
    """Open pages of fast jobs; how many still wait an hour after the jobs have completed."""
    hung = 0
    async with slow_supervisor(database, seed) as supervisor:

        async def page(handle: Handle[int]) -> None:
            nonlocal hung
            try:
                async with (
                    asyncio.timeout(HOUR),
                    contextlib.aclosing(page_of(supervisor, handle)) as frames,
                ):
                    async for _ in frames:
                        await asyncio.sleep(0.001)
            except TimeoutError:
                hung += 1
                assert (await handle.record()).status is Status.COMPLETED

        async with asyncio.TaskGroup() as group:
            async for handle in jobs_in_turn(supervisor, Random(seed)):
                group.create_task(page(handle))
    return hung


def count_hung(database: Path, page_of: PageOf) -> int:
    """Over several seeds."""
    return sum(
        run_virtual(hung_pages(database.with_suffix(f".{seed}"), seed, page_of))
        for seed in range(4)
    )


def test_a_page_that_asks_first_and_subscribes_then_hangs(database: Path) -> None:
    """Asking for the state and then for what is new loses what is committed in between: the
    incident. The same pages, made with `events`, all see the end. (incident: Progress page) (R36)
    """
    assert count_hung(database, naive) > 0
    assert count_hung(database.with_name("sound.db"), sound) == 0


def test_with_the_cursor_taken_after_the_snapshot_the_incident_is_there(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard is that live events begin at the snapshot's number: where they begin with whatever
    comes once one has subscribed, pages hang. (incident: Progress page) (R36)
    """
    read = Feed.read

    def read_what_is_new(self: Feed, after: int, which: Which) -> AsyncIterator[Page]:
        return read(self, max(after, self.height), which)

    monkeypatch.setattr(Feed, "read", read_what_is_new)
    assert count_hung(database, sound) > 0


def test_a_batch_that_a_page_joins_late_says_so_at_once(database: Path) -> None:
    """The first frame tells the end of what ended long ago, before any history, and a page that
    wants none is through with it. (incident: Progress page) (R35, R38)
    """

    async def scenario() -> None:
        async with Supervisor(lambda: store_of(database), jobs=[fast]) as supervisor:
            async with supervisor.batch("fast") as batch:
                await batch.submit_many(fast.call(n) for n in range(MEMBERS))
            await batch.summary()
            await asyncio.sleep(HOUR)
            (only,) = [event async for event in batch.events(after="now")]
            first = await anext(aiter(batch.events()))
        state = msgspec.json.decode(only.data or "")
        assert (state["status"], state["completed"], state["total"]) == (
            "completed",
            MEMBERS,
            MEMBERS,
        )
        assert first == only

    run_virtual(scenario())
