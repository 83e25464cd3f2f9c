"""Locks of the database under real load, with other connections beside it."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from overseen import Context, DatabaseOwned, Status, Supervisor, job


@job
async def report(ctx: Context, n: int) -> int:
    """Says a lot."""
    for step in range(5):
        ctx.progress(step, 5)
        ctx.log("step", n=step)
        await ctx.checkpoint(step)
    return n


LOOKING_PROGRAM = """
import sqlite3, sys
file = sqlite3.connect(sys.argv[1])
print(file.execute("SELECT count(*) FROM job").fetchone()[0])
file.close()  # the last connection of all would fold up the log and delete it
"""


def looked_at_from_outside(database: Path) -> int:
    """Somebody with a shell counts the jobs and leaves; how many there were."""
    program = [sys.executable, "-c", LOOKING_PROGRAM, str(database)]
    return int(subprocess.run(program, stdout=subprocess.PIPE, check=True).stdout)


async def test_nothing_in_this_process_drops_the_locks_of_the_file(database: Path) -> None:
    """A descriptor of the database that is opened and closed beside SQLite's drops its locks, and
    the next shell that closes it would delete the log under the supervisor: we open none. (R57)
    """
    log = Path(f"{database}-wal")
    async with Supervisor(database, jobs=[report]) as supervisor:
        await (await supervisor.submit(report, 1)).result()
        with pytest.raises(DatabaseOwned):
            await Supervisor(database, owner_wait=0).start()
        before = log.stat()
        assert looked_at_from_outside(database) == 1
        assert log.exists()
        assert log.stat().st_ino == before.st_ino
        assert await (await supervisor.submit(report, 2)).result() == 2
    assert looked_at_from_outside(database) == 2


async def test_a_hundred_jobs_at_once_never_see_a_locked_database(database: Path) -> None:
    """A hundred jobs that report and save while another connection writes and reads all the time:
    everything is completed, nobody meets “database is locked”. (R52, R55)
    """
    over = threading.Event()
    transactions = 0

    def disturb() -> None:
        nonlocal transactions
        with closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as other:
            while not over.is_set():
                other.execute("BEGIN IMMEDIATE")
                other.execute("UPDATE meta SET value = value")
                other.execute("COMMIT")
                other.execute("SELECT count(*) FROM job").fetchall()
                transactions += 1

    async with Supervisor(database, jobs=[report], concurrency=100) as supervisor:
        disturbing = asyncio.create_task(asyncio.to_thread(disturb))
        try:
            handles = await supervisor.submit_many(report.call(n) for n in range(300))
            outcomes = await asyncio.gather(*(handle.wait() for handle in handles))
        finally:
            over.set()
            await disturbing
        assert {outcome.answer for outcome in outcomes} == {"completed"}
        assert {outcome.attempts for outcome in outcomes} == {1}
        figures = supervisor.figures
        assert (figures.events["degraded"], figures.restarts) == (0, 0)
        assert len(await supervisor.jobs(status=Status.COMPLETED, limit=1000)) == 300
    assert transactions > 10
