"""Every system call of a history at which something can happen to it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copytree

from tests.crash.acknowledged import Acknowledged
from tests.crash.nursery import Nursery
from tests.crash.tracing import NAMES, SYNCS, WRITES, Call, Fault, Tracer

FULL = os.environ.get("OVERSEEN_CRASH") == "full"
"""Every point, every state: minutes instead of seconds."""

QUIET_SECONDS = "3600"  # between two sweeps: only the one at the start comes

DATABASE = "jobs.db"


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A program, the folder it begins with, and what was acknowledged before."""

    program: str
    begins_with: Path
    acknowledged: Acknowledged
    calls: tuple[tuple[str, str, int], ...]
    """Which system calls it makes: group of files, name, how many."""

    def begin(self, folder: Path) -> tuple[Path, Acknowledged]:
        """A copy of its folder as `folder`; the database in it, and what was acknowledged."""
        copytree(self.begins_with, folder)
        told = deepcopy(self.acknowledged)
        told.over = False
        return folder / DATABASE, told


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """The n-th of one system call, counted among the calls about one group of files."""

    stage: Stage
    group: str
    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.stage.program} {self.group} {self.call} {self.number}"

    def fault(self, what: str, *, for_ever: bool = False) -> Fault:
        """What shall happen there."""
        return Fault((self.call,), what, f"{self.number}{'+' if for_ever else ''}")


GROUPS = {
    "database": ("", "-wal", "-shm", "-journal"),
    "owner": (".owner",),
    "file": (".files/2-1-1", ".files/2-1-1.part"),
    "files": (".files",),
    "folder": ("/..",),
}
"""What the names of the files of each group end in, behind that of the database.

strace counts calls by thread. Of a group each call is made by one thread only.
"""


def paths_of(group: str, database: Path) -> list[Path]:
    """The files of a group."""
    return [Path(os.path.normpath(f"{database}{suffix}")) for suffix in GROUPS[group]]


def plan(nursery: Nursery, folder: Path) -> list[Stage]:
    """Live the two lives once, undisturbed, and count their system calls."""
    stages: list[Stage] = []
    told = Acknowledged()
    begins_with = folder / "nothing"
    begins_with.mkdir()
    for program in ("first", "second"):
        stage = Stage(program, begins_with, told, ())
        begins_with = folder / program
        told, calls = _live(nursery, stage, begins_with)
        stages.append(replace(stage, calls=calls))
    return stages


def _live(
    nursery: Nursery, stage: Stage, folder: Path
) -> tuple[Acknowledged, tuple[tuple[str, str, int], ...]]:
    database, told = stage.begin(folder)
    paths = [path for group in GROUPS for path in paths_of(group, database)]
    with (
        nursery.child(stage.program, database, "full", QUIET_SECONDS) as child,
        Tracer(child.pid, folder.with_suffix(".log"), paths=paths, options=["-y"]) as tracer,
    ):
        child.go()
        for words in child.lines():
            told.hear(words)
    assert told.over, f"{stage.program} did not come to its end"
    found: Counter[tuple[str, str, str]] = Counter()
    for call in tracer.calls():
        found[(_group_of(call, database), call.name, call.thread)] += 1
    by_kind = Counter((group, name) for group, name, _ in found)
    assert max(by_kind.values()) == 1, f"two threads make the same call: {found}"
    return told, tuple((group, name, count) for (group, name, _), count in sorted(found.items()))


def _group_of(call: Call, database: Path) -> str:
    for group in GROUPS:
        if call.path in map(str, paths_of(group, database)):
            return group
    raise AssertionError(f"{call} is about no file that is known")


def points(
    stages: Sequence[Stage], calls: Sequence[str] = (*WRITES, *SYNCS, *NAMES)
) -> list[Point]:
    """Every point of these stages, in their order."""
    return [
        Point(stage, group, call, number)
        for stage in stages
        for group, call, count in stage.calls
        if call in calls
        for number in range(1, count + 1)
    ]


def sample(of: Sequence[Point], count: int) -> list[Point]:
    """Some of them, evenly, the first of each kind among them; all of them if `FULL`."""
    if FULL:
        return list(of)
    kinds = {(point.stage.program, point.group, point.call): point for point in reversed(of)}
    evenly = of[:: max(len(of) // count, 1)]
    return list(dict.fromkeys([*evenly, *kinds.values()]))[: count + len(kinds)]


def tell(what: str) -> None:
    """What was done, for those who look (pytest -s)."""
    sys.stdout.write(f"{what}\n")
