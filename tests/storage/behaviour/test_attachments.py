"""Files of jobs: who has which, and when nobody needs one any more."""

from __future__ import annotations

import hashlib
import json

import msgspec
import pytest
from tests.storage.checkers import check_everything
from tests.storage.driving import SECOND, Writer, accepted, finish, new_job, refused
from tests.storage.filing import (
    HOUR,
    attach,
    draft,
    ended,
    files_of,
    give,
    new_draft,
    order,
    release,
    released,
)

from overseen_storage.groups import PruneRequest
from overseen_storage.items import CancelWaiting, Expire, OnConflict, Submission
from overseen_storage.lifecycle import Cause, EventType, Reason, Status
from overseen_storage.orders import Declined, Obeyed
from overseen_storage.records import AttachmentRecord


def everything(writer: Writer, *, limit: int = 1000) -> PruneRequest:
    """Whatever has ended by now."""
    return PruneRequest(writer.next, writer.next, writer.next, limit=limit)


async def test_a_file_is_kept_as_it_was_given(writer: Writer) -> None:
    """Name, digest, size and stored name come back; the ledger tells of it, and the draft lives
    longer."""
    (job_id,) = await writer.submit(new_draft(expires_at=writer.next + HOUR))
    before, at = await writer.row(job_id), writer.next + 3 * HOUR
    assert await order(writer, attach(job_id, "in.mp4", "1-x.mp4", expires_at=at)) == [Obeyed()]
    event = (await writer.store.attempts(job_id))[-1]
    digest = hashlib.sha256(b"in.mp4").hexdigest()
    assert await writer.store.attachments(job_id) == [
        AttachmentRecord(
            job_id=job_id,
            name="in.mp4",
            digest=digest,
            size_bytes=6,
            stored_name="1-x.mp4",
            created_at=event.at,
        )
    ]
    assert (event.type, event.status, event.cause) == (EventType.ATTACHED, None, Cause.CALLER)
    assert json.loads(event.data or "") == {"name": "in.mp4", "size_bytes": 6, "digest": digest}
    row = await writer.row(job_id)
    assert (row.attachments, row.expires_at) == (1, at)
    assert msgspec.structs.replace(row, attachments=0, expires_at=before.expires_at) == before
    check_everything(await writer.rows(), await writer.ledger())


async def test_files_come_by_name(writer: Writer) -> None:
    """Each job's own, sorted; a job without any, and no job at all, have none."""
    one, two = await draft(writer, "b", "a", "c"), await draft(writer, "a")
    (none,) = await writer.submit(new_draft())
    assert [one.name for one in await writer.store.attachments(one)] == ["a", "b", "c"]
    assert [one.name for one in await writer.store.attachments(two)] == ["a"]
    for job_id in (none, 999, -1, 2**80):
        assert await writer.store.attachments(job_id) == []


async def test_a_name_is_taken_once(writer: Writer) -> None:
    """A second file of the same name is declined and changes nothing; another draft may have
    one."""
    job_id = await draft(writer, "a")
    other = await draft(writer)
    before, files = await writer.row(job_id), await writer.store.attachments(job_id)
    done = await give(writer, attach(job_id, "a", "new"), attach(other, "a"))
    assert done.orders == [Declined(why="name_taken", status=Status.DRAFT), Obeyed()]
    assert (await writer.row(job_id), await writer.store.attachments(job_id)) == (before, files)
    assert done.events == 1


BAD: dict[str, dict[str, str | int]] = {
    "a short digest": {"digest": "abc"},
    "a digest that is none": {"digest": "x" * 64},
    "a digest in capitals": {"digest": "A" * 64},
    "a negative size": {"size_bytes": -1},
    "a size beyond 64 bits": {"size_bytes": 2**63},
    "a path as stored name": {"stored_name": "../x"},
    "a folder as stored name": {"stored_name": ".."},
    "a way up in a stored name": {"stored_name": "a..b"},
    "a hidden stored name": {"stored_name": ".x"},
    "an empty stored name": {"stored_name": ""},
    "a stored name with a NUL": {"stored_name": "a\0b"},
    "a long stored name": {"stored_name": "x" * 201},
    "no name": {"name": ""},
    "a long name": {"name": "x" * 201},
    "an expiry beyond 64 bits": {"expires_at": 2**63},
}


