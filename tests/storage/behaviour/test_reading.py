"""Reading: rows, pages, snapshots, events with filters, counts."""

from __future__ import annotations

import pytest
from tests.storage.driving import SECOND, Writer, finish, new_job

from overseen_storage.answers import Missed
from overseen_storage.groups import JobQuery
from overseen_storage.items import ChangeWaiting, ClaimFrom, Note, PutBack, Submission
from overseen_storage.lifecycle import Cause, EventType, Held, Reason, Status
from overseen_storage.records import Event
from overseen_storage.store import Store


async def some_jobs(writer: Writer) -> None:
    """Six jobs in three kinds, two queues and several statuses."""
    await writer.submit(
        new_job("a", "x", labels='{"user":"7","team":"red"}'),
        new_job("a", "y", labels='{"user":"8"}', key="k"),
        new_job("b", "x", labels='{"user":"7","note":"it\'s \\"odd\\" %_"}'),
        new_job("b", "y"),
        new_job("c", "x", status=Status.DRAFT),
        new_job("c", "y", status=Status.SCHEDULED, due_at=writer.next + 100 * SECOND),
    )
    done = await writer.commit(claims=[ClaimFrom("x", 2), ClaimFrom("y", 1)])
    first, *_ = done.claimed
    await writer.commit(finishes=[finish(first)])


async def ids(store: Store, query: JobQuery) -> list[int]:
    return [row.id for row in await store.jobs(query)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (JobQuery(), [6, 5, 4, 3, 2, 1]),
        (JobQuery(limit=2), [6, 5]),
        (JobQuery(limit=2, before_id=3), [2, 1]),
        (JobQuery(before_id=1), []),
        (JobQuery(status=frozenset({Status.COMPLETED})), [1]),
        (JobQuery(status=frozenset({Status.RUNNING, Status.DRAFT})), [5, 3, 2]),
        (JobQuery(status=frozenset[Status]()), []),
        (JobQuery(kind="a"), [2, 1]),
        (JobQuery(queue="y"), [6, 4, 2]),
        (JobQuery(kind="b", queue="y"), [4]),
        (JobQuery(labels={"user": "7"}), [3, 1]),
        (JobQuery(labels={"user": "7", "team": "red"}), [1]),
        (JobQuery(labels={"note": 'it\'s "odd" %_'}), [3]),
        (JobQuery(labels={"user": "9"}), []),
        (JobQuery(labels={"user": "7"}, status=frozenset({Status.RUNNING})), [3]),
        (JobQuery(key="k"), [2]),
        (JobQuery(held=True), []),
        (JobQuery(held=False, kind="a"), [2, 1]),
        (JobQuery(batch_id=1), []),
    ],
    ids=str,
)
async def test_a_page_shows_what_was_asked_for(
    writer: Writer, query: JobQuery, expected: list[int]
) -> None:
    """Everything given must hold; newest first; at most `limit`; below `before_id`."""
    await some_jobs(writer)
    assert await ids(writer.store, query) == expected


async def test_held_jobs_can_be_listed(writer: Writer) -> None:
    """What waits for a decision is found."""
    held = await writer.start()
    back = PutBack(held.id, 1, Status.PENDING, Reason.LOST, held=Held.LOST, losses=1)
    await writer.commit(put_backs=[back])
    (free,) = await writer.submit(new_job())
    assert await ids(writer.store, JobQuery(held=True)) == [held.id]
    assert await ids(writer.store, JobQuery(held=False)) == [free]


async def test_pages_together_are_all_jobs_once(writer: Writer) -> None:
    """Walking by the last id seen shows every job once, also when new ones arrive meanwhile."""
    known = await writer.submit(*[new_job() for _ in range(25)])
    seen: list[int] = []
    before: int | None = None
    while page := await ids(writer.store, JobQuery(limit=7, before_id=before)):
        seen += page
        before = page[-1]
        await writer.submit(new_job())
    assert seen == list(reversed(known))


async def test_a_job_that_does_not_exist_is_none(writer: Writer) -> None:
    """Unknown ids are answered, not raised."""
    store = writer.store
    assert await store.job(99) is None
    snapshot = await store.job_snapshot(99)
    assert (snapshot.job, snapshot.seq) == (None, await store.last_seq())
    assert await store.attempts(99) == []


async def test_a_snapshot_is_the_row_and_the_height_of_one_moment(writer: Writer) -> None:
    """Events up to the snapshot's seq are in the row; the next one is not."""
    claimed = await writer.start()
    snapshot = await writer.store.job_snapshot(claimed.id)
    assert snapshot.job == await writer.row(claimed.id)
    assert snapshot.seq == await writer.store.last_seq()
    done = await writer.commit(finishes=[finish(claimed)])
    assert done.first_seq == snapshot.seq + 1


async def walk(
    store: Store,
    *,
    limit: int,
    after: int = 0,
    up_to: int | None = None,
    job_id: int | None = None,
    kind: str | None = None,
) -> list[Event]:
    """Follow the ledger in pages until everything up to the height has been searched."""
    events: list[Event] = []
    end = min(await store.last_seq(), up_to if up_to is not None else 10**9)
    while after < end:
        page = await store.events(after=after, limit=limit, up_to=up_to, job_id=job_id, kind=kind)
        assert len(page.events) <= limit
        assert after < page.searched_to <= end
        assert page.pruned_to == 0
        events += page.events
        after = page.searched_to
    return events


