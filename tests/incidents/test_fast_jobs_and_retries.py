"""Fast jobs and retries: `started_at` was overwritten after `completed_at`, constraints were
violated, retries lost the first start.

Here there is one writer and one clock that strictly rises, the first start is written once, every
attempt has its own times on the ledger, and the schema refuses what cannot be. The scenarios run
thousands of jobs that take no time at all, with retries that wait no time at all.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from tests.incidents.conftest import Plant
from tests.incidents.reading import read_back, store_of
from tests.storage.checkers import Broken
from tests.storage.driving import Writer, finish, new_job

from overseen import Context, EventType, Snooze, Status, Supervisor, job
from overseen_actors import LoopClock, run_virtual
from overseen_storage.items import PutBack
from overseen_storage.lifecycle import Cause, Reason
from overseen_storage.records import Event, JobRecord
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore

JOBS = 3_000
ATTEMPTS_MAX = 4


def at_once(failures: int, error: BaseException | None) -> float:
    """No backoff: the next attempt follows on the heels of the last."""
    return 0.0


def attempts_of(n: int) -> int:
    """How often the n-th job has to run."""
    return n % ATTEMPTS_MAX + 1


@job(retries=ATTEMPTS_MAX, backoff=at_once)
async def fast(ctx: Context, n: int) -> int:
    """Takes no time; fails or snoozes until its last attempt."""
    if ctx.attempt < attempts_of(n):
        if n % 5 == 0:
            raise Snooze(0)
        raise ConnectionError(f"attempt {ctx.attempt}")
    return n


async def run_all(supervisor: Supervisor, count: int) -> None:
    """Submit everything at once and wait for everything."""
    async with supervisor:
        handles = await supervisor.submit_many(fast.call(n) for n in range(count))
        results = await asyncio.gather(*(handle.result() for handle in handles))
        assert results == list(range(count))


def check_all(rows: Mapping[int, JobRecord], ledger: Sequence[Event], count: int) -> None:
    """Every job has run as often as it had to, in an order in which it can have."""
    lives: dict[int, list[Event]] = defaultdict(list)
    for event in ledger:
        if event.job_id is not None:
            lives[event.job_id].append(event)
    assert len(rows) == len(lives) == count
    for row in rows.values():
        starts = [event.at for event in lives[row.id] if event.type is EventType.STARTED]
        assert row.status is Status.COMPLETED
        assert row.fence == len(starts) == attempts_of(int(row.result or -1))
        assert row.started_at == starts[0], "the first start is kept"
        assert row.attempt_started_at == starts[-1], "the current attempt has its own"
        assert row.completed_at is not None
        stamps = [row.created_at, *(event.at for event in lives[row.id][1:])]
        assert all(one < two for one, two in pairwise(stamps)), "no two moments are the same"
        assert stamps[-1] == row.completed_at
        check_attempts(lives[row.id])


def check_attempts(life: Sequence[Event]) -> None:
    """Each attempt starts once and ends once, before the next one starts."""
    marks = [
        (event.fence, event.type is EventType.STARTED)
        for event in life
        if event.fence is not None and event.status is not None and event.type is not EventType.DUE
    ]
    attempts = {fence for fence, _ in marks}
    assert marks == [(n, begins) for n in sorted(attempts) for begins in (True, False)]


@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_fast_jobs_keep_their_times_in_order(database: Path, seed: int) -> None:
    """Created, started, retried, ended: strictly one after the other, the first start kept, though
    no time passes in between at all. (incident: Fast jobs and retries) (R47, R48, R49)
    """

    async def scenario() -> None:
        draw = Random(seed).uniform
        connector = InlineConnector(lambda: asyncio.sleep(draw(0, 0.002) if seed else 0))
        supervisor = Supervisor(
            lambda: SqliteStore(database, connector=connector, owner_wait_seconds=0),
            jobs=[fast],
            clock=LoopClock(asyncio.get_running_loop()),
            random=Random(seed).random,
        )
        count = JOBS // 3
        await run_all(supervisor, count)
        check_all(*await read_back(database), count)

    run_virtual(scenario())


def test_thousands_of_fast_jobs_on_the_real_loop_and_disk(database: Path) -> None:
    """The same with threads, a real clock and a real disk. (incident: Fast jobs and retries)"""

    async def scenario() -> None:
        await run_all(Supervisor(database, jobs=[fast], concurrency=500), JOBS)
        check_all(*await read_back(database), JOBS)

    asyncio.run(scenario())


class JumpyClock:
    """A wall clock that an administrator turns back and forth, a monotonic one that may not."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._clock = LoopClock(loop)
        self._draw = Random(5).uniform

    def monotonic(self) -> float:
        """As the loop's."""
        return self._clock.monotonic()

    def wall_us(self) -> int:
        """Anywhere within two days."""
        return self._clock.wall_us() + int(self._draw(-86_400, 86_400) * 1_000_000)


