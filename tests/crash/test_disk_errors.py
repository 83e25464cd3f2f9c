"""EIO and ENOSPC at every write, sync and rename of a history: what is told is true."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.crash.acknowledged import Acknowledged, Found, find, recover
from tests.crash.nursery import Nursery
from tests.crash.points import FULL, Point, Stage, paths_of, points, sample, tell
from tests.crash.tracing import WRITES, Tracer, needs_strace
from tests.storage.checkers import ensure

from overseen_storage.lifecycle import EventType

POINTS = 6  # of each kind of error, evenly, unless all are wanted
AT_ONCE = 12  # they mostly wait for the supervisor to look at its disk again
SWEEP_SECONDS = "0.05"  # a sweep that failed comes again

pytestmark = [needs_strace, pytest.mark.timeout(3_600 if FULL else 120)]


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error of the disk, at one point."""

    point: Point
    error: str
    for_ever: bool
    """That call and all after it; else that one. In both cases until the program notices: strace
    counts by thread, so each new connection would meet it anew."""

    def __str__(self) -> str:
        return f"{self.error} at {self.point}{'+' if self.for_ever else ''}"


def live_through(nursery: Nursery, trouble: Trouble, folder: Path) -> tuple[Path, Acknowledged]:
    """Let the history run into the trouble; when it has noticed, the disk works again."""
    point = trouble.point
    database, told = point.stage.begin(folder)
    with (
        nursery.child(point.stage.program, database, "full", SWEEP_SECONDS) as child,
        Tracer(
            child.pid,
            folder.with_suffix(".log"),
            paths=paths_of(point.group, database),
            fault=point.fault(f"error={trouble.error}", for_ever=trouble.for_ever),
        ) as tracer,
    ):
        child.go()
        noticed = False
        for words in child.lines():
            told.hear(words)
            if words[0] in NOTICES and not noticed:
                tracer.detach()
                noticed = True
            if words[0] in ("refused", "unknown"):
                child.go()
    return database, told


NOTICES = ("refused", "unknown", "degraded", "sweep")


def check_declared(told: Acknowledged, found: Found) -> None:
    """A failure that callers were told of is on the ledger, with its end."""
    types = Counter(event.type for event in found.ledger)
    ensure("what was declared has ended", types[EventType.DEGRADED] == types[EventType.RECOVERED])
    ensure("what was declared is on the ledger", types[EventType.RECOVERED] == told.declared, told)


async def fail_at(nursery: Nursery, troubles: Sequence[Trouble], folder: Path) -> Counter[str]:
    """Fail at each of these points; the history comes to its end, and nothing it was told is
    wrong."""
    tally: Counter[str] = Counter()
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, trouble: Trouble) -> None:
        async with turns:
            place = folder / str(number)
            try:
                database, told = await asyncio.to_thread(live_through, nursery, trouble, place)
                assert told.over, f"it did not come to its end: {told.faults}"
                found = await find(database)
                told.check(found)
                check_declared(told, found)
                ensure("everything could be written in the end", told.unwritten == (), told)
                told.check(await recover(database, found))
            except Exception as error:
                error.add_note(f"{trouble}; {place}")
                raise
            tally["errors"] += 1
            tally[trouble.error] += 1
            tally["acknowledged"] += told.count
            tally["declared"] += told.declared
            for how, *_ in told.faults:
                tally[how] += 1
            shutil.rmtree(place)

    async with asyncio.TaskGroup() as group:
        for number, trouble in enumerate(troubles):
            group.create_task(one(number, trouble))
    return tally


def every_trouble(stages: Sequence[Stage]) -> Iterator[tuple[str, bool, list[Point]]]:
    """Both errors, of one call and of all from there on, and where each can happen."""
    for for_ever in (False, True):
        yield "EIO", for_ever, points(stages)
        yield "ENOSPC", for_ever, points(stages, WRITES)


async def test_nothing_told_is_wrong_when_a_system_call_fails(
    nursery: Nursery, stages: Sequence[Stage], tmp_path: Path
) -> None:
    """Whichever write, sync, truncation or rename of a short history fails: nothing that was
    acknowledged is missing and nothing that was refused is there, the failure is declared, and all
    goes on by itself when the disk works again. (I17, I19, R7, R54, R56)"""
    chosen = [
        Trouble(point, error, for_ever)
        for error, for_ever, of in every_trouble(stages)
        for point in sample(of, POINTS)
    ]
    tally = await fail_at(nursery, chosen, tmp_path)
    tell(f"{len(chosen)} errors, 0 lost: {dict(tally)}")
    assert tally["errors"] == len(chosen)
    assert tally["declared"], "a supervisor noticed"
    assert tally["refused"], "callers were told"
