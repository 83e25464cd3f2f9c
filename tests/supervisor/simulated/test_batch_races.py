"""Exactly-once finalization, when the last end, the sweep and those who ask all want to do it.

Each transaction takes some milliseconds drawn from a seed, the watchdog sweeps a hundred times a
second, people ask for each summary at any moment, and four finalizers work at once where the
product has one: so two of them often hold the same batch.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from tests.incidents.conftest import Plant, plant
from tests.storage.checkers import Broken
from tests.supervisor.batch_checks import audit

from overseen import (
    Backoff,
    Batch,
    BatchEnded,
    BatchPolicy,
    BatchSummary,
    Context,
    Snooze,
    Supervisor,
    job,
)
from overseen.batches.finalizing import Finalizer
from overseen_actors import LoopClock, run_virtual
from overseen_storage.answers import Committed
from overseen_storage.batch_lifecycle import BATCH_ENDED, BATCH_STATUS_CODES, BatchStatus
from overseen_storage.groups import Group
from overseen_storage.orders import Declined, FinalizeBatch
from overseen_storage.sqlite import batches
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore
from overseen_storage.sqlite.writer import BATCH_STATUS_OF

__all__ = ["plant"]

SEEDS = 20
BATCHES = 100
FINALIZERS = 4


@job(retries=1, backoff=Backoff(initial="5ms", jitter="none"), timeout="40ms", grace="5ms")
async def member(ctx: Context, seed: int) -> int:
    """Ends in one of all ways, within milliseconds."""
    random = Random(seed * 31 + ctx.attempt)
    await asyncio.sleep(random.choice((0, 0, random.uniform(0, 0.02), 0.06 * (seed % 40 == 0))))
    match random.randrange(12):
        case 0:
            raise OSError(seed)
        case 1 if ctx.attempt == 1:
            raise Snooze(random.uniform(0, 0.01))
        case 2:
            ctx.warn("late")
        case _:
            pass
    return seed


@job
async def told(ctx: Context, summary: BatchSummary) -> None:
    ctx.state[summary.batch_id] += 1


def supervisor_of(database: Path, seed: int, calls: Counter[int]) -> Supervisor:
    """Every transaction and every read takes its time."""
    draw = Random(seed).uniform
    connector = InlineConnector(lambda: asyncio.sleep(draw(0.0001, 0.004)))
    return Supervisor(
        lambda: SqliteStore(
            database, synchronous="normal", connector=connector, owner_wait_seconds=0
        ),
        jobs=[member, told],
        clock=LoopClock(asyncio.get_running_loop()),
        random=Random(seed).random,
        sweep_interval=0.01,
        state=calls,
    )


async def one_batch(supervisor: Supervisor, random: Random, number: int) -> BatchSummary:
    """A batch of a few members, which others ask about and sometimes end, at any moment."""
    await asyncio.sleep(random.uniform(0, 0.5))
    policy = random.choice((BatchPolicy.CONTINUE, BatchPolicy.CONTINUE, BatchPolicy.FAIL_FAST))
    batch = supervisor.batch(f"b{number}", policy=policy, on_finish=told)
    cancelling: asyncio.Task[None] | None = None
    async with batch:
        for n in range(random.randrange(5)):
            delay = random.choice((0, 0, 0, 0.01))
            await batch.submit(member.options(delay=delay), number * 10 + n)
        if random.random() < 0.1:
            cancelling = asyncio.create_task(cancel(batch, random.uniform(0.01, 0.05)))
        pauses = [random.uniform(0, 0.05) for _ in range(random.randrange(6))]
        asking = [asyncio.create_task(ask(batch, pause)) for pause in pauses]
    summary = await batch.summary()
    assert set(await asyncio.gather(*asking)) <= {summary}
    if cancelling is not None:
        await cancelling
    return summary


async def ask(batch: Batch, seconds: float) -> BatchSummary:
    """Sooner or later."""
    await asyncio.sleep(seconds)
    return await batch.summary()


async def cancel(batch: Batch, seconds: float) -> None:
    """Its end may come before."""
    await asyncio.sleep(seconds)
    with contextlib.suppress(BatchEnded):
        await batch.cancel()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Four finalizers at once; what the store answered them."""
    found = Counter[str]()
    run, commit = Finalizer.run, SqliteStore.commit

    async def run_four(finalizer: Finalizer) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(FINALIZERS):
                group.create_task(run(finalizer))

    async def counting(store: SqliteStore, group: Group) -> Committed:
        done = await commit(store, group)
        for order, answer in zip(group.orders, done.orders, strict=True):
            if isinstance(order, FinalizeBatch):
                found[answer.why if isinstance(answer, Declined) else "obeyed"] += 1
        return done

    monkeypatch.setattr(Finalizer, "run", run_four)
    monkeypatch.setattr(SqliteStore, "commit", counting)
    return found


async def race(database: Path, seed: int, count: int) -> None:
    """So many batches at once; then rows, summaries, callbacks and ledger tell the same story."""
    random = Random(seed)
    calls = Counter[int]()
    async with supervisor_of(database, seed, calls) as supervisor:
        await asyncio.gather(*(one_batch(supervisor, random, n) for n in range(count)))
        await asyncio.sleep(1)
        await audit(supervisor, batches=count)
        assert supervisor.figures.restarts == 0
    assert set(calls.values()) == {1}
    assert len(calls) == count


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_batch_is_finalized_once_whoever_is_first(
    tmp_path: Path, seed: int, answers: Counter[str]
) -> None:
    """In a hundred interleavings for each seed: one `batch_finalized` event, one callback for each
    event, and a summary that is what the rows say; the others are declined. (I28, I30, R42, R43)
    """
    run_virtual(race(tmp_path / "jobs.db", seed, BATCHES))
    assert answers["obeyed"] == BATCHES


def test_without_the_guard_batches_are_finalized_twice(
    tmp_path: Path, answers: Counter[str], plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same race with the guard on the status taken out of the store: some batch is finalized
    again after its end, and the check says so. This is what the guard is for. (I28)"""
    plant("finalize_batch", "AND status = 2 /* processing */", "")
    ended = {BATCH_STATUS_CODES[status]: BatchStatus.PROCESSING for status in BATCH_ENDED}
    monkeypatch.setattr(batches, "BATCH_STATUS_OF", {**BATCH_STATUS_OF, **ended})
    with pytest.raises(Broken, match="one batch_finalized"):
        run_virtual(race(tmp_path / "jobs.db", 1, BATCHES))
    assert answers["obeyed"] > BATCHES
