"""What a dead process left running is resolved at the next start, before any new work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.storage.driving import Writer, new_job
from tests.supervisor.ledger import whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import Context, Event, EventType, Status, job
from overseen_storage.answers import Claimed
from overseen_storage.items import Note, RequestCancel
from overseen_storage.lifecycle import Cause, Held, Reason
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore

pytestmark = pytest.mark.usefixtures("audited")

Die = Callable[..., Awaitable[list[Claimed]]]


@job
async def work(n: int) -> int:
    return n


@job(on_lost="fail")
async def once_only(n: int) -> int:
    return n


@job(on_lost="hold")
async def ask_me(n: int) -> int:
    return n


@pytest.fixture
def die_running(database: Path) -> Die:
    """A process that starts jobs of a kind and dies; returns what it had started."""

    async def die(kind: str = "work", count: int = 1, *, cancelling: bool = False) -> list[Claimed]:
        store = SqliteStore(database, connector=InlineConnector(), owner_wait_seconds=0)
        writer = Writer(store)
        await writer.open()
        await writer.submit(*(new_job(kind) for _ in range(count)))
        claimed = await writer.claim(limit=count)
        if cancelling:
            requests = [
                RequestCancel(one.id, one.fence, Reason.REQUESTED, Cause.CALLER, None)
                for one in claimed
            ]
            await writer.commit(cancel_requests=requests)
        await writer.crash()
        return claimed

    return die


async def test_an_orphan_runs_again_at_once(make: Make, die_running: Die) -> None:
    """A job whose process died runs again at the next start, without waiting for anything; its
    first start is kept. (R11, R18)"""
    await die_running()
    begun = asyncio.get_running_loop().time()
    async with make(work) as supervisor:
        handle = supervisor.handle(1, work)
        assert await handle.result() == 1
        assert asyncio.get_running_loop().time() == begun, "no time has passed"
        record = await handle.record()
        history = await handle.history()

    starts = [event.at for event in history if event.type is EventType.STARTED]
    assert [record.started_at, record.attempt_started_at] == starts
    assert (record.losses, record.failures, record.attempts) == (1, 0, 2)
    assert supervisor.report is not None


async def test_orphans_come_before_new_work(make: Make, die_running: Die) -> None:
    """Every orphan of a dead process is resolved on the ledger before the first new start. (R17)"""
    await die_running(count=30)
    async with make(work, concurrency=3) as supervisor:
        await (await supervisor.submit(work, 5)).result()
        events = await whole_ledger(supervisor)

    opened = max(n for n, event in enumerate(events) if event.type is EventType.EPOCH_STARTED)
    types = [event.type for event in events[opened + 1 :]]
    assert types[:30] == [EventType.REQUEUED] * 30


async def test_a_thousand_orphans_and_more(make: Make, die_running: Die) -> None:
    """2,500 orphans are all resolved in one start: a full page hides no later one. (R15)"""
    await die_running(count=2_500)
    async with make(work) as supervisor:
        assert supervisor.recovered.again == 2_500
        assert await supervisor.handle(2_500, work).result() == 1
        assert (await supervisor.job(1)).losses == 1


async def test_recovery_twice_is_recovery_once(make: Make, die_running: Die) -> None:
    """A start that finds nothing running resolves nothing and costs no job anything. (R23)"""
    await die_running()
    async with make(concurrency=1) as supervisor:
        assert supervisor.recovered.again == 1
    async with make(concurrency=1) as supervisor:
        assert supervisor.recovered.jobs == 0
        assert (await supervisor.job(1)).losses == 1


async def test_a_kind_may_fail_or_be_held_when_it_is_lost(make: Make, die_running: Die) -> None:
    """`on_lost` decides: `fail` ends the job as lost, `hold` parks it until somebody releases it.
    (R12, R22, R65)"""
    await die_running("once_only")
    await die_running("ask_me")
    async with make(once_only, ask_me) as supervisor:
        failed = await supervisor.handle(1).wait()
        assert (failed.answer, failed.reason, failed.attempts) == ("failed", Reason.LOST, 1)
        assert failed.error is not None
        assert failed.error.type == "ProcessLost"
        await asyncio.sleep(3600)
        held = await supervisor.job(2)
        assert (held.status, held.held) == (Status.PENDING, Held.LOST)
        await supervisor.release(2)
        assert await supervisor.handle(2, ask_me).result() == 1


async def test_losses_have_a_budget_of_their_own(
    make: Make, die_running: Die, database: Path
) -> None:
    """A job that is lost more often than it may be fails as lost; its failures are untouched.
    (R21)"""
    await die_running()  # the first loss of three that are allowed
    for _ in range(3):
        store = SqliteStore(database, connector=InlineConnector(), owner_wait_seconds=0)
        async with make(concurrency=1, queues={"main": 1}):
            pass  # resolves, starts nothing: it knows no kind
        writer = Writer(store)
        await writer.open()
        await store.release_holds(at=writer.next, kinds=["work"], limit=10)
        writer.next += 10
        assert len(await writer.claim()) == 1
        await writer.crash()
    async with make(work) as supervisor:
        outcome = await supervisor.handle(1).wait()
        record = await supervisor.job(1)

    assert (outcome.answer, outcome.reason) == ("failed", Reason.LOST)
    assert (record.losses, record.losses_allowed, record.failures) == (4, 3, 0)


async def test_a_cancelling_orphan_is_cancelled(make: Make, die_running: Die) -> None:
    """A job that was being cancelled when its process died is cancelled: its body is dead."""
    await die_running(cancelling=True)
    async with make(work) as supervisor:
        assert supervisor.recovered.cancelled == 1
        outcome = await supervisor.handle(1).wait()

    assert (outcome.answer, outcome.reason) == ("cancelled", Reason.LOST)


async def test_an_unknown_kind_is_parked_until_it_is_known(make: Make, die_running: Die) -> None:
    """An orphan of a kind this program does not know is parked, not failed; a program that knows
    it runs it."""
    await die_running("work", 3)
    async with make(once_only) as supervisor:
        await asyncio.sleep(3600)
        rows = [await supervisor.job(n) for n in (1, 2, 3)]
        assert {(row.status, row.held) for row in rows} == {(Status.PENDING, Held.UNREGISTERED)}
    async with make(work) as supervisor:
        for n in (1, 2, 3):
            assert await supervisor.handle(n, work).result() == 1


async def test_the_last_checkpoint_survives_the_death(make: Make, database: Path) -> None:
    """An attempt after a death goes on from the checkpoint that the dead one stored."""

    @job
    async def walk(ctx: Context) -> object:
        return ctx.last_checkpoint

    store = SqliteStore(database, connector=InlineConnector(), owner_wait_seconds=0)
    async with make(walk) as supervisor:
        await supervisor.pause("default")
        await supervisor.submit(walk)
    writer = Writer(store)
    await writer.open()
    (claimed,) = await writer.claim("default")
    note = Note(EventType.CHECKPOINT, claimed.id, claimed.fence, checkpoint='{"page":7}')
    await writer.commit(notes=[note])
    await writer.crash()
    async with make(walk) as supervisor:
        await supervisor.resume("default")
        assert await supervisor.handle(1, walk).result() == {"page": 7}


async def test_hooks_are_told_what_the_start_found(make: Make, die_running: Die) -> None:
    """A job that a start fails as lost, or puts back, is told to hooks like any other event: an
    alert for `failed` misses none."""
    await die_running("once_only")
    await die_running("work")
    supervisor = make(work, once_only)
    told: list[tuple[EventType, int | None]] = []

    @supervisor.on("failed", "requeued", "epoch_started")
    def note(event: Event) -> None:
        told.append((event.type, event.job_id))

    assert callable(note)
    async with supervisor:
        await asyncio.sleep(1)
        assert told == [(EventType.FAILED, 1), (EventType.REQUEUED, 2)]
        assert supervisor.figures.events["failed"] == 1