@pytest.mark.parametrize("limit", [1, 3, 1000])
async def test_events_are_paged_without_loss_or_repetition(writer: Writer, limit: int) -> None:
    """Pages of any size, one after the other, are the whole ledger in order."""
    await some_jobs(writer)
    events = await walk(writer.store, limit=limit)
    assert [event.seq for event in events] == list(range(1, await writer.store.last_seq() + 1))
    assert not any(event.replayed for event in events)


@pytest.mark.parametrize("limit", [1, 3, 1000])
async def test_events_of_one_job_or_kind_are_filtered(writer: Writer, limit: int) -> None:
    """A filter leaves out the others' events and nothing else, in pages as at once."""
    await some_jobs(writer)
    everything = await walk(writer.store, limit=1000)
    of_job = await walk(writer.store, limit=limit, job_id=1)
    of_kind = await walk(writer.store, limit=limit, kind="a")
    assert of_job == [event for event in everything if event.job_id == 1]
    assert of_job == await writer.store.attempts(1)
    assert of_kind == [event for event in everything if event.kind == "a"]
    assert await walk(writer.store, limit=limit, kind="none") == []


async def test_events_of_a_batch_are_filtered(writer: Writer) -> None:
    """A batch's events are found by its number."""
    note = Note(EventType.BATCH_OPENED, batch_id=7, cause=Cause.BATCH)
    await some_jobs(writer)
    done = await writer.commit(notes=[note])
    page = await writer.store.events(after=0, limit=100, batch_id=7)
    assert [(event.seq, event.batch_id) for event in page.events] == [(done.first_seq, 7)]


async def test_events_between_two_seqs(writer: Writer) -> None:
    """`after` is excluded, `up_to` is included."""
    await some_jobs(writer)
    events = await walk(writer.store, limit=2, after=2, up_to=6)
    assert [event.seq for event in events] == [3, 4, 5, 6]


async def test_beyond_the_height_there_is_nothing_yet(writer: Writer) -> None:
    """A cursor at the end gets an empty page and stays where it is."""
    await some_jobs(writer)
    height = await writer.store.last_seq()
    page = await writer.store.events(after=height, limit=10)
    assert (page.events, page.searched_to) == ([], height)


async def test_a_filtered_cursor_does_not_search_the_same_rows_again(writer: Writer) -> None:
    """After a page that is not full, the whole ledger has been searched."""
    await some_jobs(writer)
    page = await writer.store.events(after=0, limit=100, job_id=1)
    assert page.searched_to == await writer.store.last_seq()


async def test_queues_with_something_to_claim(writer: Writer) -> None:
    """Only queues that hold a claimable job are ready, each once."""
    store = writer.store
    assert await store.ready_queues() == []
    await writer.submit(
        *[new_job(queue=queue) for queue in ("b", "a", "b", "c")],
        new_job(queue="draft", status=Status.DRAFT),
        new_job(queue="later", status=Status.SCHEDULED, due_at=writer.next + SECOND),
    )
    assert sorted(await store.ready_queues()) == ["a", "b", "c"]
    await writer.claim("a")
    await writer.claim("b", limit=1)
    assert sorted(await store.ready_queues()) == ["b", "c"]


async def test_many_queues_are_all_ready(writer: Writer) -> None:
    """No number of queues is too large to be listed."""
    names = [f"queue {n}" for n in range(300)]
    await writer.submit(*[new_job(queue=name) for name in names])
    assert sorted(await writer.store.ready_queues()) == sorted(names)


async def test_counts_are_by_queue_and_status(writer: Writer) -> None:
    """Jobs are counted with the words of the lifecycle."""
    await some_jobs(writer)
    counts = await writer.store.counts()
    assert counts["x"] == {"completed": 1, "running": 1, "draft": 1}
    assert counts["y"] == {"running": 1, "pending": 1, "scheduled": 1}
    assert set(counts) == {"x", "y"}


async def test_reads_see_what_was_committed_before_them(writer: Writer) -> None:
    """What a commit answered can be read at once, from every reading method."""
    for n in range(20):
        done = await writer.commit(submissions=[Submission([new_job(f"kind {n}")])])
        assert (await writer.row(n + 1)).kind == f"kind {n}"
        assert await writer.store.last_seq() == done.first_seq
        assert (await writer.store.jobs(JobQuery(limit=1)))[0].id == n + 1


@pytest.mark.parametrize("number", [2**63, 2**64, 10**30, -(10**30)])
async def test_a_number_that_no_job_can_have_is_no_job(writer: Writer, number: int) -> None:
    """Ids come from people and programs: however large, they are answered like any unknown one."""
    await writer.submit(new_job())
    store = writer.store
    assert await store.job(number) is None
    assert (await store.job_snapshot(number)).job is None
    assert await store.attempts(number) == []
    assert await store.logs(number) == []
    done = await writer.commit(changes=[ChangeWaiting(number, promote=True)])
    assert (done.refused, done.missed_changes) == ({}, {0: Missed(number, None)})


async def test_a_cursor_beyond_everything_finds_what_is_before_it(writer: Writer) -> None:
    """A page before, or after, a number larger than any there is."""
    await writer.submit(new_job())
    assert [row.id for row in await writer.store.jobs(JobQuery(before_id=2**63))] == [1]
    assert (await writer.store.events(after=2**63, limit=10)).events == []
