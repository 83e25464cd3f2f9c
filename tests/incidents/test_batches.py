"""Batches: finalization ran only when another job was pulled, so the last batch waited for ever.

Here finalization is a condition, not an event: it is looked at in the transaction of each end, by
the watchdog's sweep, and whenever somebody asks for the summary. The scenarios take two of the
three away, or the whole process; and all three once, to see that the incident is there then.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import msgspec
import pytest
from tests.crash.batch_left import document, report
from tests.crash.children import Child
from tests.incidents.conftest import Plant
from tests.incidents.reading import read_back
from tests.supervisor.batch_checks import audit

from overseen import Batch, BatchStatus, EventType, Status, Supervisor
from overseen.watchdog import Watchdog
from overseen_actors import LoopClock, run_virtual
from overseen_storage.answers import Committed
from overseen_storage.groups import Group
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore

HOUR = 3600
MEMBERS = 20


def simulated(database: Path, sweep_interval: float = HOUR) -> Supervisor:
    """In virtual time; no sweep but the one at the start, unless said otherwise."""
    connector = InlineConnector()
    return Supervisor(
        lambda: SqliteStore(database, connector=connector, owner_wait_seconds=0),
        jobs=[document, report],
        clock=LoopClock(asyncio.get_running_loop()),
        sweep_interval=sweep_interval,
    )


async def fill(supervisor: Supervisor) -> Batch:
    """A sealed batch of documents, all of which end; then there is nothing more to pull."""
    async with supervisor.batch("folder", on_finish=report) as batch:
        handles = await batch.submit_many(document.call(page) for page in range(MEMBERS))
    assert await asyncio.gather(*(handle.result() for handle in handles)) == list(range(MEMBERS))
    return batch


async def its_end(batch: Batch) -> None:
    """Follow it to its end, without asking for the summary."""
    types = [event.type async for event in batch.events()]
    assert types[-1] is EventType.BATCH_FINALIZED


async def is_as_it_should(supervisor: Supervisor, batch: Batch) -> None:
    """It ended once, its summary is right, its callback was called once."""
    record = await batch.record()
    assert record.status is BatchStatus.COMPLETED
    (called,) = await supervisor.jobs(job=report)
    outcome = await supervisor.handle(called.id).wait()
    assert outcome.value == f"{MEMBERS} of {MEMBERS}"
    await audit(supervisor)


# Normal.


async def ends_by_itself(supervisor: Supervisor) -> None:
    async with supervisor:
        batch = await fill(supervisor)
        await its_end(batch)
        await is_as_it_should(supervisor, batch)
        assert (await batch.summary()).total == MEMBERS


def test_normal(database: Path) -> None:
    """The last member's end finalizes the batch: nobody asks, no sweep comes, nothing is pulled.
    (incident: Batches) (R34, R42)
    """

    async def scenario() -> None:
        await asyncio.wait_for(ends_by_itself(simulated(database)), 1)
        await read_back(database)

    run_virtual(scenario())


def test_normal_on_the_real_loop_and_disk(database: Path) -> None:
    """The same with threads and a real disk. (incident: Batches)"""
    supervisor = Supervisor(database, jobs=[document, report], sweep_interval=HOUR)
    asyncio.run(ends_by_itself(supervisor))
    asyncio.run(read_back(database))


# The worker is idle: nothing more to pull, and the news of the last end is lost.


@pytest.fixture
def news_is_lost(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the transactions of the ends say about batches reaches nobody; the batches it was."""
    lost: list[int] = []
    commit = SqliteStore.commit

    async def forgetting(store: SqliteStore, group: Group) -> Committed:
        done = await commit(store, group)
        lost.extend(done.batches_due)
        return msgspec.structs.replace(done, batches_due=[])

    monkeypatch.setattr(SqliteStore, "commit", forgetting)
    return lost


