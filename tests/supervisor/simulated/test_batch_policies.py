"""What the failure of a member means for the others, and what somebody's wish to end a batch means.

Both stop it: what runs is told, what waits is cancelled, a thousand at a time, and nothing starts.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from tests.supervisor.batch_checks import audit
from tests.supervisor.ledger import of_type, started, whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import (
    Backoff,
    Batch,
    BatchStatus,
    Cause,
    Context,
    Event,
    EventType,
    Reason,
    Snooze,
    Status,
    job,
)
from overseen_storage.answers import Committed
from overseen_storage.groups import Group
from overseen_storage.orders import Obeyed
from overseen_storage.sqlite.store import SqliteStore

SPOILED = BatchStatus.COMPLETED_WITH_ERRORS


@job
async def work(seconds: float = 0.01, fails: bool = False) -> None:
    await asyncio.sleep(seconds)
    if fails:
        raise RuntimeError("no")


@job(grace="1s")
async def stubborn(ctx: Context) -> str:
    """Does not listen; returns when the test lets it go."""
    while not ctx.state.is_set():
        try:
            await ctx.state.wait()
        except asyncio.CancelledError:
            continue
    return "all the same"


@job(retries=3, backoff=Backoff(initial="1h"))
async def again(ctx: Context) -> None:
    """Fails, and is tried again."""
    raise RuntimeError(ctx.attempt)


@job
async def sleepy(ctx: Context) -> None:
    """Comes back later."""
    if ctx.attempt == 1:
        raise Snooze("1h")


@job(attachments=["input"])
async def given() -> None: ...


async def events_of(batch: Batch) -> list[Event]:
    return [event async for event in batch.events()]


async def test_continue_lets_every_member_run(make: Make) -> None:
    """By default the failure of a member means nothing for the others."""
    async with make(work, concurrency=2) as supervisor:
        async with supervisor.batch("continue") as batch:
            await batch.submit_many(work.call(fails=n % 2 == 0) for n in range(100))
        summary = await batch.summary()
        assert (summary.status, summary.reason) == (SPOILED, None)
        assert (summary.completed, summary.failed, summary.attempts) == (50, 50, 100)
        assert supervisor.figures.events.get("batch_tripped", 0) == 0
        await audit(supervisor)


async def test_fail_fast_stops_at_the_first_failure(make: Make) -> None:
    """With `fail_fast` the first failure stops the batch at once: what runs is told to stop, what
    waits is cancelled, in whatever way it waits; it ends with errors, by its policy."""
    jobs = (work, again, sleepy, given)
    async with make(*jobs, queues={"slow": 2}, sweep_interval="1h") as supervisor:
        batch = await supervisor.batch("fast", policy="fail_fast").open()
        running = await batch.submit(work.options(queue="slow"), 60)
        waiting = [
            await batch.submit(work.options(delay="1d")),
            await batch.submit(again),
            await batch.submit(sleepy),
        ]
        draft = (await batch.draft(given).begin()).handle
        bad = await batch.submit(work.options(queue="slow"), 5, fails=True)
        waiting += [await batch.submit(work.options(queue="slow"), 60) for _ in range(10)]
        outsider = await supervisor.submit(work.options(queue="slow"), 7)
        await batch.seal()
        begun = asyncio.get_running_loop().time()
        summary = await batch.summary()
        assert asyncio.get_running_loop().time() - begun < 5.5

        assert (summary.status, summary.reason) == (SPOILED, Reason.BATCH_POLICY)
        assert (summary.total, summary.failed, summary.completed) == (16, 1, 0)
        assert summary.failures[0].first_job_id == bad.id
        for handle in (running, *waiting):
            record = await handle.record()
            assert (record.status, record.reason) == (Status.CANCELLED, Reason.BATCH_POLICY)
            assert record.cause is Cause.BATCH
        record = await draft.record()
        assert (record.reason, record.cause) == (Reason.DRAFT_DISCARDED, Cause.BATCH)
        assert (await outsider.wait()).answer == "completed"
        (tripped,) = of_type(await events_of(batch), EventType.BATCH_TRIPPED)
        assert (tripped.reason, tripped.data) == (Reason.BATCH_POLICY, '{"failures":1}')
        await audit(supervisor)


@pytest.mark.parametrize(("threshold", "stops_at"), [(1, 1), (3, 3), (8, 8), (10, None)])
async def test_a_number_of_failures_stops_it(
    make: Make, threshold: float, stops_at: int | None
) -> None:
    """With `threshold` and a number, exactly so many failures stop it, sealed or not."""
    async with make(work, concurrency=1) as supervisor:
        batch = supervisor.batch("number", policy="threshold", threshold=threshold)
        async with batch:
            await batch.submit_many(work.call(fails=n < 9) for n in range(20))
            await asyncio.sleep(60)
        summary = await batch.summary()
        assert summary.status is SPOILED
        if stops_at is None:
            assert (summary.failed, summary.completed, summary.reason) == (9, 11, None)
        else:
            assert (summary.failed, summary.cancelled) == (stops_at, 20 - stops_at)
            assert summary.reason is Reason.BATCH_POLICY
        await audit(supervisor)


@pytest.mark.parametrize(
    ("share", "total", "stops_at"), [(0.1, 30, 3), (0.5, 7, 4), (0.01, 5, 1), (0.99, 20, None)]
)
async def test_a_share_of_failures_stops_it_once_sealed(
    make: Make, share: float, total: int, stops_at: int | None
) -> None:
    """With a share, it is judged against all members, so not before they are known: a batch that
    is open is not stopped by its first failure, a sealed one at the smallest number that is that
    share."""
    async with make(work, concurrency=1) as supervisor:
        batch = await supervisor.batch("share", policy="threshold", threshold=share).open()
        await batch.submit(work, 0, fails=True)
        await asyncio.sleep(60)
        assert (await batch.record()).stopped is None
        bad = round(total * 0.9)
        await batch.submit_many(work.call(1, fails=n < bad) for n in range(1, total))
        await batch.seal()
        summary = await batch.summary()
        assert summary.total == total
        if stops_at is None:
            assert (summary.failed, summary.reason) == (bad, None)
        else:
            assert (summary.failed, summary.cancelled) == (stops_at, total - stops_at)
        await audit(supervisor)


async def test_failures_before_the_seal_count_at_the_seal(make: Make) -> None:
    """When so many have failed already that the share is reached, sealing the batch stops it."""
    async with make(work, sweep_interval="1h") as supervisor:
        batch = await supervisor.batch("late", policy="threshold", threshold=0.5).open()
        await batch.submit_many(work.call(fails=True) for _ in range(5))
        await batch.submit_many(work.options(delay="1h").call() for _ in range(5))
        await asyncio.sleep(60)
        assert (await batch.record()).stopped is None
        await batch.seal()
        summary = await batch.summary(timeout=1)
        assert (summary.failed, summary.cancelled) == (5, 5)
        await audit(supervisor)


@pytest.fixture
def goes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many waiting members each transaction cancels because their batch was stopped."""
    found: list[int] = []
    commit = SqliteStore.commit

    async def counting(store: SqliteStore, group: Group) -> Committed:
        done = await commit(store, group)
        found.append(sum(len(one.cancelled) for one in done.orders if isinstance(one, Obeyed)))
        return done

    monkeypatch.setattr(SqliteStore, "commit", counting)
    return found


