"""One history: faults first, then none, and everything must come to its end in bounded time."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.sim.book import Violation
from tests.sim.checks import check_disk, check_last
from tests.sim.disk import Disk
from tests.sim.dropping import close_files_below, collect, collecting_between
from tests.sim.faults import harm
from tests.sim.healing import heal
from tests.sim.judging import check_judgements
from tests.sim.legend import ledger_text
from tests.sim.options import Ending, LifeEnd, Options
from tests.sim.reference import reference
from tests.sim.watching import WATCHING
from tests.sim.workload import JOB_ACTIONS, Client
from tests.sim.workload_again import be_idle, repeat_once, retry_upload, submit_rejecting
from tests.sim.workload_batches import BATCH_ACTIONS, everything
from tests.sim.world import Life, World
from tests.sim.zombies import report_late

from overseen import SupervisorError, SupervisorFailed
from overseen_actors.virtual import without_collecting_garbage
from overseen_storage.errors import StoreError

ACTIONS: dict[Callable[[Client], Awaitable[None]], int] = {
    **JOB_ACTIONS,
    **BATCH_ACTIONS,
    **WATCHING,
    report_late: 4,
    repeat_once: 3,
    submit_rejecting: 3,
    be_idle: 2,
    retry_upload: 2,
}


PLAIN_ACTIONS: dict[Callable[[Client], Awaitable[None]], int] = {everything: 1}
"""Of a client who does the same in every history."""

COLLECT_EACH = 5
"""Histories between two looks for garbage."""


@dataclass(frozen=True, slots=True)
class Record:
    """What came of a history."""

    options: Options
    violations: tuple[Violation, ...]
    counts: Counter[str]
    """Crashes, faults, requests."""
    sometimes: Counter[str]
    digest: str
    simulated_seconds: float
    steps: int
    commits_of_lives: tuple[int, ...]
    legend: str
    """What happened, for a person; only where something is wrong or it was asked for."""

    @property
    def seed(self) -> int:
        """From which everything was drawn."""
        return self.options.seed


def play_all(histories: Iterable[Options], *, trace: bool = False) -> Iterator[Record]:
    """Run one history after the other."""
    with collecting_between():
        for number, options in enumerate(histories, 1):
            yield play(options, trace=trace)
            if number % COLLECT_EACH == 0:
                collect()


def play(options: Options, *, trace: bool = False, legend: bool = False) -> Record:
    """Run a history. The same options give the same record, in every process."""
    with (
        without_collecting_garbage(),
        tempfile.TemporaryDirectory(prefix="overseen-sim-", dir=_fast_place()) as folder,
    ):
        world = World(Path(folder), options, trace=trace)
        disk = _play(world)
        close_files_below(Path(folder))
    book = world.book
    book.sometimes.read_events(disk.events)
    wanted = legend or bool(book.violations)
    return Record(
        options=options,
        violations=tuple(book.violations),
        counts=book.counts,
        sometimes=book.sometimes.counts,
        digest=world.digest(disk),
        simulated_seconds=world.simulated_seconds,
        steps=world.steps,
        commits_of_lives=tuple(world.commits),
        legend=f"{world.legend.text()}\n{ledger_text(disk.events)}" if wanted else "",
    )


def _play(world: World) -> Disk:
    options = world.options
    before: Disk | None = None
    if not options.reference:
        for index, end in enumerate(options.lives):
            last = index == len(options.lives) - 1
            main = _troubled_and_healed if last and options.heals_in_place else _troubled
            life = world.live(end, main)
            before = _look(world, life, before)
            if last and options.heals_in_place and not life.killed:
                return _end(world, before)
    life = world.live(LifeEnd(Ending.STOP), reference if options.reference else heal)
    return _end(world, _look(world, life, before))


def _look(world: World, life: Life, before: Disk | None) -> Disk:
    was_running = life.phase != "starting"
    disk = check_disk(world.book, world.look_at_disk(), before, was_running=was_running)
    check_judgements(world.book, disk, world.options)
    return disk


def _end(world: World, disk: Disk) -> Disk:
    check_last(world.book, disk, world.options.sweep_interval)
    return disk


async def _troubled(life: Life) -> None:
    if await _start(life):
        await _act(life)
        await _stop(life)


async def _troubled_and_healed(life: Life) -> None:
    if await _start(life):
        await _act(life)
    await heal(life)


async def _start(life: Life) -> bool:
    """Start while things go wrong: then it may be refused."""
    life.harm = asyncio.get_running_loop().create_task(harm(life), name="harm")
    try:
        await life.supervisor.start()
    except (StoreError, RuntimeError) as error:
        life.say("world", f"it does not start: {type(error).__name__}")
        life.book.sometimes.reach("a start failed for the disk")
        await _end_harm(life)
        return False
    recovered = life.supervisor.recovered
    life.book.sometimes.reach_if(recovered.jobs, "a start found live rows of a dead life")
    life.phase = "running"
    return True


async def _act(life: Life) -> None:
    clients = [Client(life, number) for number in range(1, life.world.options.clients + 1)]
    actions = PLAIN_ACTIONS if life.world.options.cancels is not None else ACTIONS
    work = [asyncio.create_task(one.run(actions), name=one.name) for one in clients]
    await asyncio.wait(work)
    for task in work:
        if not task.cancelled():
            task.result()
    _read_figures(life)
    await _end_harm(life)


def _read_figures(life: Life) -> None:
    try:
        figures = life.supervisor.figures
    except SupervisorError:
        return  # it has given up, or is between two starts
    life.book.sometimes.reach_if(figures.restarts, "an actor was restarted")
    life.book.sometimes.reach_if(figures.degraded, "the store was degraded")


async def _end_harm(life: Life) -> None:
    """Nothing more goes wrong; subscribers see what comes."""
    if life.harm is not None:
        life.harm.cancel()
        await asyncio.wait([life.harm])
    life.disk.heal()


async def _stop(life: Life) -> None:
    life.phase = "stopping"
    life.witness.stop_asked_at = life.loop.time()
    try:
        report = await life.supervisor.stop()
        life.say("world", f"stopped: {report}")
        life.book.sometimes.reach_if(report.stuck, "a stop left bodies stuck")
    except SupervisorFailed as error:
        life.say("world", f"it had given up: {error.__cause__!r}")
        life.book.sometimes.reach("the supervisor gave up")
    for task in life.background:
        task.cancel()
    if life.background:
        await asyncio.wait(life.background)


@cache
def _fast_place() -> Path | None:
    """Where databases of histories lie: in memory, if the system has such a place."""
    shared = Path("/dev/shm")
    return shared if shared.is_dir() else None
