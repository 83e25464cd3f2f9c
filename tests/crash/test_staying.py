"""A disk that stops working under a running job, and files that change under their owner."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.crash.acknowledged import Acknowledged, find, recover
from tests.crash.nursery import Forked, Nursery
from tests.crash.points import DATABASE, QUIET_SECONDS, paths_of
from tests.crash.tracing import SYNCS, WRITES, Fault, Tracer, needs_strace

from overseen_storage.lifecycle import EventType, Status

ERRORS = {
    "write_eio": Fault(WRITES, "error=EIO", ""),
    "write_full": Fault(WRITES, "error=ENOSPC", ""),
    "write_read_only": Fault(WRITES, "error=EROFS", ""),
    "sync_eio": Fault(SYNCS, "error=EIO", ""),
}


@contextmanager
def staying(nursery: Nursery, database: Path) -> Generator[tuple[Forked, Acknowledged]]:
    """A supervisor with one job that runs."""
    with nursery.child("stay", database, "full", QUIET_SECONDS) as child:
        child.go()
        told = Acknowledged()
        awaited = {"submitted", "running"}  # in any order
        while awaited:
            awaited.discard(hear_until(child, told, *awaited)[0])
        yield child, told


def hear_until(child: Forked, told: Acknowledged, *last: str) -> list[str]:
    """Listen until it says one of these words; that line."""
    for words in child.lines():
        told.hear(words)
        if words[0] in last:
            return words
    raise AssertionError(f"it ended before it said any of {last}")


def hear_out(child: Forked, told: Acknowledged) -> None:
    """Listen until its end."""
    for words in child.lines():
        told.hear(words)


def broken_disk(child: Forked, database: Path, error: str) -> Tracer:
    """From here on every such call of the process fails, as far as it is about its database."""
    return Tracer(
        child.pid,
        database.with_suffix(".log"),
        paths=paths_of("database", database),
        fault=ERRORS[error],
    )


@needs_strace
@pytest.mark.parametrize("error", ERRORS)
async def test_a_stop_on_a_broken_disk_names_what_is_unwritten(
    nursery: Nursery, tmp_path: Path, error: str
) -> None:
    """With a disk that takes nothing any more, a submit is refused, the state is declared, the
    running body comes to its end, the stop ends and names its job as unwritten; nothing refused is
    on the disk, and the next life runs the job again. (I17, R7, R54, R56)"""
    database = tmp_path / DATABASE

    def live() -> Acknowledged:
        with staying(nursery, database) as (child, told):
            with broken_disk(child, database, error):
                child.tell("submit")
                assert hear_until(child, told, "refused", "unknown")
                child.tell("end")
                child.tell("stop")
                hear_out(child, told)
            return told

    told = await asyncio.to_thread(live)
    assert told.over
    assert told.declared == 1
    assert told.unwritten == (1,)
    found = await find(database)
    told.check(found)
    assert found.rows[1].status is Status.RUNNING
    again = await recover(database, found)
    assert again.rows[1].losses == 1
    assert again.rows[1].status is Status.COMPLETED


@needs_strace
@pytest.mark.parametrize("error", ERRORS)
async def test_a_disk_that_works_again_gets_what_was_kept(
    nursery: Nursery, tmp_path: Path, error: str
) -> None:
    """What ended while the disk did not work is written once it does, also the failure itself; its
    caller has waited. (R7, R54, R56)"""
    database = tmp_path / DATABASE

    def live() -> Acknowledged:
        with staying(nursery, database) as (child, told):
            with broken_disk(child, database, error) as tracer:
                child.tell("submit")
                hear_until(child, told, "refused", "unknown")
                child.tell("end")
                child.tell("see")
                tracer.detach()
            hear_until(child, told, "completed")
            child.tell("submit")
            hear_until(child, told, "submitted")
            child.tell("stop")
            hear_out(child, told)
            return told

    told = await asyncio.to_thread(live)
    found = await find(database)
    told.check(found)
    assert told.unwritten == ()
    types = [event.type for event in found.ledger]
    assert types.count(EventType.DEGRADED) == types.count(EventType.RECOVERED) == 1
    assert found.rows[1].status is Status.COMPLETED
    assert found.rows[1].fence == 1, "it was not run again"