async def test_what_waits_is_cancelled_a_thousand_at_a_time(
    make_slow: Make, goes: list[int]
) -> None:
    """A stopped batch of thousands is cancelled in goes of at most a thousand, between which others
    are served; bodies that end meanwhile, sweeps and requests do not make the goes grow."""
    async with make_slow(work, concurrency=300, sweep_interval=0.01) as supervisor:
        async with supervisor.batch("many", policy="fail_fast") as batch:
            await batch.submit_many(work.call(0.5 + n / 5_000) for n in range(250))
            await batch.submit(work, 0.52, fails=True)
            await batch.submit_many(work.options(delay="1d").call() for _ in range(9_000))
            await batch.submit_many(work.options(delay="1d").call() for _ in range(749))
        async for event in batch.events():
            if event.type is EventType.BATCH_TRIPPED:
                break
        await batch.cancel()
        summary = await batch.summary()

        assert summary.total == 10_000
        assert summary.cancelled >= 9_749
        assert max(goes) <= 1_000, goes
        assert sum(goes) == 9_749
        await audit(supervisor)


async def test_nothing_of_a_stopped_batch_is_started(make: Make) -> None:
    """From the transaction of the failure that stops it, none of its members starts, while members
    of others in the same queue go on."""
    async with make(work, concurrency=3) as supervisor:
        async with supervisor.batch("stopped", policy="fail_fast") as batch:
            await batch.submit_many(work.call(0.01, fails=n == 20) for n in range(500))
            async with supervisor.batch("other") as other:
                await other.submit_many(work.call(0.01) for _ in range(50))
        await batch.summary()
        assert (await other.summary()).completed == 50
        events = await whole_ledger(supervisor)
        (tripped,) = of_type(events, EventType.BATCH_TRIPPED)
        after = [e for e in events if e.seq > tripped.seq]
        assert not [e for e in after if e.batch_id == batch.id and e.type is EventType.STARTED]
        assert started(after)
        await audit(supervisor, batches=2)


async def test_an_open_batch_that_was_stopped_takes_members_and_cancels_them(make: Make) -> None:
    """Until its author seals it, a batch stopped by its policy takes members; they never start, and
    are cancelled at once, so that the batch ends with its block, sweep or no sweep."""
    async with make(work, sweep_interval="1h") as supervisor:
        async with supervisor.batch("open", policy="fail_fast") as batch:
            await batch.submit(work, fails=True)
            await asyncio.sleep(1)
            assert (await batch.record()).stopped is Reason.BATCH_POLICY
            late = await batch.submit(work)
            await asyncio.sleep(1)
            assert (await late.record()).reason is Reason.BATCH_POLICY
            later = await batch.submit(work)
        summary = await batch.summary(timeout=1)
        assert (summary.failed, summary.cancelled) == (1, 2)
        assert (await later.record()).attempts == 0
        await audit(supervisor)


