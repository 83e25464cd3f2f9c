"""Pruning: what goes, what stays, and that no number comes back."""

from __future__ import annotations

from tests.storage.checkers import check_everything, check_successor
from tests.storage.driving import SECOND, Place, Writer, new_job

from overseen_storage.groups import PruneRequest
from overseen_storage.items import CancelWaiting, NewJob
from overseen_storage.lifecycle import Status
from overseen_storage.records import LogLine


def everything(writer: Writer, *, limit: int = 1000) -> PruneRequest:
    """Whatever has ended by now."""
    return PruneRequest(writer.next, writer.next, writer.next, limit=limit)


async def one_of_each(writer: Writer) -> dict[Status, int]:
    """A job in each way of having ended, and some that have not."""
    (cancelled,) = await writer.submit(new_job(status=Status.DRAFT))
    await writer.commit(cancels=[CancelWaiting(cancelled)])
    ids = {
        Status.COMPLETED: await writer.end(Status.COMPLETED),
        Status.FAILED: await writer.end(Status.FAILED),
        Status.CANCELLED: cancelled,
        Status.RUNNING: (await writer.start()).id,
    }
    (ids[Status.PENDING], ids[Status.SCHEDULED]) = await writer.submit(
        new_job(), new_job(status=Status.SCHEDULED, due_at=writer.next + 100 * SECOND)
    )
    return ids


async def test_only_ended_jobs_are_pruned(writer: Writer) -> None:
    """However old, what has not ended stays, with its history."""
    ids = await one_of_each(writer)
    before = await writer.rows()
    pruned = await writer.store.prune(everything(writer))
    rows = await writer.rows()
    assert (pruned.jobs, pruned.remaining) == (3, False)
    assert set(rows) == {ids[Status.RUNNING], ids[Status.PENDING], ids[Status.SCHEDULED]}
    check_successor(before, rows)
    check_everything(rows, await writer.ledger(), pruned=pruned.events)


async def test_each_outcome_has_its_own_time(writer: Writer) -> None:
    """Completed, failed and cancelled jobs are kept as long as each is asked to be."""
    ids = await one_of_each(writer)
    at = writer.next
    for request, gone in [
        (PruneRequest(), None),
        (PruneRequest(failed_before=at), Status.FAILED),
        (PruneRequest(cancelled_before=at), Status.CANCELLED),
        (PruneRequest(completed_before=at), Status.COMPLETED),
    ]:
        pruned = await writer.store.prune(request)
        assert pruned.jobs == (0 if gone is None else 1)
        if gone is not None:
            assert await writer.store.job(ids.pop(gone)) is None
        assert set(ids.values()) == set(await writer.rows())


async def test_what_ended_later_is_kept(writer: Writer) -> None:
    """Only jobs that ended before the stamp go."""
    old = await writer.end()
    at = writer.next
    writer.next += SECOND
    new = await writer.end()
    assert (await writer.store.prune(PruneRequest(completed_before=at))).jobs == 1
    assert set(await writer.rows()) == {new}
    assert await writer.store.attempts(old) == []


async def test_pruning_goes_in_chunks_oldest_first(writer: Writer) -> None:
    """A chunk deletes at most its limit, the oldest ends first, and says whether more is left."""
    ids = [await writer.end() for _ in range(7)]
    left: list[list[int]] = []
    remaining: list[bool] = []
    for _ in range(3):
        pruned = await writer.store.prune(everything(writer, limit=3))
        left.append(list(await writer.rows()))
        remaining.append(pruned.remaining)
    assert left == [ids[3:], ids[6:], []]
    assert remaining == [True, True, False]


async def test_everything_of_a_job_goes_with_it(writer: Writer) -> None:
    """Row, ledger rows and log lines go in one step; the other jobs' stay."""
    gone, kept = await writer.end(), await writer.start()
    lines = [LogLine(one, 1, writer.next, "info", "x") for one in (gone, kept.id)]
    await writer.store.write_logs(lines, keep_per_job=9)
    events = len(await writer.store.attempts(gone))
    pruned = await writer.store.prune(everything(writer))
    assert (pruned.jobs, pruned.events) == (1, events)
    assert await writer.store.attempts(gone) == []
    assert await writer.store.logs(gone) == []
    assert await writer.store.logs(kept.id) == lines[1:]
    assert len(await writer.store.attempts(kept.id)) == 2


async def test_an_old_cursor_is_told_what_was_pruned(writer: Writer) -> None:
    """I23: pages say up to which seq history may be missing; nothing above that is."""
    await writer.end()
    await writer.start()
    whole = {event.seq for event in await writer.ledger()}
    assert (await writer.store.events(after=0, limit=1)).pruned_to == 0
    pruned = await writer.store.prune(everything(writer))
    page = await writer.store.events(after=0, limit=100)
    missing = whole - {event.seq for event in page.events}
    assert len(missing) == pruned.events > 0
    assert max(missing) <= page.pruned_to <= max(whole)


async def test_numbers_are_never_used_again(durable_place: Place) -> None:
    """Ids, seqs and stamps go on after the newest rows were pruned and the program restarted."""
    async with Writer(durable_place.make()) as writer:
        last = [await writer.end() for _ in range(3)][-1]
        height = await writer.store.last_seq()
        pruned = await writer.store.prune(everything(writer))
        assert await writer.rows() == {}
        assert await writer.store.last_seq() == height
        assert await writer.submit(new_job()) == [last + 1]
    async with Writer(durable_place.make()) as again:
        opened = again.opened
        assert opened is not None
        assert (opened.last_id, opened.last_seq > height) == (last + 1, True)
        check_everything(await again.rows(), await again.ledger(), pruned=pruned.events)


async def test_numbers_of_pruned_rows_stay_used_without_new_ones(durable_place: Place) -> None:
    """Also when nothing was written between pruning and the end of the process."""
    async with Writer(durable_place.make()) as writer:
        last = await writer.end()
        stamp, height = writer.next, await writer.store.last_seq()
        pruned = await writer.store.prune(everything(writer))
        await writer.crash()
    async with Writer(durable_place.make(), wall=stamp - 1000 * SECOND) as again:
        opened = again.opened
        assert opened is not None
        assert (opened.last_id, opened.last_seq > height) == (last, True)
        ledger = await again.ledger()
        assert all(event.seq > height for event in ledger[1:])
        assert ledger[-1].at >= stamp
        assert await again.submit(new_job()) == [last + 1]
        check_everything(await again.rows(), await again.ledger(), pruned=pruned.events)


async def test_a_pruned_key_is_free(writer: Writer) -> None:
    """An idempotency key is unique while its row is kept, and no longer."""
    first = await writer.end(job=new_job(idempotency_key="i"))
    await writer.store.prune(everything(writer))
    assert await writer.submit(new_job(idempotency_key="i")) == [first + 1]


async def test_a_parent_can_be_pruned_before_its_child(writer: Writer) -> None:
    """Old parents do not keep each other, nor stop the pruning of the rest."""
    parent = await writer.end()
    (child,) = await writer.submit(
        NewJob(kind="work", queue="other", arguments="{}", parent_id=parent, retried_from=parent)
    )
    other = await writer.end()
    await writer.store.prune(everything(writer))
    rows = await writer.rows()
    assert child in rows
    assert other not in rows
