"""Crawl jobs: a completed job was marked failed, by a cleaner that ran between the job leaving
memory and its row being updated.

Here the end of a job is one write guarded by status and fence, and no cleaner acts on what it read
before. The scenarios give every cleaner there is (the watchdog's sweeps, timeouts, silence, the
recovery at a start) every chance to come in between.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from tests.incidents.conftest import Plant
from tests.incidents.reading import read_back, store_of
from tests.storage.checkers import Broken
from tests.storage.driving import Writer, new_job

from overseen import Backoff, Context, Reason, Status, Supervisor, job
from overseen.jobs import Job
from overseen.recovery import Recovered, recover
from overseen_actors import LoopClock, run_virtual
from overseen_storage.answers import Claimed
from overseen_storage.items import Finish
from overseen_storage.records import JobRecord
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore

SWEEP_SECONDS = 0.01
PAGES = 60


@job(retries=2, backoff=Backoff(initial="5ms", maximum="20ms"))
async def crawl(ctx: Context, page: int) -> int:
    """Fetches a page, some at the second try."""
    draw = Random(page * 7 + ctx.attempt)
    await asyncio.sleep(draw.choice([0, 0, 0.001, 0.01, 0.02]))
    if page % 7 == 0 and ctx.attempt == 1:
        raise ConnectionError("503 Service Unavailable")
    return page


@job(timeout="20ms", grace="30ms", retries=1, backoff=Backoff(initial="1ms", jitter="none"))
async def at_its_deadline(seconds: float) -> str:
    """Ends about when its time is up."""
    await asyncio.sleep(seconds)
    return "in time"


@job(heartbeat="20ms", grace="30ms")
async def silent(seconds: float) -> str:
    """Ends about when it is taken for dead."""
    await asyncio.sleep(seconds)
    return "alive"


JOBS: list[Job[..., object]] = [crawl, at_its_deadline, silent]


def slow_supervisor(database: Path, seed: int) -> Supervisor:
    """In virtual time; each transaction takes some milliseconds, sweeps follow each other."""
    draw = Random(seed).uniform
    connector = InlineConnector(lambda: asyncio.sleep(draw(0.0001, 0.008)))
    return Supervisor(
        lambda: SqliteStore(database, connector=connector, owner_wait_seconds=0),
        jobs=JOBS,
        clock=LoopClock(asyncio.get_running_loop()),
        random=Random(seed).random,
        sweep_interval=SWEEP_SECONDS,
        concurrency=20,
    )


async def crawl_under_sweeps(supervisor: Supervisor, read: Callable[[], Awaitable[object]]) -> None:
    """Crawl with sweeps all the while; then every page is completed, on disk and in memory."""
    async with supervisor:
        handles = await supervisor.submit_many(crawl.call(page) for page in range(PAGES))
        assert await asyncio.gather(*(handle.result() for handle in handles)) == list(range(PAGES))
        records = [await handle.record() for handle in handles]
        assert {record.status for record in records} == {Status.COMPLETED}
    await read()


@pytest.mark.parametrize("seed", range(12))
def test_sweeps_between_the_end_and_its_row_change_nothing(database: Path, seed: int) -> None:
    """Fast jobs, retries and a sweep every 10 ms: each page is completed, once, for good.
    (incident: Crawl jobs)
    """

    async def scenario() -> None:
        await crawl_under_sweeps(slow_supervisor(database, seed), lambda: read_back(database))

    run_virtual(scenario())


ENDED_AND_CHANGED = """
    SELECT count(*) FROM ledger_view AS late JOIN ledger_view AS first USING (job_id)
    WHERE first.status IN ('completed', 'failed', 'cancelled')
        AND late.status IS NOT NULL AND late.seq > first.seq