@pytest.mark.parametrize("name", sorted(BAD))
async def test_a_file_that_breaks_a_rule_is_declined_alone(writer: Writer, name: str) -> None:
    """What the schema cannot hold leaves nothing behind, neither row nor event nor count; its
    neighbours are carried out."""
    job_id = await draft(writer)
    bad = msgspec.structs.replace(attach(job_id, "bad"), **BAD[name])
    done = await give(writer, attach(job_id, "before"), bad, attach(job_id, "after"))
    assert [one.__class__ for one in done.orders] == [Obeyed, Declined, Obeyed]
    declined = done.orders[1]
    assert isinstance(declined, Declined)
    assert declined.why == "row"
    assert declined.message
    assert await files_of(writer, job_id) == {
        "before": f"{job_id}-before",
        "after": f"{job_id}-after",
    }
    row = await writer.row(job_id)
    assert (row.attachments, row.expires_at, done.events) == (2, 10**17, 2)
    check_everything(await writer.rows(), await writer.ledger())


async def test_an_odd_name_is_made_safe(writer: Writer) -> None:
    """A NUL or a lone surrogate in a name becomes visible, in the row, on the ledger and in what
    is required."""
    (job_id,) = await writer.submit(new_draft())
    names = ["a\0b", "a\ud800b"]
    orders = [attach(job_id, name, f"{n}") for n, name in enumerate(names)]
    assert await order(writer, *orders) == [Obeyed(), Obeyed()]
    assert await files_of(writer, job_id) == {"a\\x00b": "0", "a\\ud800b": "1"}
    assert await order(writer, release(job_id, *names)) == [
        Obeyed(status=Status.PENDING, queue="main")
    ]
    ready = json.loads((await writer.store.attempts(job_id))[-1].data or "")
    assert [one["name"] for one in ready["attachments"]] == ["a\\ud800b", "a\\x00b"]


@pytest.mark.parametrize("way", ["discarded", "expired", "replaced"])
async def test_the_files_of_a_draft_go_with_it(writer: Writer, way: str) -> None:
    """However a draft ends, in that group it has no files any more and their names are told; how
    many it was given stays."""
    job = new_job(key="k", on_conflict=OnConflict.REPLACE)
    job_id, other = await draft(writer, "a", "b", job=job), await draft(writer, "c")
    if way == "discarded":
        done = await writer.commit(cancels=[CancelWaiting(job_id)])
    elif way == "expired":
        await order(writer, attach(other, "d", expires_at=writer.next + 9 * HOUR))
        await order(writer, attach(job_id, "e", expires_at=writer.next + SECOND))
        done = await writer.commit(expire=Expire(writer.next + HOUR, 9))
    else:
        done = await writer.commit(submissions=[Submission([job])])
    row = await writer.row(job_id)
    assert row.status is Status.CANCELLED
    assert sorted(done.freed_files)[:2] == [f"{job_id}-a", f"{job_id}-b"]
    assert len(done.freed_files) == row.attachments == (3 if way == "expired" else 2)
    assert await files_of(writer, job_id) == {}
    assert set((await files_of(writer, other)).values()) == await writer.store.stored_files()
    check_everything(await writer.rows(), await writer.ledger())


async def test_many_drafts_end_among_others(writer: Writer) -> None:
    """In one group each loses its own files, whoever is cancelled beside it; who misses loses
    none."""
    first, second = await draft(writer, "a"), await draft(writer, "b", "c")
    empty, left = await draft(writer), await released(writer, "d")
    running = (await writer.start(new_job(queue="other"))).id
    done = await writer.commit(
        cancels=[CancelWaiting(one) for one in (empty, first, running, left, 999, second)]
    )
    assert set(done.missed_cancels) == {2, 4}
    assert sorted(done.freed_files) == [f"{first}-a", f"{second}-b", f"{second}-c"]
    assert await writer.store.stored_files() == {f"{left}-d"}


