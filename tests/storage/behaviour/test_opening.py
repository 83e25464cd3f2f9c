"""Opening and closing a store: epochs, stamps, and what survives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from tests.storage.checkers import check_everything, check_prefix
from tests.storage.driving import SECOND, START, Place, Writer, new_job

from overseen_storage.errors import DatabaseOwned, StoreClosed
from overseen_storage.groups import Group, JobQuery, PruneRequest
from overseen_storage.lifecycle import EventType, Status
from overseen_storage.store import Store

CALLS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "commit": lambda store: store.commit(Group(at=START)),
    "prune": lambda store: store.prune(PruneRequest()),
    "write_logs": lambda store: store.write_logs([], keep_per_job=1),
    "checkpoint": lambda store: store.checkpoint(truncate=False),
    "reopen": lambda store: store.reopen(),
    "job": lambda store: store.job(1),
    "job_snapshot": lambda store: store.job_snapshot(1),
    "jobs": lambda store: store.jobs(JobQuery()),
    "orphans": lambda store: store.orphans(epoch=1, after_id=0, limit=1),
    "events": lambda store: store.events(after=0, limit=1),
    "last_seq": lambda store: store.last_seq(),
    "attempts": lambda store: store.attempts(1),
    "logs": lambda store: store.logs(1),
    "queues": lambda store: store.queues(),
    "ready_queues": lambda store: store.ready_queues(),
    "release_holds": lambda store: store.release_holds(at=START, kinds=["k"], limit=1),
    "deadlines": lambda store: store.deadlines(),
    "counts": lambda store: store.counts(),
    "epochs": lambda store: store.epochs(),
}


async def test_a_new_place_is_created_empty(place: Place) -> None:
    """The first opening creates the database, begins epoch 1 and finds nothing to resolve."""
    async with Writer(place.make()) as writer:
        opened = writer.opened
        assert opened is not None
        assert opened.created
        assert (opened.epoch, opened.last_id, opened.live) == (1, 0, 0)
        assert opened.last_seq == await writer.store.last_seq()
        assert await writer.rows() == {}


async def test_an_epoch_is_recorded_with_who_and_since_when(writer: Writer) -> None:
    """The epoch's row names process, host and version, and is on the ledger."""
    (epoch,) = await writer.store.epochs()
    assert (epoch.id, epoch.pid, epoch.host, epoch.version) == (1, 1, "here", "0")
    assert epoch.started_at == START
    assert epoch.stopped_at is None
    assert [event.type for event in await writer.ledger()] == [EventType.EPOCH_STARTED]


@pytest.mark.parametrize("call", sorted(CALLS))
async def test_a_store_that_was_never_opened_says_so(place: Place, call: str) -> None:
    """Every method but open and close raises `StoreClosed` before open."""
    with pytest.raises(StoreClosed):
        await CALLS[call](place.make())


@pytest.mark.parametrize("call", sorted(CALLS))
async def test_a_closed_store_says_so(place: Place, call: str) -> None:
    """Every method but open and close raises `StoreClosed` after close."""
    async with Writer(place.make()) as writer:
        store = writer.store
    with pytest.raises(StoreClosed):
        await CALLS[call](store)


async def test_closing_twice_or_before_opening_is_safe(place: Place) -> None:
    """`close` may be called at any time, any number of times."""
    store = place.make()
    await store.close(at=None)
    await store.open(at=START, pid=1, host="here", version="0")
    await store.close(at=START + 1)
    await store.close(at=START + 2)
    await store.close(at=None)


async def test_the_location_is_for_people(writer: Writer) -> None:
    """A store can say where it keeps the jobs."""
    assert writer.store.location


async def test_rows_and_ledger_survive_a_close(durable_place: Place) -> None:
    """I17: what was committed is there after closing and opening, unchanged."""
    async with Writer(durable_place.make()) as writer:
        await writer.end()
        await writer.submit(new_job(), new_job(status=Status.DRAFT))
        rows, ledger = await writer.rows(), await writer.ledger()
    async with Writer(durable_place.make()) as again:
        assert await again.rows() == rows
        check_prefix(ledger, await again.ledger())
        check_everything(await again.rows(), await again.ledger())


async def test_a_clean_close_is_remembered(durable_place: Place) -> None:
    """The next opening knows that the last epoch ended well, and when."""
    async with Writer(durable_place.make()) as writer:
        end = writer.next = START + 5 * SECOND
    async with Writer(durable_place.make()) as again:
        opened = again.opened
        assert opened is not None
        assert opened.previous_epoch_clean
        assert not opened.created
        first, second = await again.store.epochs()
        assert (first.id, first.stopped_at) == (1, end)
        assert (second.id, second.stopped_at) == (2, None)


