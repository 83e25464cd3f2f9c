"""The power goes at any moment: what was acknowledged at FULL is there, and nothing is torn."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from tests.crash import recording
from tests.crash.acknowledged import Acknowledged, find, recover
from tests.crash.nursery import Nursery
from tests.crash.points import DATABASE, FULL, tell
from tests.crash.power_loss import Disk, Image, put
from tests.crash.recording import Said, Step
from tests.crash.tracing import Tracer, needs_strace
from tests.storage.checkers import Broken

from overseen_storage.sqlite.hop import InlineConnector

STATES = 240  # looked at of each history, unless all are wanted
TRIES = 14 if FULL else 3  # states that are made up at each step
RECOVERED_EVERY = 40  # so many states are only looked at before one is also gone on with
SWEEP_SECONDS = "0.01"  # so that checkpoints come in between

pytestmark = [needs_strace, pytest.mark.timeout(7_200 if FULL else 120)]


def record(nursery: Nursery, program: str, synchronous: str, folder: Path) -> list[Step]:
    """What a history does to its disk."""
    folder.mkdir()
    log = folder.with_suffix(".log")
    with (
        nursery.child(program, folder / DATABASE, synchronous, SWEEP_SECONDS) as child,
        Tracer(child.pid, log, calls=recording.CALLS, options=recording.OPTIONS),
    ):
        child.go()
        for _ in child.lines():
            pass
    steps = recording.read(log, folder)
    assert Said(("over",)) in steps
    return steps


def states(steps: Sequence[Step], random: Random) -> Iterator[tuple[Image, Acknowledged]]:
    """What the disk may hold before each step, and what had been acknowledged by then."""
    disk, told = Disk(), Acknowledged()
    for step in steps:
        if isinstance(step, Said):
            told.hear(list(step.words))
            continue
        yield disk.least(), told
        if not disk.is_safe:
            for _ in range(TRIES):
                yield disk.some(random), told
        disk.do(step)
    yield disk.least(), told


async def lose_power(steps: Sequence[Step], was: Path, every: int) -> Counter[str]:
    """Look at every n-th state: what is lost, what is broken."""
    tally: Counter[str] = Counter()
    for number, (image, told) in enumerate(states(steps, Random(7))):
        tally["states"] += 1
        if number % every:
            continue
        tally["looked at"] += 1
        with scratch() as folder:
            put(image, was, folder)
            try:
                await look(folder / DATABASE, told, go_on=not tally["looked at"] % RECOVERED_EVERY)
            except Broken as broken:
                if not str(broken).startswith("I17"):
                    raise
                tally["lost"] += 1
            except Exception as error:
                error.add_note(f"state {number}")
                raise
    return tally


async def look(database: Path, told: Acknowledged, *, go_on: bool) -> None:
    """Open what is left, and compare it with what was told."""
    found = await find(database, connector=InlineConnector())
    told.check(found)
    if go_on:
        told.check(await recover(database, found))


@contextmanager
def scratch() -> Generator[Path]:
    """A folder that costs no writes where there is a file system in memory."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(dir=memory))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def every_nth(steps: Sequence[Step], count: int) -> int:
    """Which states to look at to see about so many."""
    every = 1 if FULL else len(steps) * (1 + TRIES) // count
    return every if every % 2 or every == 1 else every + 1  # odd: all sorts of states come up


async def test_a_power_loss_takes_nothing_that_was_acknowledged(
    nursery: Nursery, tmp_path: Path
) -> None:
    """Whatever a disk kept of what was not synced when the power went, at any step of two lives
    with an upload and a pruning: the database opens, every row and file that was acknowledged is
    there, a row's file is whole, and nothing contradicts itself. (I17, I19, I20)"""
    folder = tmp_path / "full"
    steps = record(nursery, "both", "full", folder)
    tally = await lose_power(steps, folder, every_nth(steps, STATES))
    tell(f"power loss at FULL: {len(steps)} steps, {dict(tally)}")
    assert tally["looked at"] >= STATES // 2
    assert tally["lost"] == 0


async def test_the_control_at_normal_loses_something(nursery: Nursery, tmp_path: Path) -> None:
    """The same with `synchronous="normal"` does lose acknowledged jobs (so this test would see
    it), and still never leaves a database that contradicts itself. (I19, I20)"""
    folder = tmp_path / "normal"
    steps = record(nursery, "first", "normal", folder)
    tally = await lose_power(steps, folder, every_nth(steps, STATES // 3))
    tell(f"power loss at NORMAL: {len(steps)} steps, {dict(tally)}")
    assert tally["lost"] > 0