def test_a_wall_clock_that_jumps_cannot_disturb_the_order(database: Path) -> None:
    """Stamps come from one place: the wall clock is read once, every column is written from there.
    (incident: Fast jobs and retries) (R50)
    """

    async def scenario() -> None:
        for _ in range(3):  # each life begins with a wall clock of its own
            supervisor = Supervisor(
                lambda: store_of(database),
                jobs=[fast],
                clock=JumpyClock(asyncio.get_running_loop()),
            )
            async with supervisor:
                handles = await supervisor.submit_many(fast.call(n) for n in range(40))
                await asyncio.gather(*(handle.result() for handle in handles))
        rows, _ = await read_back(database)  # stamps rise with seq over all lives
        assert len(rows) == 120

    run_virtual(scenario())


@pytest.mark.parametrize(
    "broken",
    [
        "completed_at = created_at",
        "started_at = completed_at + 1",
        "attempt_started_at = completed_at",
        "attempt_started_at = started_at - 1",
        "started_at = NULL",
        "completed_at = NULL",
        "status = 5 /* running */",
        "created_at = started_at",
    ],
)
def test_the_schema_refuses_times_that_cannot_be(database: Path, broken: str) -> None:
    """Whoever writes nonsense into an ended row, the file refuses it. (R48)"""

    async def scenario() -> None:
        await run_all(Supervisor(lambda: store_of(database), jobs=[fast]), 4)

    asyncio.run(scenario())
    with closing(sqlite3.connect(database)) as file:
        with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed"):
            file.execute(f"UPDATE job SET {broken}")
        file.rollback()


async def retry_once(database: Path) -> None:
    """One job: started, put back, started again, completed."""
    async with Writer(store_of(database)) as writer:
        first = await writer.start(new_job())
        back = PutBack(first.id, first.fence, Status.PENDING, Reason.ERROR, Cause.BODY, failures=1)
        assert not (await writer.commit(put_backs=[back])).missed_put_backs
        (second,) = await writer.claim()
        assert second.fence == 2
        await writer.crash()


def test_with_the_first_start_overwritten_the_incident_is_there(
    database: Path, plant: Plant
) -> None:
    """A claim that writes `started_at` anew loses the first start, and the check says so.
    (incident: Fast jobs and retries)
    """
    plant("claim", "started_at = coalesce(job.started_at, :at + entry.key)", "started_at = :at")

    async def scenario() -> None:
        await retry_once(database)
        with pytest.raises(Broken, match="times"):
            await read_back(database)

    run_virtual(scenario())


def test_with_the_first_start_kept_the_same_history_is_in_order(database: Path) -> None:
    """The history of the test before, with nothing planted. (incident: Fast jobs and retries)"""

    async def scenario() -> None:
        await retry_once(database)
        await read_back(database)

    run_virtual(scenario())


def test_an_old_attempt_cannot_end_a_new_one(database: Path, plant: Plant) -> None:
    """The fence is in the UPDATE: with it a late end is missed, without it the first attempt ends
    the second, which still runs. (incident: Fast jobs and retries) (R1, R3)
    """

    async def scenario(path: Path, expected: Status) -> None:
        async with Writer(store_of(path)) as writer:
            first = await writer.start(new_job())
            back = PutBack(first.id, first.fence, Status.PENDING, Reason.ERROR, Cause.BODY)
            await writer.commit(put_backs=[back])
            await writer.claim()
            await writer.commit(finishes=[finish(first)])
            assert (await writer.row(first.id)).status is expected

    run_virtual(scenario(database, Status.RUNNING))
    plant("complete", "AND job.fence = json_extract(entry.value, '$[1]')", "")
    run_virtual(scenario(database.with_suffix(".planted"), Status.COMPLETED))