"""


def test_the_same_on_the_real_loop_and_disk(database: Path) -> None:
    """With threads and a real disk too, the file itself tells that no end was ever changed.
    (incident: Crawl jobs)
    """
    supervisor = Supervisor(database, jobs=JOBS, sweep_interval=SWEEP_SECONDS)
    asyncio.run(crawl_under_sweeps(supervisor, lambda: read_back(database)))
    with closing(sqlite3.connect(database)) as file:
        assert file.execute(ENDED_AND_CHANGED).fetchone() == (0,)
        assert file.execute("SELECT DISTINCT status FROM job_view").fetchall() == [("completed",)]


@pytest.mark.parametrize("kind", [at_its_deadline, silent], ids=["timeout", "silence"])
def test_an_end_and_a_cleaner_at_the_same_moment_have_one_winner(
    tmp_path: Path, kind: Job[[float], str]
) -> None:
    """A body that returns in the instant it is given up: completed or failed, told the same to
    everybody, and never both; over the seeds both do win. (incident: Crawl jobs) (R1, R5)
    """
    winners: Counter[tuple[str, Reason | None]] = Counter()

    async def scenario(seed: int) -> None:
        database = tmp_path / f"{seed}.db"
        draw = Random(seed)
        async with slow_supervisor(database, seed) as supervisor:
            calls = [kind.call(0.02 + draw.uniform(-0.004, 0.02)) for _ in range(20)]
            handles = await supervisor.submit_many(calls)
            outcomes = await asyncio.gather(*(handle.wait() for handle in handles))
            records = [await handle.record() for handle in handles]
        rows, _ = await read_back(database)
        for outcome, record in zip(outcomes, records, strict=True):
            assert rows[record.id] == record
            assert (outcome.answer, outcome.reason) == (record.status, record.reason)
            winners[outcome.answer, outcome.reason] += 1

    for seed in range(8):
        run_virtual(scenario(seed))
    reason = Reason.TIMEOUT if kind is at_its_deadline else Reason.SILENT
    assert set(winners) == {("completed", None), ("failed", reason)}
    assert min(winners.values()) > 10


@job(name="work", on_lost="fail")
async def work() -> None:
    """Must not run twice: lost means failed."""


class LateEnds(SqliteStore):
    """The cleaner of the incident: whatever it reads ends before it acts on what it has read."""

    ends: Callable[[list[JobRecord]], Awaitable[None]]

    async def orphans(self, *, epoch: int, after_id: int, limit: int) -> list[JobRecord]:
        """Read the rows that run; then their ends are committed; then return what was read."""
        read = await super().orphans(epoch=epoch, after_id=after_id, limit=limit)
        if read:
            await self.ends(read)
        return read


async def clean_what_was_read_before(database: Path) -> Recovered:
    """A process dies; at the next start each job's end is committed after recovery has read it."""
    async with Writer(store_of(database)) as first:
        await first.submit(*[new_job("work")] * 30)
        started: list[Claimed] = await first.claim()
        await first.crash()
    store = LateEnds(database, connector=InlineConnector(), owner_wait_seconds=0)
    async with Writer(store, wall=first.next) as second:

        async def end_all(rows: list[JobRecord]) -> None:
            ends = [Finish(row.id, row.fence, Status.COMPLETED, "1") for row in rows]
            assert not (await second.commit(finishes=ends)).missed_finishes

        def take_stamps(count: int) -> int:
            second.next += count
            return second.next - count

        store.ends = end_all
        assert len(started) == 30
        return await recover(
            store,
            epoch=second.epoch,
            definitions={"work": work.definition},
            take_stamps=take_stamps,
        )


def test_recovery_cannot_change_what_ended_after_it_looked(database: Path) -> None:
    """The decision was made on a stale read, the write finds another status: nothing changes.
    (incident: Crawl jobs) (R4)
    """

    async def scenario() -> None:
        await clean_what_was_read_before(database)
        rows, _ = await read_back(database)
        assert {row.status for row in rows.values()} == {Status.COMPLETED}
        assert {row.result for row in rows.values()} == {"1"}

    run_virtual(scenario())


GUARD_OF_FINISH = """job.id = entry.job_id
    AND job.fence = entry.fence
    AND (
        job.status = 6 /* cancelling */
        OR (job.status = 5 /* running */ AND entry.status <> 10 /* cancelled */)
    )"""


def test_without_the_guard_the_incident_is_there(database: Path, plant: Plant) -> None:
    """The same scenario with the guard taken out of the UPDATE: completed jobs are marked failed,
    and the check of the ledger says so. This is what the guard is for. (incident: Crawl jobs)
    """
    plant("finish", GUARD_OF_FINISH, "job.id = entry.job_id")

    async def scenario() -> None:
        await clean_what_was_read_before(database)
        with pytest.raises(Broken, match="completed"):
            await read_back(database)
        async with Writer(store_of(database)) as reader:
            rows = await reader.rows()
        assert {row.status for row in rows.values()} == {Status.FAILED}
        assert {row.reason for row in rows.values()} == {Reason.LOST}

    run_virtual(scenario())