def test_worker_idle_only_the_sweep(database: Path, news_is_lost: list[int], plant: Plant) -> None:
    """The mark is not even written, nobody asks: the next sweep finds the batch by its members'
    rows, within the sweep's interval. (incident: Batches) (I29, R41)
    """
    plant("mark_batch_due", "AND due = 0", "AND 0")

    async def scenario() -> None:
        async with simulated(database, sweep_interval=30) as supervisor:
            batch = await fill(supervisor)
            await asyncio.wait_for(its_end(batch), 30.1)
            assert asyncio.get_running_loop().time() > 29
            await is_as_it_should(supervisor, batch)
        await read_back(database)

    run_virtual(scenario())
    assert news_is_lost == []


def test_worker_idle_only_the_demand(database: Path, news_is_lost: list[int]) -> None:
    """No sweep will come: whoever asks for the summary gets it at once, because asking makes the
    condition be looked at. (incident: Batches) (R41)
    """

    async def scenario() -> None:
        async with simulated(database) as supervisor:
            batch = await fill(supervisor)
            await asyncio.sleep(600)
            assert (await batch.record()).status is BatchStatus.PROCESSING
            assert (await batch.summary(timeout=0.1)).completed == MEMBERS
            await is_as_it_should(supervisor, batch)
        await read_back(database)

    run_virtual(scenario())
    assert news_is_lost == [1]


def test_without_all_three_the_incident_is_there(database: Path, news_is_lost: list[int]) -> None:
    """With the news lost, no sweep and nobody who asks, the batch waits; it is shown as stuck by
    the view for people with a shell, and pulling another job does not help. (incident: Batches)
    """

    async def scenario() -> None:
        async with simulated(database) as supervisor:
            batch = await fill(supervisor)
            await (await supervisor.submit(document, 99)).result()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(its_end(batch), HOUR - 1)
            record = await batch.record()
            assert (record.status, record.due) == (BatchStatus.PROCESSING, True)

    run_virtual(scenario())
    assert news_is_lost == [1]


# The process is killed between the last member's end and the finalization.


def kill_before_the_end(database: Path) -> None:
    """A process of its own fills a batch, and is killed when it is due."""
    with Child("batch_left.py", database, MEMBERS) as child:
        assert child.hear_word("due") == ["due", "1"]
        child.signal(signal.SIGKILL)
        child.process.wait()


async def left_behind(database: Path) -> None:
    """What the killed process left: every member ended, the batch did not."""
    rows, ledger = await read_back(database)
    assert {row.status for row in rows.values()} == {Status.COMPLETED}
    assert len(rows) == MEMBERS
    assert ledger[-1].type is not EventType.BATCH_FINALIZED


def test_process_killed_then_restarted(database: Path) -> None:
    """The next start finalizes it: nobody asks, nothing is pulled, no later sweep is needed.
    (incident: Batches) (R41, R42)
    """
    kill_before_the_end(database)
    asyncio.run(left_behind(database))

    async def restart() -> None:
        async with Supervisor(database, jobs=[document, report], sweep_interval=HOUR) as again:
            batch = again.find_batch(1)
            await its_end(batch)
            await is_as_it_should(again, batch)

    asyncio.run(restart())
    asyncio.run(read_back(database))


def test_process_killed_then_somebody_asks(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the next start's sweep did not look at batches, asking for the summary is enough.
    (incident: Batches) (R41)
    """
    kill_before_the_end(database)
    asyncio.run(left_behind(database))
    looked: list[Watchdog] = []

    async def look_away(watchdog: Watchdog) -> None:
        looked.append(watchdog)

    monkeypatch.setattr(Watchdog, "_look_at_batches", look_away)

    async def ask() -> None:
        async with Supervisor(database, jobs=[document, report]) as again:
            batch = again.find_batch(1)
            assert (await batch.record()).status is BatchStatus.PROCESSING
            assert (await batch.summary(timeout=60)).completed == MEMBERS
            await is_as_it_should(again, batch)

    asyncio.run(ask())
    assert looked
    asyncio.run(read_back(database))
