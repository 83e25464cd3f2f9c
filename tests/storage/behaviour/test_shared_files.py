"""A retry of a job with files has the same ones; they stay as long as one of both is kept."""

from __future__ import annotations

import msgspec
import pytest
from tests.storage.checkers import check_everything
from tests.storage.driving import Writer, accepted, new_job, refused
from tests.storage.filing import (
    attach,
    draft,
    end,
    ended,
    files_of,
    new_draft,
    new_retry,
    order,
)

from overseen_storage.groups import PruneRequest
from overseen_storage.items import CancelWaiting, OnConflict, Submission
from overseen_storage.lifecycle import Status
from overseen_storage.orders import Declined, Obeyed


async def prune(writer: Writer, *, limit: int = 1) -> list[str]:
    """Prune the oldest ended job; which files were freed."""
    request = PruneRequest(writer.next, writer.next, writer.next, limit=limit)
    return (await writer.store.prune(request)).freed_files


async def test_a_retry_has_the_files_of_the_first(writer: Writer) -> None:
    """Same names, digests and stored names from its first moment on, counted on its row, without
    an event more."""
    first = await ended(writer, "a", "b")
    before, height = await writer.row(first), await writer.store.last_seq()
    (second,) = await writer.submit(new_retry(first))
    assert await writer.store.last_seq() == height + 1
    created_at = (await writer.row(second)).created_at
    shared = [
        msgspec.structs.replace(one, job_id=second, created_at=created_at)
        for one in await writer.store.attachments(first)
    ]
    assert await writer.store.attachments(second) == shared
    assert len(shared) == 2
    (claimed,) = await writer.claim()
    assert (claimed.id, claimed.attachments) == (second, 2)
    assert await writer.row(first) == before
    check_everything(await writer.rows(), await writer.ledger())


async def test_files_go_with_the_last_job_that_has_them(writer: Writer) -> None:
    """Pruning the first frees nothing while its retry, or the retry's retry, is there."""
    first = await ended(writer, "a", "b")
    (second,) = await writer.submit(new_retry(first))
    await end(writer, second)
    (third,) = await writer.submit(new_retry(second))
    assert await prune(writer) == []
    assert await prune(writer) == []
    assert set(await writer.rows()) == {third}
    assert await writer.store.stored_files() == {f"{first}-a", f"{first}-b"}
    await end(writer, third)
    assert sorted(await prune(writer)) == [f"{first}-a", f"{first}-b"]


async def test_jobs_that_share_files_may_go_together(writer: Writer) -> None:
    """Pruned in one chunk, their files are told once."""
    first = await ended(writer, "a")
    for _ in range(2):
        (retry,) = await writer.submit(new_retry(first))
        await end(writer, retry)
    assert await prune(writer, limit=9) == [f"{first}-a"]


async def test_retries_among_other_jobs(writer: Writer) -> None:
    """Of many jobs in one group each retry has its own first's files, the others have none."""
    first, second, plain = (
        await ended(writer, "a"),
        await ended(writer, "b", "c"),
        await ended(writer),
    )
    jobs = [new_job(), new_retry(second), new_retry(plain), new_retry(first), new_retry(second)]
    done = await writer.commit(
        submissions=[Submission(jobs[:2]), Submission([jobs[2]]), Submission(jobs[3:])]
    )
    ids = [job_id for index in range(3) for job_id in accepted(done, index)]
    given = [sorted(await files_of(writer, job_id)) for job_id in ids]
    assert given == [[], ["b", "c"], [], ["a"], ["b", "c"]]
    rows = await writer.rows()
    assert [rows[job_id].attachments for job_id in ids] == [0, 2, 0, 1, 2]
    assert ids == sorted(ids)
    check_everything(rows, await writer.ledger())


async def discarded(writer: Writer) -> int:
    """A draft that lost its files."""
    job_id = await draft(writer, "a")
    await writer.commit(cancels=[CancelWaiting(job_id)])
    return job_id


async def pruned(writer: Writer) -> int:
    """A job that is not kept any more."""
    job_id = await ended(writer, "a")
    await prune(writer)
    return job_id


