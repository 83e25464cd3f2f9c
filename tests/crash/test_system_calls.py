"""kill -9 at every write, sync and rename of a history: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.crash.acknowledged import Acknowledged, find, recover
from tests.crash.nursery import Nursery
from tests.crash.points import FULL, QUIET_SECONDS, Point, Stage, paths_of, points, sample, tell
from tests.crash.tracing import Tracer, needs_strace

POINTS = 24  # unless all are wanted
AT_ONCE = 2

pytestmark = [needs_strace, pytest.mark.timeout(3_600 if FULL else 120)]


def die(nursery: Nursery, point: Point, folder: Path) -> tuple[Path, Acknowledged]:
    """Kill the history at one point."""
    database, told = point.stage.begin(folder)
    with (
        nursery.child(point.stage.program, database, "full", QUIET_SECONDS) as child,
        Tracer(
            child.pid,
            folder.with_suffix(".log"),
            paths=paths_of(point.group, database),
            fault=point.fault("signal=KILL"),
        ),
    ):
        child.go()
        for words in child.lines():
            told.hear(words)
    return database, told


async def kill_at(nursery: Nursery, chosen: Sequence[Point], folder: Path) -> Counter[str]:
    """Kill at each of these points; look at each database; let a supervisor go on with it."""
    tally: Counter[str] = Counter()
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, point: Point) -> None:
        async with turns:
            database, told = await asyncio.to_thread(die, nursery, point, folder / str(number))
            assert not told.over, f"it was not killed at {point}"
            try:
                found = await find(database)
                told.check(found)
                told.check(await recover(database, found))
            except Exception as error:
                error.add_note(f"killed at {point}; {database}")
                raise
            shutil.rmtree(database.parent)
            tally["kills"] += 1
            tally["acknowledged"] += told.count
            tally[point.call] += 1

    async with asyncio.TaskGroup() as group:
        for number, point in enumerate(chosen):
            group.create_task(one(number, point))
    return tally


async def test_nothing_is_lost_by_a_kill_at_any_system_call(
    nursery: Nursery, stages: Sequence[Stage], tmp_path: Path
) -> None:
    """Killed before any write, sync, truncation or rename of a short history (migration, submit,
    upload, claim, end, batch, cancel; then prune): what was acknowledged is there, rows, ledger,
    batches and files make sense, and a supervisor goes on with it. (I17, I19, I20, R11)"""
    every = points(stages)
    chosen = sample(every, POINTS)
    tally = await kill_at(nursery, chosen, tmp_path)
    tell(f"{tally['kills']} kills at {len(every)} points, 0 lost: {dict(tally)}")
    assert tally["kills"] == len(chosen)
    assert tally["acknowledged"] > tally["kills"], "it was killed at work"