async def test_a_released_job_keeps_its_files_to_the_end_and_beyond(writer: Writer) -> None:
    """Cancelled, failed or completed: somebody may look at them, or retry the job, until it is
    pruned."""
    expired = await released(writer, "x", job=new_job(queue_timeout_us=SECOND))
    done = await writer.commit(expire=Expire(writer.next + HOUR, 9))
    assert (done.expired, done.freed_files) == ([expired], [])
    cancelled = await released(writer, "a")
    assert (await writer.commit(cancels=[CancelWaiting(cancelled)])).freed_files == []
    keyed = new_job(queue="other", key="k", on_conflict=OnConflict.REPLACE)
    replaced = await released(writer, "r", job=keyed)
    done = await writer.commit(submissions=[Submission([keyed])])
    assert (accepted(done), done.freed_files) == ([replaced + 1], [])
    later = await draft(writer, "b", job=new_job(due_at=writer.next + HOUR))
    await order(writer, release(later))
    done = await writer.commit(cancels=[CancelWaiting(later)])
    assert done.freed_files == []
    failed = await ended(writer, "c")
    await released(writer, "d")
    (claimed,) = await writer.claim()
    await writer.commit(finishes=[finish(claimed)])
    by_job = {expired: "x", cancelled: "a", replaced: "r", later: "b", failed: "c", claimed.id: "d"}
    names = {f"{job_id}-{name}" for job_id, name in by_job.items()}
    assert await writer.store.stored_files() == names
    assert {(await writer.row(job_id)).attachments for job_id in by_job} == {1}
    pruned = await writer.store.prune(everything(writer))
    assert (pruned.jobs, set(pruned.freed_files)) == (6, names)
    assert await writer.store.stored_files() == set()


async def test_pruning_frees_in_chunks(writer: Writer) -> None:
    """Each chunk tells the files of its own jobs; one without any tells none."""
    first, second = await ended(writer, "a", "b"), await ended(writer, "c")
    await ended(writer)
    kept = await draft(writer, "d")
    freed: list[list[str]] = []
    for _ in range(3):
        pruned = await writer.store.prune(everything(writer, limit=1))
        assert pruned.jobs == 1
        freed.append(sorted(pruned.freed_files))
    assert freed == [[f"{first}-a", f"{first}-b"], [f"{second}-c"], []]
    assert await writer.store.stored_files() == {f"{kept}-d"}


async def test_what_is_undone_frees_nothing(writer: Writer) -> None:
    """A submission that would replace a draft and is refused after all leaves the draft its
    files, and tells of none; beside it another draft's files go once."""
    job = new_job(key="k", on_conflict=OnConflict.REPLACE)
    kept, gone = await draft(writer, "a", job=job), await draft(writer, "b")
    done = await writer.commit(
        submissions=[Submission([job, new_job(priority=10**6)])],
        cancels=[CancelWaiting(gone)],
    )
    assert refused(done).why == "row"
    assert (await writer.row(kept)).status is Status.DRAFT
    assert done.freed_files == [f"{gone}-b"]
    assert await files_of(writer, kept) == {"a": f"{kept}-a"}


async def test_a_bad_row_beside_it_frees_a_file_once(writer: Writer) -> None:
    """A group that is applied again, with care, for a bad row in it tells each name once."""
    gone = await draft(writer, "a")
    done = await writer.commit(
        submissions=[Submission([new_job(priority=10**6)])], cancels=[CancelWaiting(gone)]
    )
    assert (refused(done).why, done.freed_files) == ("row", [f"{gone}-a"])
    assert (await writer.row(gone)).reason is Reason.DRAFT_DISCARDED
