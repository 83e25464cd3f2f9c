"""Uploads whose author goes away: at any moment, nothing is left but what a row names."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from tests.supervisor.simulated.conftest import Make
from tests.supervisor.uploading import MIB, files_beside, rows_of_files, stream

from overseen import (
    Context,
    Draft,
    DraftNotBegun,
    NotADraft,
    Reason,
    Status,
    Supervisor,
    SupervisorStopped,
    job,
)

PIECES = [b"x" * MIB, b"y" * 10]


@job(attachments=["input"])
async def measure(ctx: Context) -> int:
    """Counts the bytes of its file."""
    return ctx.attachments["input"].size_bytes


@job(queue="other")
async def idle() -> None:
    """Keeps the store busy."""


async def fill(draft: Draft[int]) -> None:
    """A whole upload."""
    async with draft:
        await draft.attach("input", stream(PIECES))


async def turns_or_time(some: float) -> None:
    """Let everybody else take that many turns (a whole number), or wait for so many seconds."""
    if isinstance(some, int):
        for _ in range(some):
            await asyncio.sleep(0)
    else:
        await asyncio.sleep(some)


async def cancelled_after(coroutine: Coroutine[Any, Any, Any], some: float) -> bool:
    """Cancel it after that many turns; whether that was before its end."""
    task = asyncio.create_task(coroutine)
    await turns_or_time(some)
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()


async def in_a_scope(coroutine: Coroutine[Any, Any, Any], some: float) -> bool:
    """As a request in Starlette is given up: its scope cancels again in every turn."""
    with anyio.CancelScope() as scope:

        async def wait() -> None:
            await turns_or_time(some)
            scope.cancel()

        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(wait())
            await coroutine
            waiting.cancel()
    return scope.cancelled_caught


GIVEN_UP = {"task": cancelled_after, "scope": in_a_scope}


@pytest.mark.parametrize("how", GIVEN_UP)
async def test_a_block_cancelled_at_any_moment_leaves_no_draft(
    make: Make, database: Path, how: str
) -> None:
    """Cancelled in each turn of the loop between its beginning and its end: the draft is discarded,
    or was released and runs; its files go, or are those of its row; none waits for its expiry, not
    even one whose author never had its id."""
    async with make(measure) as supervisor:
        count, cancelled = 0, True
        discarded = 0
        while cancelled:
            cancelled = await GIVEN_UP[how](fill(supervisor.draft(measure)), count)
            await asyncio.sleep(1)
            for record in await supervisor.jobs(limit=1):
                assert record.status in (Status.CANCELLED, Status.COMPLETED), f"turn {count}"
                discarded += record.status is Status.CANCELLED
            assert files_beside(database) == sorted(row[2] for row in rows_of_files(database))
            count += 1
        assert discarded > 5
        records = await supervisor.jobs(limit=1_000)
        assert {one.reason for one in records} == {Reason.DRAFT_DISCARDED, None}


@pytest.mark.parametrize("how", GIVEN_UP)
async def test_a_draft_that_others_may_know_is_not_given_up_with_a_begin(
    make_slow: Make, how: str
) -> None:
    """A begin that is cancelled discards what it began itself, never what it found by its key."""
    draw = Random(5).uniform
    keyed = measure.options(key="report 7")
    async with make_slow(measure) as supervisor:
        first = await supervisor.draft(keyed).begin()
        for _ in range(40):
            again = supervisor.draft(keyed)
            await GIVEN_UP[how](again.begin(), draw(0, 0.02))
            await asyncio.sleep(0.05)
        assert await first.handle.status() is Status.DRAFT


@pytest.mark.parametrize("how", GIVEN_UP)
async def test_a_begin_by_hand_that_is_cancelled_leaves_no_draft(make_slow: Make, how: str) -> None:
    """Cancelled while its row is on the way, also in a batch: nobody has its id, so it goes."""
    draw = Random(5).uniform
    async with make_slow(measure) as supervisor:
        async with supervisor.batch("uploads") as batch:
            for n in range(40):
                draft = batch.draft(measure) if n % 2 else supervisor.draft(measure)
                if not await GIVEN_UP[how](draft.begin(), draw(0, 0.01)):
                    await draft.discard()
                await asyncio.sleep(0.05)
        ends = [one.status for one in await supervisor.jobs(limit=1_000)]
        assert set(ends) == {Status.CANCELLED}
        assert (await batch.summary(timeout=1)).cancelled > 5


async def commit_all_the_time(supervisor: Supervisor) -> None:
    """Keep the supervisor busy, so that requests wait for the group under way."""
    while True:
        await supervisor.submit(idle)


@pytest.mark.parametrize("how", GIVEN_UP)
async def test_the_same_while_the_store_is_busy(make_slow: Make, database: Path, how: str) -> None:
    """Requests that wait for the commit under way are withdrawn when their author is cancelled; no
    draft is forgotten because of that."""
    draw = Random(5).uniform
    async with make_slow(measure, idle) as supervisor:
        busy = asyncio.create_task(commit_all_the_time(supervisor))
        for _ in range(40):
            draft = supervisor.draft(measure)
            await GIVEN_UP[how](fill(draft), draw(0, 0.04))
            await asyncio.sleep(0.05)
            with contextlib.suppress(DraftNotBegun):
                assert await draft.handle.status() in (Status.CANCELLED, Status.COMPLETED)
        busy.cancel()
        await asyncio.wait([busy])
        ends = [one.status for one in await supervisor.jobs(job=measure, limit=1_000)]
        assert {ends.count(Status.CANCELLED) > 5, ends.count(Status.COMPLETED) > 5} == {True}
        await asyncio.sleep(1)
        assert files_beside(database) == sorted(row[2] for row in rows_of_files(database))


@pytest.mark.parametrize("how", GIVEN_UP)
async def test_an_attach_cancelled_at_any_moment_is_whole_or_not_at_all(
    make: Make, database: Path, how: str
) -> None:
    """Cancelled in each turn: the draft has the file, whole, or it has none; and takes others."""
    async with make(measure) as supervisor:
        draft = await supervisor.draft(measure).begin()
        count, cancelled = 0, True
        while cancelled:
            attaching = draft.attach(f"file {count}", stream(PIECES))
            cancelled = await GIVEN_UP[how](attaching, count)
            await asyncio.sleep(1)
            assert files_beside(database) == sorted(row[2] for row in rows_of_files(database))
            count += 1
        assert count > 5
        assert (f"file {count - 1}") in {name for _, name, _ in rows_of_files(database)}
        await draft.attach("input", b"123")
        assert await (await draft.release()).result() == 3


async def test_a_request_that_never_got_in_leaves_no_file(make: Make, database: Path) -> None:
    """Uploads that are cancelled while they wait for room in a full mailbox leave nothing."""
    async with make(measure, mailbox_limit=1) as supervisor:
        for count in range(60):
            draft = await supervisor.draft(measure).begin()
            attaching = [
                asyncio.create_task(draft.attach(f"file {n}", stream([b"x"]))) for n in range(6)
            ]
            await turns_or_time(count)
            for task in attaching:
                task.cancel()
            await asyncio.wait(attaching)
            await asyncio.sleep(1)
            assert files_beside(database) == sorted(row[2] for row in rows_of_files(database))
        assert len(files_beside(database)) > 6, "some came through"


async def endless() -> AsyncGenerator[bytes, None]:
    """A stream that always has more."""
    while True:
        await asyncio.sleep(1)
        yield b"x"


async def hanging() -> AsyncGenerator[bytes, None]:
    """A stream that gives something, and then nothing for ever."""
    yield b"x" * MIB
    await asyncio.Event().wait()


@pytest.mark.parametrize("source", [endless, hanging])
async def test_a_stop_breaks_uploads_off(
    make: Make, database: Path, source: Callable[[], AsyncGenerator[bytes, None]]
) -> None:
    """A stop does not wait for uploads: they end with `SupervisorStopped`, what was written of them
    is gone at once, and after the next start the draft is there to be filled."""
    async with make(measure) as supervisor:
        draft = await supervisor.draft(measure).begin()
        attaching = [asyncio.create_task(draft.attach(f"file {n}", source())) for n in range(3)]
        await asyncio.sleep(2)
        begun = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - begun < 1
    assert (files_beside(database), rows_of_files(database)) == ([], [])
    errors = await asyncio.gather(*attaching, return_exceptions=True)
    assert [type(error) for error in errors] == [SupervisorStopped] * 3
    with pytest.raises(SupervisorStopped):
        await draft.attach("late", b"1")
    async with make(measure) as supervisor:
        found = supervisor.find_draft(draft.id, measure)
        await found.attach("input", b"123")
        assert await (await found.release()).result() == 3


async def test_a_stop_inside_a_block(make: Make, database: Path) -> None:
    """A block whose supervisor stops meanwhile ends with that error and a note on its draft, which
    expires in the next life; also when nothing else goes wrong in it."""
    supervisor = make(measure, draft_timeout=600)
    await supervisor.start()
    draft = supervisor.draft(measure)
    with pytest.raises(SupervisorStopped) as caught:
        await stopped_in_its_block(supervisor, draft)
    (note,) = caught.value.__notes__
    assert f"find_draft({draft.id}).release()" in note
    async with make(measure, draft_timeout=600) as supervisor:
        record = await supervisor.job(draft.id)
        assert record.status is Status.DRAFT
        await asyncio.sleep(601)
        with pytest.raises(NotADraft, match="expired"):
            await supervisor.find_draft(draft.id).release()
    assert files_beside(database) == []


async def stopped_in_its_block(supervisor: Supervisor, draft: Draft[int]) -> None:
    async with draft:
        await draft.attach("input", b"123")
        await supervisor.stop()
