"""Signals to real processes: interrupted, stopped and continued, killed by a job."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.crash.children import Child
from tests.storage.checkers import check_everything
from tests.storage.driving import read_ledger, read_rows

from overseen_storage.errors import DatabaseOwned
from overseen_storage.lifecycle import Reason, Status
from overseen_storage.records import JobRecord
from overseen_storage.sqlite.store import SqliteStore


async def rows_of(database: Path) -> dict[int, JobRecord]:
    """The rows of a database nobody owns, after a look at whether they make sense."""
    store = SqliteStore(database, owner_wait_seconds=0)
    await store.open(at=1, pid=1, host="witness", version="0")
    try:
        rows = await read_rows(store)
        check_everything(rows, await read_ledger(store))
        return rows
    finally:
        await store.close(at=None)


async def test_ctrl_c_leaves_no_running_row(tmp_path: Path) -> None:
    """Ctrl-C in `asyncio.run` stops in order: the job is pending again, at no cost. (R59, R64)"""
    database = tmp_path / "jobs.db"
    with Child("household.py", "run_long", database) as child:
        child.hear_word("running")
        child.signal(signal.SIGINT)
        assert child.wait() == -signal.SIGINT
    row = (await rows_of(database))[1]

    assert (row.status, row.reason) == (Status.PENDING, Reason.SHUTDOWN)
    assert (row.interruptions, row.losses, row.failures) == (1, 0, 0)


async def test_a_poison_job_ends_after_its_losses(tmp_path: Path) -> None:
    """A job that kills its process at each start fails as `lost` once its budget of losses is
    spent, and the process lives. (R21, R22)"""
    database = tmp_path / "jobs.db"
    for _ in range(3):
        with Child("household.py", "swallow_poison", database) as child:
            child.hear_word("poisoned")
            assert child.wait() == -signal.SIGKILL
    with Child("household.py", "swallow_poison", database) as child:
        assert child.hear() == ["outcome", "failed", "lost", "3"]
        assert child.wait() == 0
    row = (await rows_of(database))[1]
    assert (row.losses, row.failures, row.losses_allowed) == (3, 0, 2)


async def test_a_stopped_process_loses_no_job(tmp_path: Path) -> None:
    """A process that is stopped for longer than a heartbeat (SIGSTOP, SIGCONT) fails nobody: the
    silence was not the job's. (R25)"""
    with Child("household.py", "beat", tmp_path / "jobs.db") as child:
        child.hear_word("beating")
        child.signal(signal.SIGSTOP)
        assert child.is_silent(0.8), "it is stopped"
        child.signal(signal.SIGCONT)
        assert child.hear() == ["outcome", "completed", "None", "1"]
        assert child.wait() == 0


async def test_a_second_owner_is_told_of_the_first(tmp_path: Path) -> None:
    """Another process that opens an owned database gets an error with the owner's pid, host and
    since when; it gets the database as soon as the first is dead."""
    database = tmp_path / "jobs.db"
    with Child("household.py", "own", database) as first:
        pid = first.hear_word("owns")[1]
        store = SqliteStore(database, owner_wait_seconds=0)
        with pytest.raises(DatabaseOwned, match=rf"process {pid} on host '.+' since \d{{4}}-"):
            await store.open(at=1, pid=1, host="second", version="0")
        first.signal(signal.SIGKILL)
        first.wait()
        await store.open(at=1, pid=1, host="second", version="0")
        await store.close(at=None)


async def test_a_second_owner_waits_for_the_first(tmp_path: Path) -> None:
    """A program that is started while the former one stops waits for it, and then has its turn."""
    database = tmp_path / "jobs.db"
    with Child("household.py", "own", database) as first:
        first.hear_word("owns")
        with Child("household.py", "own", database) as second:
            assert second.is_silent(0.3), "it waits for the first"
            first.tell("stop")
            assert first.wait() == 0
            assert second.hear_word("owns") == ["owns", str(second.pid)]
            second.tell("stop")
            assert second.wait() == 0


async def test_a_thread_that_hangs_does_not_hold_up_the_exit(tmp_path: Path) -> None:
    """A plain function that never returns is named as stuck and the process can end; its row is
    running then, never called cancelled. (R61, R63)"""
    database = tmp_path / "jobs.db"
    with Child("household.py", "hang", database) as child:
        child.hear_word("hanging")
        child.tell("stop")
        assert child.hear() == ["stuck", "1"]
        assert child.wait() == 0
    assert (await rows_of(database))[1].status is Status.RUNNING


async def test_a_disk_without_space_is_survived(tmp_path: Path) -> None:
    """When the file cannot grow any more, submits fail as `Degraded` by `DiskFull`, a running
    body's result is kept, and all goes on once there is space; nothing acknowledged is lost.
    (R54, R56)"""
    with Child("household.py", "fill", tmp_path / "jobs.db", 400_000) as child:
        assert child.hear_word("degraded")[1] == "True"
        assert child.hear_word("result") == ["result", "done"]
        recovered = child.hear_word("recovered")
        assert recovered[1] == "False"
        assert child.hear_word("counts")[1:] == [recovered[2], "0"]
        assert child.wait() == 0
