"""Two authors of one draft: they share a key, and each has a block of his own."""

from __future__ import annotations

import asyncio

import pytest
from tests.supervisor.simulated.conftest import Make
from tests.supervisor.uploading import stream

from overseen import Context, Draft, NotADraft, Reason, Status, job


@job(attachments=["input"])
async def measure(ctx: Context) -> int:
    """Counts the bytes of its files."""
    return sum(one.size_bytes for one in ctx.attachments.values())


KEYED = measure.options(key="report 7")


async def attach(draft: Draft[int], name: str, *, seconds: float = 0) -> int:
    """A block that gives it one file, and what the job made of them."""
    async with draft:
        await draft.attach(name, stream([b"x"], every=seconds))
    return await draft.handle.result()


async def test_a_block_that_found_a_draft_releases_it_at_its_end(make: Make) -> None:
    """An upload that is tried again, because the first author is gone, finds its draft and what it
    has, and its end lets the job run: else it would only expire."""
    async with make(measure) as supervisor:
        first = await supervisor.draft(KEYED).begin()
        await first.attach("input", b"123")
        assert await attach(supervisor.draft(KEYED), "more") == 4


async def test_an_author_whose_draft_was_released_by_another_is_told(make: Make) -> None:
    """The block that ends first releases; an upload that is under way then is refused, in words
    that say what happened, and the job runs with what it had."""
    async with make(measure) as supervisor:
        first = asyncio.create_task(attach(supervisor.draft(KEYED), "slow", seconds=60))
        await asyncio.sleep(1)
        assert await attach(supervisor.draft(KEYED), "input") == 1
        with pytest.raises(NotADraft, match="is completed, not a draft"):
            await first


async def test_two_blocks_that_end_normally_have_one_job(make: Make) -> None:
    """Whoever ends second wanted what has happened already: no error, the same result."""
    async with make(measure) as supervisor, supervisor.draft(KEYED) as first:
        await first.attach("input", b"123")
        assert await attach(supervisor.draft(KEYED), "more") == 4
    assert first.handle.id == 1


async def end_after(draft: Draft[int], what: str) -> None:
    async with draft:
        await draft.attach("input", b"123")
        if what == "discarded":
            await draft.handle.cancel()
        else:
            await asyncio.sleep(3_601)


@pytest.mark.parametrize("what", ["discarded", "expired"])
async def test_a_block_whose_draft_is_gone_says_so(make: Make, what: str) -> None:
    """A draft that was discarded or has expired did not run: the end of its block is an error."""
    async with make(measure) as supervisor:
        draft = supervisor.draft(measure)
        with pytest.raises(NotADraft, match="its files are gone"):
            await end_after(draft, what)
        record = await draft.handle.record()
    assert record.status is Status.CANCELLED
    assert record.reason in (Reason.DRAFT_DISCARDED, Reason.DRAFT_EXPIRED)


async def test_a_second_release_by_hand_is_an_error(make: Make) -> None:
    """Only the end of a block takes it as it is; who asks by hand is told that it is no draft."""
    async with make(measure) as supervisor:
        draft = await supervisor.draft(KEYED).begin()
        await draft.attach("input", b"123")
        await draft.release()
        with pytest.raises(NotADraft):
            await draft.release()