async def test_the_same_object_can_be_opened_again(durable_place: Place) -> None:
    """A stopped supervisor may be started again with the store it has."""
    writer = Writer(durable_place.make())
    async with writer:
        (job_id,) = await writer.submit(new_job())
    async with writer:
        assert writer.epoch == 2
        assert (await writer.row(job_id)).status is Status.PENDING


async def test_stamps_go_on_when_the_wall_clock_went_back(durable_place: Place) -> None:
    """I24: an epoch that begins at an earlier wall time still stamps after everything on disk."""
    async with Writer(durable_place.make()) as writer:
        writer.next = START + 1000 * SECOND
        await writer.submit(new_job())
        last = (await writer.ledger())[-1].at
    async with Writer(durable_place.make(), wall=START - 1000 * SECOND) as again:
        opened = again.opened
        assert opened is not None
        assert opened.last_stamp >= last
        assert (await again.store.epochs())[-1].started_at > last
        await again.submit(new_job())
        check_everything(await again.rows(), await again.ledger())


async def test_stamps_jump_when_the_wall_clock_went_forward(durable_place: Place) -> None:
    """An epoch that begins later begins at its wall time."""
    later = START + 1000 * SECOND
    async with Writer(durable_place.make()) as writer:
        await writer.submit(new_job())
    async with Writer(durable_place.make(), wall=later) as again:
        assert (await again.store.epochs())[-1].started_at == later


async def test_heights_are_told_at_opening(durable_place: Place) -> None:
    """The highest stamp, seq and id on disk come back from `open`, so that none is used again."""
    async with Writer(durable_place.make()) as writer:
        ids = await writer.submit(new_job(), new_job(), new_job())
    async with Writer(durable_place.make()) as again:
        opened = again.opened
        assert opened is not None
        ledger = await again.ledger()
        assert opened.last_id == ids[-1]
        assert opened.last_seq == ledger[-1].seq
        assert opened.last_stamp >= ledger[-1].at


async def test_reopen_goes_on_in_the_same_epoch(durable_place: Place) -> None:
    """After a failure the store is opened again without a new epoch and without losing a row."""
    async with Writer(durable_place.make()) as writer:
        claimed = await writer.start()
        rows, ledger = await writer.rows(), await writer.ledger()
        opened = await writer.store.reopen()
        assert opened.epoch == writer.epoch
        assert not opened.created
        assert opened.live == 1
        assert opened.last_seq == ledger[-1].seq
        assert opened.last_id == claimed.id
        assert await writer.rows() == rows
        assert await writer.ledger() == ledger
        assert await writer.submit(new_job()) == [claimed.id + 1]


async def test_a_second_owner_is_refused_and_harms_nothing(durable_place: Place) -> None:
    """One place has one owner; the refused one is told who it is, and the first works on."""
    async with Writer(durable_place.make()) as writer:
        (job_id,) = await writer.submit(new_job())
        second = durable_place.make()
        with pytest.raises(DatabaseOwned):
            await second.open(at=START, pid=2, host="there", version="0")
        await second.close(at=START)
        assert len(await writer.store.epochs()) == 1
        assert [claimed.id for claimed in await writer.claim()] == [job_id]


async def test_an_owner_may_be_kept_beyond_the_close(durable_place: Place) -> None:
    """While bodies outlive the store, nobody else may open it; `release_owner` lets them in."""
    async with Writer(durable_place.make()) as writer:
        store = writer.store
        await store.close(at=writer.next, keep_owner=True)
        second = durable_place.make()
        with pytest.raises(DatabaseOwned):
            await second.open(at=START, pid=2, host="there", version="0")
        store.release_owner()
        opened = await second.open(at=START, pid=2, host="there", version="0")
        assert opened.previous_epoch_clean
        store.release_owner()  # not the second one's
        third = durable_place.make()
        with pytest.raises(DatabaseOwned):
            await third.open(at=START, pid=3, host="there", version="0")
        await second.close(at=START)


async def test_an_empty_group_is_committed(writer: Writer) -> None:
    """A group without anything writes no event and answers with the ledger's height."""
    height = await writer.store.last_seq()
    done = await writer.commit()
    assert done.events == 0
    assert done.first_seq == height + 1
    assert await writer.store.last_seq() == height


async def test_housekeeping_may_come_at_any_time(writer: Writer) -> None:
    """A checkpoint changes nothing that is kept and answers with a size."""
    await writer.submit(*[new_job() for _ in range(100)])
    rows = await writer.rows()
    assert await writer.store.checkpoint(truncate=False) >= 0
    assert await writer.store.checkpoint(truncate=True) >= 0
    assert await writer.rows() == rows