async def test_a_body_that_does_not_listen_is_waited_for(make: Make) -> None:
    """A member that ignores its cancellation keeps the batch from its end: no summary while a body
    lives; what it returns at last counts."""
    let_go = asyncio.Event()
    async with make(work, stubborn, state=let_go) as supervisor:
        async with supervisor.batch("stubborn", policy="fail_fast") as batch:
            deaf = await batch.submit(stubborn)
            await batch.submit(work, fails=True)
        await asyncio.sleep(600)
        assert (await deaf.record()).status is Status.CANCELLING
        assert (await batch.record()).status is BatchStatus.PROCESSING
        let_go.set()
        summary = await batch.summary(timeout=10)
        assert (summary.completed, summary.failed, summary.cancelled) == (1, 1, 0)
        assert (summary.status, summary.reason) == (SPOILED, Reason.BATCH_POLICY)
        await audit(supervisor)


async def test_only_a_request_ends_it_cancelled(make: Make) -> None:
    """A batch whose members were all cancelled one by one ends with errors; `cancelled` is what it
    is only when its own end was asked for."""
    async with make(work) as supervisor:
        async with supervisor.batch("by hand") as batch:
            handle = await batch.submit(work.options(delay="1h"))
        await handle.cancel()
        summary = await batch.summary()
        assert (summary.status, summary.reason, summary.cancelled) == (SPOILED, None, 1)

        async with supervisor.batch("asked") as asked:
            await asked.submit(work.options(delay="1h"))
        await asked.cancel("not needed")
        summary = await asked.summary()
        assert (summary.status, summary.reason) == (BatchStatus.CANCELLED, Reason.REQUESTED)
        await audit(supervisor, batches=2)


async def test_a_request_overrides_the_policy(make: Make) -> None:
    """A batch that its policy is stopping can still be cancelled on request; that is how it ends
    then. Asking twice changes nothing."""
    let_go = asyncio.Event()
    async with make(work, stubborn, state=let_go) as supervisor:
        async with supervisor.batch("both", policy="fail_fast") as batch:
            await batch.submit(stubborn)
            await batch.submit(work, fails=True)
            await batch.submit(work.options(delay="1h"))
        await asyncio.sleep(1)
        assert (await batch.record()).stopped is Reason.BATCH_POLICY
        await batch.cancel("enough")
        await batch.cancel("enough, I said")
        let_go.set()
        summary = await batch.summary()
        assert (summary.status, summary.reason) == (BatchStatus.CANCELLED, Reason.REQUESTED)
        (cancelling,) = of_type(await events_of(batch), EventType.BATCH_CANCELLING)
        assert '"enough"' in (cancelling.data or "")
        await audit(supervisor)


async def test_a_request_that_comes_too_late_changes_nothing(make: Make) -> None:
    """When every member had completed all the same, a batch whose end was asked for is completed:
    nothing was cancelled for the request."""
    let_go = asyncio.Event()
    async with make(stubborn, state=let_go) as supervisor:
        async with supervisor.batch("done anyway") as batch:
            await batch.submit(stubborn)
        await asyncio.sleep(1)
        await batch.cancel()
        let_go.set()
        summary = await batch.summary()
        assert (summary.completed, summary.reason) == (1, Reason.REQUESTED)
        assert summary.status is not BatchStatus.CANCELLED
        await audit(supervisor)


async def test_cancelling_an_open_empty_batch_seals_it(make: Make) -> None:
    """A request also ends a batch that nobody sealed, and one that has no members."""
    async with make(work, sweep_interval="1h") as supervisor:
        batch = await supervisor.batch("empty").open()
        await batch.cancel()
        summary = await batch.summary(timeout=1)
        assert (summary.status, summary.total) == (BatchStatus.CANCELLED, 0)
        types = Counter(event.type for event in await events_of(batch))
        assert types[EventType.BATCH_SEALED] == types[EventType.BATCH_CANCELLING] == 1
        await audit(supervisor)


@pytest.mark.parametrize("life", ["sweep", "restart"])
async def test_a_stop_that_is_interrupted_goes_on(make: Make, life: str) -> None:
    """When the supervisor stops while a stopped batch is being cancelled, its next life cancels the
    rest at its start, and the batch ends as it would have."""
    let_go = asyncio.Event()
    supervisor = make(work, stubborn, state=let_go)
    await supervisor.start()
    async with supervisor.batch("interrupted", policy="fail_fast") as batch:
        await batch.submit_many(work.options(delay="1d").call() for _ in range(5_000))
        failing = await batch.submit(work, 1, fails=True)
    if life == "restart":
        await failing.wait()
        await supervisor.stop()
        supervisor = make(work, stubborn, sweep_interval="1h")
        await supervisor.start()
    batch = supervisor.find_batch(batch.id)
    summary = await batch.summary(timeout=10)
    assert (summary.status, summary.cancelled) == (SPOILED, 5_000)
    await audit(supervisor)
    await supervisor.stop()
