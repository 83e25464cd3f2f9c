"""What cannot be done with a batch: a typed error that says what to do; nothing is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.supervisor.batch_checks import audit
from tests.supervisor.simulated.conftest import Make

from overseen import (
    Batch,
    BatchEnded,
    BatchNotFound,
    BatchNotOpened,
    BatchSealed,
    BatchStatus,
    Context,
    InvalidOption,
    job,
)


@job
async def double(value: int) -> int:
    await asyncio.sleep(0.01)
    return 2 * value


@job(attachments=["input"])
async def count(ctx: Context) -> int:
    """Is never released here."""
    return len(ctx.attachments)


@job
async def until(ctx: Context) -> str:
    """Runs until the test lets it go."""
    await ctx.state.wait()
    return "done"


REFUSED: dict[str, Callable[[Batch], Awaitable[object]]] = {
    "submit": lambda batch: batch.submit(double, 1),
    "submit_many": lambda batch: batch.submit_many([double.call(1), double.call(2)]),
    "draft": lambda batch: batch.draft(count).begin(),
}


@pytest.mark.parametrize("add", REFUSED.values(), ids=list(REFUSED))
@pytest.mark.parametrize("ended", [False, True], ids=["processing", "finalized"])
async def test_a_sealed_batch_takes_no_members(
    make: Make, add: Callable[[Batch], Awaitable[object]], ended: bool
) -> None:
    """Adding to a batch that is sealed is a typed error that says what to do, and stores nothing;
    other submits of the same moment are stored. (R34)"""
    let_go = asyncio.Event()
    async with make(double, until, count, state=let_go) as supervisor:
        async with supervisor.batch("closed") as batch:
            await batch.submit(until)
        if ended:
            let_go.set()
            await batch.summary()
        refused = asyncio.ensure_future(add(batch))
        stored = asyncio.ensure_future(supervisor.submit(double, 7))
        with pytest.raises(
            BatchSealed, match=r"takes no more members\. Open a new batch"
        ) as caught:
            await refused
        assert caught.value.batch_id == batch.id
        assert await (await stored).result() == 14
        let_go.set()
        assert (await batch.summary()).total == 1
        assert len(await supervisor.jobs()) == 2
        await audit(supervisor)


async def test_a_batch_is_sealed_once(make: Make) -> None:
    """Sealing again is an error that tells where the batch is: sealed, or ended."""
    let_go = asyncio.Event()
    async with make(until, state=let_go) as supervisor:
        batch = await supervisor.batch("twice").open()
        await batch.submit(until)
        assert await batch.open() is batch, "opening again opens nothing"
        await batch.seal()
        with pytest.raises(BatchSealed, match="is processing: it cannot be sealed again") as caught:
            await batch.seal()
        assert (caught.value.batch_id, caught.value.status) == (batch.id, BatchStatus.PROCESSING)
        let_go.set()
        await batch.summary()
        with pytest.raises(BatchEnded, match=r"has ended \(completed\)") as ended:
            await batch.seal()
        assert ended.value.status is BatchStatus.COMPLETED
        with pytest.raises(BatchEnded):
            await batch.cancel()
        assert len(await supervisor.batches()) == 1
        await audit(supervisor)


UNKNOWN: dict[str, Callable[[Batch], Awaitable[object]]] = {
    **REFUSED,
    "seal": lambda batch: batch.seal(),
    "cancel": lambda batch: batch.cancel(),
    "summary": lambda batch: batch.summary(),
    "record": lambda batch: batch.record(),
    "progress": lambda batch: batch.progress(),
    "watch": lambda batch: anext(batch.watch()),
    "events": lambda batch: anext(batch.events()),
}


@pytest.mark.parametrize("ask", UNKNOWN.values(), ids=list(UNKNOWN))
@pytest.mark.parametrize("batch_id", [99, 0, -1, 2**62, 2**80], ids=str)
async def test_a_batch_that_is_not_there(
    make: Make, ask: Callable[[Batch], Awaitable[object]], batch_id: int
) -> None:
    """Whatever is asked of an unknown batch: one typed error that tells its number."""
    async with make(double, count) as supervisor:
        with pytest.raises(BatchNotFound, match=rf"no batch {batch_id}: .*batches\(\)") as caught:
            await ask(supervisor.find_batch(batch_id))
        assert caught.value.batch_id == batch_id
        assert isinstance(caught.value, LookupError)
        assert await supervisor.jobs() == []


@pytest.mark.parametrize("ask", UNKNOWN.values(), ids=list(UNKNOWN))
async def test_a_batch_used_before_its_block(
    make: Make, ask: Callable[[Batch], Awaitable[object]]
) -> None:
    """A batch that was not opened says so, and how it is opened; nothing is stored."""
    async with make(double, count) as supervisor:
        batch = supervisor.batch("early")
        with pytest.raises(BatchNotOpened, match=r"async with supervisor\.batch"):
            await ask(batch)
        assert "not opened" in repr(batch)
        assert await supervisor.batches() == []


@pytest.mark.parametrize("bad", [True, "1", None, 1.5])
async def test_the_id_of_a_batch_is_a_number(make: Make, bad: Any) -> None:
    """Anything but a whole number is refused before anything is asked."""
    async with make(double) as supervisor:
        with pytest.raises(InvalidOption):
            supervisor.find_batch(bad)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"name": 5},
        {"policy": "sometimes"},
        {"policy": "threshold"},
        {"threshold": 3},
        {"policy": "threshold", "threshold": 0},
        {"policy": "threshold", "threshold": 2.5},
        {"policy": "threshold", "threshold": -0.5},
        {"policy": "threshold", "threshold": True},
        {"policy": "threshold", "threshold": float("nan")},
        {"policy": "threshold", "threshold": float("inf")},
        {"labels": {"a": 1}},
        {"labels": {"a": "x" * 10_000}},
    ],
    ids=repr,
)
async def test_what_cannot_be_said_about_a_batch(make: Make, wrong: dict[str, Any]) -> None:
    """A wrong option is refused where it is said, before anything is stored."""
    async with make(double) as supervisor:
        options: dict[str, Any] = {"name": "fine", **wrong}
        with pytest.raises(InvalidOption):
            supervisor.batch(**options)
        assert await supervisor.batches() == []