@pytest.mark.parametrize("way", ["discarded", "pruned"])
async def test_a_retry_whose_files_are_gone_is_refused(writer: Writer, way: str) -> None:
    """Nothing of its submission is stored, what to do is said; the others in the group are."""
    gone = await {"discarded": discarded, "pruned": pruned}[way](writer)
    height, before = await writer.store.last_seq(), await writer.rows()
    done = await writer.commit(
        submissions=[
            Submission([new_job()]),
            Submission([new_job(), new_retry(gone), new_job()]),
            Submission([new_job()]),
        ]
    )
    refusal = refused(done, 1)
    assert (refusal.index, refusal.why, refusal.existing_id) == (1, "files_gone", None)
    assert str(gone) in refusal.message
    assert "new draft" in refusal.message
    ids = [*accepted(done, 0), *accepted(done, 2)]
    assert set(await writer.rows()) == {*before, *ids}
    assert await writer.store.last_seq() == height + 2
    assert await writer.store.stored_files() == set()


async def test_a_retry_of_a_draft_that_had_no_files(writer: Writer) -> None:
    """Nothing is missing of a discarded draft that was given nothing."""
    job_id = await draft(writer)
    await writer.commit(cancels=[CancelWaiting(job_id)])
    (retry,) = await writer.submit(new_retry(job_id))
    assert (await writer.row(retry)).attachments == 0


async def test_a_draft_can_begin_with_the_files_of_another_job(writer: Writer) -> None:
    """It may be given more, under other names; given up, it takes only its own with it."""
    first = await ended(writer, "a")
    (again,) = await writer.submit(new_draft(retried_from=first))
    answers = await order(writer, attach(again, "a", "other"), attach(again, "b"))
    assert answers == [Declined(why="name_taken", status=Status.DRAFT), Obeyed()]
    assert (await writer.row(again)).attachments == 2
    done = await writer.commit(cancels=[CancelWaiting(again)])
    assert done.freed_files == [f"{again}-b"]
    assert await files_of(writer, first) == {"a": f"{first}-a"}


async def test_a_retry_that_attaches_to_a_job_shares_nothing(writer: Writer) -> None:
    """Who is answered with an existing job, by its key, needs no files."""
    gone = await discarded(writer)
    keyed = new_job(key="k", idempotency_key="i")
    (holder,) = await writer.submit(keyed)
    assert await writer.submit(new_retry(gone, new_job(key="k"))) == [holder]
    assert await writer.submit(new_retry(gone, keyed)) == [holder]
    assert (await writer.row(holder)).attachments == 0


async def test_a_retry_replaces_the_draft_that_holds_its_key(writer: Writer) -> None:
    """The draft's files go, the files of the retried job are shared: in one transaction."""
    first = await ended(writer, "a")
    job = new_job(key="k", on_conflict=OnConflict.REPLACE)
    held = await draft(writer, "b", job=job)
    done = await writer.commit(submissions=[Submission([new_retry(first, job)])])
    (retry,) = accepted(done)
    assert (await files_of(writer, retry), done.freed_files) == ({"a": f"{first}-a"}, [f"{held}-b"])
    check_everything(await writer.rows(), await writer.ledger())


async def test_a_draft_cannot_be_replaced_by_its_own_retry(writer: Writer) -> None:
    """Replacing it would take the files that are to be shared: refused, and all is as it was."""
    job = new_job(key="k", on_conflict=OnConflict.REPLACE)
    job_id = await draft(writer, "a", job=job)
    before = await writer.rows()
    done = await writer.commit(submissions=[Submission([new_retry(job_id, job)])])
    assert (refused(done).why, done.freed_files) == ("files_gone", [])
    assert await writer.rows() == before
    assert await files_of(writer, job_id) == {"a": f"{job_id}-a"}


async def test_a_retry_beside_a_bad_row(writer: Writer) -> None:
    """Applied with care, a retry still shares; the bad one's own shares are undone with it."""
    first = await ended(writer, "a")
    bad = new_retry(first, new_job(priority=10**6))
    done = await writer.commit(
        submissions=[Submission([new_retry(first)]), Submission([new_retry(first), bad])]
    )
    (retry,) = accepted(done)
    assert (refused(done, 1).index, refused(done, 1).why) == (1, "row")
    assert set(await writer.rows()) == {first, retry}
    assert await files_of(writer, retry) == {"a": f"{first}-a"}


@pytest.mark.parametrize("odd", [10**30, 2**63, -1, 0])
async def test_a_retry_of_a_number_that_no_job_has(writer: Writer, odd: int) -> None:
    """It is refused, whatever the number; the job beside it is not."""
    done = await writer.commit(submissions=[Submission([new_retry(odd)]), Submission([new_job()])])
    assert refused(done).why in {"files_gone", "row"}
    assert len(accepted(done, 1)) == 1
