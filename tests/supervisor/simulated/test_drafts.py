"""Drafts: a job that nobody can run before its author says so."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.supervisor.ledger import of_type
from tests.supervisor.simulated.conftest import Make
from tests.supervisor.uploading import files_beside, rows_of_files, told

from overseen import (
    AttachmentExists,
    AttachmentsMissing,
    Context,
    Draft,
    DraftNotBegun,
    EventType,
    IdempotencyConflict,
    InvalidOption,
    JobCancelled,
    KeyConflict,
    NeedsAttachments,
    NotADraft,
    Reason,
    Status,
    WrongStatus,
    job,
)
from overseen_actors import LoopClock


@job(attachments=["input"])
async def measure(ctx: Context, times: int = 1) -> int:
    """Counts the bytes of its file."""
    return len(await ctx.attachments["input"].read_bytes()) * times


@job
async def names(ctx: Context) -> list[str]:
    """What it was given, whatever that is."""
    return list(ctx.attachments)


async def test_a_draft_waits_until_its_block_ends(make: Make) -> None:
    """However hungry the workers are and however long it takes: a draft starts only after the block
    has ended, and then it has its files. (R32)"""
    async with make(measure, names) as supervisor:
        async with supervisor.draft(measure, 2) as draft:
            await asyncio.sleep(600)
            assert await draft.handle.status() is Status.DRAFT
            attached = await draft.attach("input", b"12345")
            await asyncio.sleep(600)
            assert await draft.handle.status() is Status.DRAFT
        assert await draft.handle.result() == 10
        history = await draft.handle.history()
    assert attached.size_bytes == 5
    assert [event.type for event in history] == [
        EventType.DRAFTED,
        EventType.ATTACHED,
        EventType.READY,
        EventType.STARTED,
        EventType.COMPLETED,
    ]
    assert history[3].at - history[0].at >= 1_200_000_000


async def test_the_event_ready_lists_the_files(make: Make) -> None:
    """Whoever reads `ready` on the ledger knows every file of the job: name, size and digest, as
    `attach` returned them."""
    async with make(names) as supervisor:
        async with supervisor.draft(names) as draft:
            attached = [await draft.attach(name, name.encode()) for name in ("z", "a", "Größe 7")]
        await draft.handle.result()
        history = await draft.handle.history()
    expected = [
        {"name": one.name, "size_bytes": one.size_bytes, "digest": one.digest}
        for one in sorted(attached, key=lambda one: one.name)
    ]
    (ready,) = of_type(history, EventType.READY)
    assert sorted(told(ready)["attachments"], key=lambda one: one["name"]) == expected
    events = [told(event) for event in of_type(history, EventType.ATTACHED)]
    assert sorted(events, key=lambda one: one["name"]) == expected


async def leave_by_an_error(draft: Draft[int], database: Path) -> None:
    async with draft:
        await draft.attach("input", b"12345")
        assert len(files_beside(database)) == 1
        raise ZeroDivisionError


async def test_an_exception_in_the_block_discards(make: Make, database: Path) -> None:
    """What leaves the block passes unchanged; the draft is cancelled, says why, never runs, and its
    files are gone."""
    async with make(measure) as supervisor:
        draft = supervisor.draft(measure)
        with pytest.raises(ZeroDivisionError) as caught:
            await leave_by_an_error(draft, database)
        assert not hasattr(caught.value, "__notes__")
        with pytest.raises(JobCancelled):
            await draft.handle.result()
        record = await draft.handle.record()
        (cancelled,) = of_type(await draft.handle.history(), EventType.CANCELLED)
    assert (record.status, record.reason) == (Status.CANCELLED, Reason.DRAFT_DISCARDED)
    assert (record.started_at, record.attempts) == (None, 0)
    assert "ZeroDivisionError" in (cancelled.data or "")
    assert (files_beside(database), rows_of_files(database)) == ([], [])


async def test_begin_release_and_discard_by_hand(make: Make, database: Path) -> None:
    """Without a block each step is a call; beginning twice and discarding twice are harmless."""
    async with make(measure) as supervisor:
        draft = await supervisor.draft(measure).begin()
        assert await draft.begin() is draft
        assert len(await supervisor.jobs()) == 1
        await draft.attach("input", b"123")
        handle = await draft.release()
        assert await handle.result() == 3
        given_up = await supervisor.draft(measure).begin()
        await given_up.attach("input", b"123")
        await given_up.discard("not needed")
        await given_up.discard()
        outcome = await given_up.handle.wait()
        (event,) = of_type(await given_up.handle.history(), EventType.CANCELLED)
    assert (outcome.answer, outcome.reason) == ("cancelled", Reason.DRAFT_DISCARDED)
    assert "not needed" in (event.data or "")
    assert [name for _, name, _ in rows_of_files(database)] == ["input"]
    assert len(files_beside(database)) == 1


@pytest.mark.parametrize("how", ["release", "discard"])
async def test_inside_the_block_it_may_be_settled_by_hand(make: Make, how: str) -> None:
    """A block whose draft was released or discarded by hand ends as if there were no block."""
    async with make(names) as supervisor:
        async with supervisor.draft(names) as draft:
            await (draft.release() if how == "release" else draft.discard())
        answer = (await draft.handle.wait()).answer
        assert answer == ("completed" if how == "release" else "cancelled")


async def test_a_draft_has_no_handle_before_it_is_begun(make: Make) -> None:
    """A draft whose block was not entered says so, and nothing is stored."""
    async with make(measure) as supervisor:
        draft = supervisor.draft(measure)
        for what in (lambda: draft.attach("input", b""), draft.release, draft.discard):
            with pytest.raises(DraftNotBegun, match=r"async with supervisor\.draft"):
                await what()
        assert await supervisor.jobs() == []
        assert "not begun" in repr(draft)


async def test_a_draft_is_found_again(make: Make) -> None:
    """A draft begun in one request is filled in a second and released in a third, by its id, also
    after a restart."""
    async with make(measure) as supervisor:
        job_id = (await supervisor.draft(measure, 3).begin()).id
        await supervisor.find_draft(job_id).attach("input", b"12")
    async with make(measure) as supervisor:
        found = supervisor.find_draft(job_id, measure)
        assert found.id == job_id
        assert await (await found.release()).result() == 6
        untyped = supervisor.find_draft((await supervisor.draft(measure).begin()).id)
        with pytest.raises(AttachmentsMissing):
            await untyped.release()


async def test_missing_files_are_named_at_the_release(make: Make) -> None:
    """A release without the declared files changes nothing and names them all; with them it
    succeeds. More files than declared are fine."""

    @job(attachments=["one", "two", "three"])
    async def three(ctx: Context) -> list[str]:
        return list(ctx.attachments)

    async with make(three) as supervisor:
        draft = await supervisor.draft(three).begin()
        await draft.attach("two", b"")
        with pytest.raises(AttachmentsMissing, match=r"lacks 'one', 'three'.*attach") as caught:
            await draft.release()
        assert (caught.value.job_id, caught.value.names) == (draft.id, ("one", "three"))
        assert await draft.handle.status() is Status.DRAFT
        for name in ("one", "three", "four"):
            await draft.attach(name, b"")
        assert await (await draft.release()).result() == ["four", "one", "three", "two"]


async def forget_the_input(draft: Draft[int]) -> None:
    async with draft:
        await draft.attach("other", b"1")


async def test_a_block_that_forgets_a_file_discards(make: Make, database: Path) -> None:
    """A block that ends without a declared file raises, and the draft goes with what it had."""
    async with make(measure) as supervisor:
        draft = supervisor.draft(measure)
        with pytest.raises(AttachmentsMissing):
            await forget_the_input(draft)
        assert (await draft.handle.record()).reason is Reason.DRAFT_DISCARDED
    assert files_beside(database) == []


async def test_a_job_that_declares_files_needs_a_draft(make: Make) -> None:
    """Submitted without a draft, such a job could only fail: nothing is stored, the error says what
    to do; in a batch and from a body too."""

    @job
    async def parent(ctx: Context) -> str:
        try:
            await ctx.submit(measure)
        except NeedsAttachments as error:
            return str(error.names)
        return "submitted"

    async with make(measure, names, parent) as supervisor:
        with pytest.raises(NeedsAttachments, match=r"measure needs the files 'input'.*draft"):
            await supervisor.submit(measure)
        with pytest.raises(NeedsAttachments):
            await supervisor.submit_many([measure.call(1), measure.call(2)])
        assert await supervisor.jobs() == []
        assert await (await supervisor.submit(parent)).result() == "('input',)"
        async with supervisor.batch("files") as batch:
            with pytest.raises(NeedsAttachments):
                await batch.submit(measure)
        assert (await batch.summary()).total == 0


async def test_a_job_that_declares_none_may_be_given_some(make: Make) -> None:
    """Any job may begin as a draft, with files or without."""
    async with make(names) as supervisor:
        async with supervisor.draft(names) as empty:
            pass
        async with supervisor.draft(names) as full:
            await full.attach("x", b"")
        assert await empty.handle.result() == []
        assert await full.handle.result() == ["x"]


@pytest.mark.parametrize("how", ["delay", "at"])
async def test_a_draft_may_have_a_time(make: Make, clock: LoopClock, how: str) -> None:
    """With `delay` or `at` the released job is scheduled and starts at its time, which counts from
    the beginning of the draft; if that is over at the release, it starts at once."""
    due = datetime.fromtimestamp(clock.wall_us() / 1e6 + 600, UTC)
    timed = names.options(delay=600) if how == "delay" else names.options(at=due)
    async with make(names) as supervisor:
        begun = asyncio.get_running_loop().time()
        async with supervisor.draft(timed) as early:
            await asyncio.sleep(60)
        assert await early.handle.status() is Status.SCHEDULED
        assert of_type(await early.handle.history(), EventType.READY)
        await early.handle.result()
        assert asyncio.get_running_loop().time() - begun == pytest.approx(600, abs=1)
        async with supervisor.draft(timed.options(delay=5) if how == "delay" else timed) as late:
            await asyncio.sleep(60)
        assert await late.handle.status() in (Status.PENDING, Status.RUNNING, Status.COMPLETED)
        await late.handle.result()
        assert asyncio.get_running_loop().time() - begun < 670


async def test_a_draft_holds_its_key(make: Make) -> None:
    """A second draft with the same key is the first one, while that is a draft; then its holder is
    named; and once it has ended the key is free."""
    keyed = measure.options(key="report 7")
    async with make(measure) as supervisor:
        await supervisor.pause("default")
        first = await supervisor.draft(keyed).begin()
        second = await supervisor.draft(keyed).begin()
        assert (first.id, first.handle.created) == (second.id, True)
        assert not second.handle.created
        await second.attach("input", b"1")
        await first.release()
        with pytest.raises(KeyConflict, match=r"job 1 holds the key and is pending, not a draft"):
            await supervisor.draft(keyed).begin()
        await supervisor.resume("default")
        assert await first.handle.result() == 1
        assert (await supervisor.draft(keyed).begin()).id != first.id


async def test_a_draft_with_an_idempotency_key_is_begun_once(make: Make) -> None:
    """An upload that is tried again finds its draft, with the same arguments only; the release
    settles it."""
    once = measure.options(idempotency_key="upload 7")
    async with make(measure) as supervisor:
        first = await supervisor.draft(once, 2).begin()
        again = await supervisor.draft(once, 2).begin()
        assert again.id == first.id
        with pytest.raises(IdempotencyConflict):
            await supervisor.draft(once, 3).begin()
        await again.attach("input", b"1")
        assert await (await again.release()).result() == 2
        with pytest.raises(KeyConflict, match="is completed"):
            await supervisor.draft(once, 2).begin()


async def test_a_batch_waits_for_its_drafts(make: Make) -> None:
    """A draft is an open member: a sealed batch ends after it was released and has ended, or was
    discarded. (R44)"""
    async with make(measure) as supervisor:
        async with supervisor.batch("uploads") as batch:
            released = await batch.draft(measure).begin()
            discarded = await batch.draft(measure).begin()
        with pytest.raises(TimeoutError):
            await batch.summary(timeout=600)
        await discarded.discard()
        await released.attach("input", b"1")
        with pytest.raises(TimeoutError):
            await batch.summary(timeout=600)
        await released.release()
        summary = await batch.summary(timeout=1)
    assert (summary.total, summary.completed, summary.cancelled) == (2, 1, 1)


@pytest.mark.parametrize("who", ["caller", "operator"])
async def test_cancelling_a_draft_gives_it_up(make: Make, database: Path, who: str) -> None:
    """A draft is cancelled like any waiting job, its files go, and its author is told."""
    async with make(measure) as supervisor:
        draft = await supervisor.draft(measure).begin()
        await draft.attach("input", b"1")
        if who == "caller":
            outcome = await draft.handle.cancel()
        else:
            outcome = await supervisor.cancel(draft.id, "by hand")
        assert outcome.answer == "cancelled"
        with pytest.raises(NotADraft, match="Begin a new"):
            await draft.release()
        with pytest.raises(NotADraft):
            await draft.attach("more", b"1")
        await draft.discard()
    assert files_beside(database) == []


async def test_a_draft_cannot_be_hurried(make: Make) -> None:
    """What an operator can do to a waiting job (promote, change, release a hold) is refused for a
    draft: it does not wait, it is not there yet."""
    async with make(measure) as supervisor:
        draft = await supervisor.draft(measure).begin()
        for act in (
            supervisor.promote(draft.id),
            supervisor.change(draft.id, delay=1),
            supervisor.release(draft.id),
            supervisor.retry(draft.id),
        ):
            with pytest.raises(WrongStatus, match="draft"):
                await act
        assert await draft.handle.status() is Status.DRAFT


async def test_a_draft_is_checked_like_a_submit(make: Make) -> None:
    """Names of files are checked at the decoration, ids at the look-up."""
    with pytest.raises(InvalidOption):

        @job(attachments=["../etc/passwd"])
        async def outside() -> None:
            """Never made."""

    async with make(measure) as supervisor:
        with pytest.raises(InvalidOption):
            supervisor.find_draft(True)


async def test_a_block_that_found_a_draft_by_key_does_not_discard_it(make: Make) -> None:
    """Two requests with one key share a draft; the second one fails on a taken name, and the first
    one's upload is not thrown away."""
    keyed = measure.options(key="report 7")
    async with make(measure) as supervisor, supervisor.draft(keyed) as first:
        await first.attach("input", b"12345")
        with pytest.raises(AttachmentExists):
            await attach_again(supervisor.draft(keyed))
        assert await first.handle.status() is Status.DRAFT


async def attach_again(draft: Draft[int]) -> None:
    async with draft:
        await draft.attach("input", b"12345")


async def test_a_draft_that_is_found_by_its_key_lives_on(make: Make) -> None:
    """Whoever goes on with a draft has the whole time for it again."""
    keyed = measure.options(key="report 7")
    async with make(measure, draft_timeout="1h") as supervisor:
        first = await supervisor.draft(keyed).begin()
        await asyncio.sleep(3_500)
        again = await supervisor.draft(keyed).begin()
        await asyncio.sleep(3_500)
        assert again.id == first.id
        assert await again.handle.status() is Status.DRAFT
