"""One simulated computer: a database file, a wall clock, and programs that live one after another.

Each life is the real supervisor on the real SQLite store, on a virtual loop of its own. A crash
drops everything that was in memory and leaves the files as SQLite left them at that moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from random import Random
from traceback import format_exception
from typing import Any, cast

from tests.sim.bodies import ALL_KINDS
from tests.sim.book import Book
from tests.sim.disk import Disk, read_disk
from tests.sim.dropping import quietly
from tests.sim.failing_disk import FailingDisk, Killed
from tests.sim.legend import Legend
from tests.sim.options import Ending, LifeEnd, Options
from tests.sim.template import put_template
from tests.sim.witness import NARROW, Witness

from overseen import Job, OverseenError, Retention, Supervisor
from overseen.running import Running
from overseen_actors import LoopClock, VirtualLoop
from overseen_actors.errors import VirtualTimeError
from overseen_actors.virtual import START_SECONDS
from overseen_storage.sqlite.store import SqliteStore

STEPS_MAX = 400_000
"""Callbacks of one life: some hundred times what an ordinary one takes."""
LIFE_SECONDS_MAX = 6 * 3_600.0
WALL_START_US = 1_800_000_000_000_000
LEAVE_SECONDS = 100
"""Virtual seconds in which all tasks have to end once the program has."""
OFF_SECONDS_MAX = 100.0
SUFFIXES = ("", "-wal", ".owner")
"""Files of a database that a crash leaves as they are."""
Main = Callable[["Life"], Coroutine[Any, Any, None]]


@dataclass
class Life:
    """One life of the program."""

    number: int
    world: World
    loop: VirtualLoop
    clock: LoopClock
    disk: FailingDisk
    witness: Witness
    supervisor: Supervisor
    stores: list[SqliteStore]
    phase: str = "starting"
    restarting: bool = False
    harm: asyncio.Task[None] | None = None
    background: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    killed: bool = False

    @property
    def book(self) -> Book:
        """What is known of the whole history."""
        return self.world.book

    def say(self, who: str, what: str) -> None:
        """Write into the legend; what is being dropped has no voice."""
        if self.witness.dead:
            return
        self.world.legend.say(self.number, self.loop.time() - START_SECONDS, who, what)

    def draw(self, name: str) -> Random:
        """A stream of random numbers of this name and life."""
        return Random(f"{self.world.options.seed}/{self.number}/{name}")


class World:
    """A computer that is switched off and on again."""

    def __init__(self, folder: Path, options: Options, *, trace: bool = False) -> None:
        self.options = options
        self.legend = Legend()
        self.book = Book(self.legend)
        self.database = folder / "jobs.db"
        self.lives = 0
        self.simulated_seconds = 0.0
        self.steps = 0
        self.commits: list[int] = []
        """Of each life."""
        self._wall_us = WALL_START_US
        self._digest = blake2b(digest_size=16) if trace else None
        put_template(self.database)

    def digest(self, disk: Disk) -> str:
        """A hash of everything that happened: of each callback, if it was traced."""
        digest = self._digest.copy() if self._digest is not None else blake2b(digest_size=16)
        told = f"{self.legend.text()}{disk.events}{list(disk.rows.values())}"
        digest.update(told.replace(str(self.database), "jobs.db").encode())
        return digest.hexdigest()

    # A life

    def live(self, end: LifeEnd, main: Main) -> Life:
        """Run one life to its end."""
        life = self._begin(end)
        loop, book = life.loop, self.book
        try:
            with self._without_warnings():
                loop.run_until_complete(loop.create_task(main(life), name="the program"))
                self._leave(life)
        except Killed:
            life.killed = True
            life.say("world", f"killed while {life.phase}, by {end}")
            self._note_crash(life, end)
        except VirtualTimeError as error:
            book.broken("L5 neither deadlock nor livelock", str(error))
        except Exception as error:  # whatever it is, it is evidence
            book.broken("R3 no error nobody expects", "".join(format_exception(error))[-1_500:])
        finally:
            self._switch_off(life)
        return life

    @contextlib.contextmanager
    def _without_warnings(self) -> Generator[None]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        for one in caught:
            self.book.broken("R3 no warning", f"{one.category.__name__}: {one.message}")

    def _begin(self, end: LifeEnd) -> Life:
        self.lives += 1
        options, number = self.options, self.lives
        hook = self._step_hook(end)
        loop = VirtualLoop(
            seed=f"{options.seed}/{number}",
            schedule=options.schedule,
            step_cost_seconds=options.step_cost_seconds,
            timer_slack_seconds=options.timer_slack_seconds,
            trace=self._trace if self._digest is not None else None,
            before_step=hook,
            step_limit=STEPS_MAX,
            time_limit_seconds=LIFE_SECONDS_MAX,
        )
        if isinstance(hook, _StepCounter):
            hook.loop = loop
        disk = FailingDisk(Random(f"{options.seed}/{number}/disk"), options.latency_seconds)
        if end.ending in (Ending.BEFORE_COMMIT, Ending.AFTER_COMMIT):
            disk.at_each_commit = partial(_crash_at_commit, loop, disk, end)
        if end.ending is Ending.MOMENT:
            loop.call_later(end.number, loop.crash, Killed())
        clock = LoopClock(loop, self._wall_us)
        witness = Witness(self.book, options, number)
        stores: list[SqliteStore] = []
        supervisor = self._supervisor(clock, disk, witness, stores)
        witness.stamp_now = partial(_stamp_now, supervisor)
        life = Life(number, self, loop, clock, disk, witness, supervisor, stores)
        loop.set_exception_handler(partial(self._note_unhandled, life))
        life.say("world", f"life {number} begins, to end by {end}")
        return life

    def _known_kinds(self) -> list[Job[..., Any]]:
        """The second life may be that of a program which lacks a kind, if it is not to heal."""
        options, number = self.options, self.lives
        heals = number > len(options.lives) - options.heals_in_place
        forgotten = options.forgets if number == 2 and not heals else None
        return [one for one in ALL_KINDS if one.kind != forgotten]

    def _step_hook(self, end: LifeEnd) -> _StepCounter | _Canceller | None:
        cancels = self.options.cancels
        if cancels is not None and self.lives == 1:
            return _Canceller(*cancels, self.book.counts)
        return _StepCounter(end.number) if end.ending is Ending.STEP else None

    def _supervisor(
        self, clock: LoopClock, disk: FailingDisk, witness: Witness, stores: list[SqliteStore]
    ) -> Supervisor:
        options = self.options

        def store() -> SqliteStore:
            made = SqliteStore(
                self.database, synchronous="normal", connector=disk, owner_wait_seconds=0
            )
            stores.append(made)
            return made

        return Supervisor(
            store,
            jobs=self._known_kinds(),
            concurrency=options.concurrency,
            queues={NARROW: options.narrow_limit},
            sweep_interval=options.sweep_interval,
            drain_timeout=options.drain_timeout,
            cancel_timeout=options.cancel_timeout,
            draft_timeout=options.draft_timeout,
            mailbox_limit=options.mailbox_limit,
            recent_outcomes=options.recent_outcomes,
            retention=Retention(
                completed=options.keeps_seconds,
                failed=options.keeps_seconds,
                cancelled=options.keeps_seconds,
            ),
            state=witness,
            clock=clock,
            random=Random(f"{options.seed}/{self.lives}/supervisor").random,
        )

    def _note_crash(self, life: Life, end: LifeEnd) -> None:
        sometimes = self.book.sometimes
        self.book.counts["crashes"] += 1
        names = {
            Ending.BEFORE_COMMIT: "a crash before a commit",
            Ending.AFTER_COMMIT: "a crash after a commit",
            Ending.STEP: "a crash between two callbacks",
            Ending.MOMENT: "a crash at a moment",
        }
        sometimes.reach(names[end.ending])
        sometimes.reach_if(life.phase == "starting", "a crash while starting")
        sometimes.reach_if(life.phase == "stopping", "a crash while stopping")

    def _trace(self, at_ns: int, task: int, name: str) -> None:
        assert self._digest is not None
        self._digest.update(f"{at_ns} {task} {name}\n".encode())

    def _note_unhandled(
        self, life: Life, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]
    ) -> None:
        if life.witness.dead or life.killed:
            return  # whatever is dropped now is not the program's doing
        what = f"{context.get('message')} {context.get('exception')!r}"
        self.book.broken("R3 nothing is left unhandled", what)

    # Its end

    def _leave(self, life: Life) -> None:
        """The program has ended: only bodies that are stuck may still be there."""
        left = self._tasks_left(life)
        if left and not life.witness.alive:
            names = sorted(f"{task.get_name()} {task.get_coro()!r}"[:60] for task in left)
            self.book.broken("L4 a stop leaves no task", f"{names}")

    def _tasks_left(self, life: Life) -> set[asyncio.Task[Any]]:
        """What still runs a while later: a disk that was slow may have work in its queue."""
        left = asyncio.all_tasks(life.loop)
        for _ in range(LEAVE_SECONDS):
            if not left:
                break
            life.loop.run_until_complete(asyncio.sleep(1.0))
            left = asyncio.all_tasks(life.loop)
        return left

    def _switch_off(self, life: Life) -> None:
        """Power off: what is on disk stays as it is, all else is gone."""
        life.witness.dead = True
        life.disk.die()
        image = {suffix: _bytes(self.database, suffix) for suffix in SUFFIXES if life.killed}
        with quietly():
            life.disk.drop()
            life.loop.abandon()
            for store in life.stores:
                _give_up(store)
        for suffix, content in image.items():
            _restore(self.database, suffix, content)
        self._forget_shared_memory()
        off_us = round(life.draw("off").uniform(0, OFF_SECONDS_MAX) * 1e6)
        self._wall_us = life.clock.wall_us() + off_us
        self.simulated_seconds += life.loop.time() - START_SECONDS
        self.steps += life.loop.steps
        self.commits.append(life.disk.commits)

    def _forget_shared_memory(self) -> None:
        Path(f"{self.database}-shm").unlink(missing_ok=True)

    def look_at_disk(self) -> Disk:
        """Read the disk while nothing runs, and leave it as it was."""
        disk = read_disk(self.database)
        self._forget_shared_memory()
        return disk


def _stamp_now(supervisor: Supervisor) -> int | None:
    """What a stamp would be now."""
    try:
        running: Running = cast(Any, supervisor)._asking().running
    except OverseenError:
        return None
    return running.stamper.now()


class _StepCounter:
    """Kills the process before its n-th callback."""

    def __init__(self, number: int) -> None:
        self._left = number
        self.loop: VirtualLoop | None = None

    def __call__(self, _task: asyncio.Task[Any] | None) -> None:
        self._left -= 1
        if self._left == 0 and self.loop is not None:
            self.loop.crash(Killed())


class _Canceller:
    """Cancels the task that is about to take the n-th step of all tasks of some name."""

    def __init__(self, name: str, number: int, counts: Counter[str]) -> None:
        self._name = name
        self._counts = counts
        self._left = number
        self._begun: set[str] = set()

    def __call__(self, task: asyncio.Task[Any] | None) -> None:
        if task is None or not task.get_name().startswith(self._name):
            return
        name = task.get_name()
        if name not in self._begun:
            self._begun.add(name)  # before its first step it is nowhere yet
            return
        self._left -= 1
        if self._left == 0:
            self._counts["cancelled by the world"] += 1
            task.cancel()


def _crash_at_commit(
    loop: VirtualLoop, disk: FailingDisk, end: LifeEnd, number: int, done: bool
) -> None:
    if number == end.number and done is (end.ending is Ending.AFTER_COMMIT):
        loop.crash(Killed())
        disk.die()


def _bytes(database: Path, suffix: str) -> bytes | None:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"{database}{suffix}").read_bytes()
    return None


def _restore(database: Path, suffix: str, content: bytes | None) -> None:
    path = Path(f"{database}{suffix}")
    if content is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(content)


def _give_up(store: SqliteStore) -> None:
    """The operating system closes the lock of a process that is gone.

    Nothing is awaited in there any more, so it needs no loop.
    """
    closing = store.close(at=None)
    with contextlib.suppress(StopIteration, Killed, Exception):
        closing.send(None)
    with contextlib.suppress(RuntimeError):
        closing.close()
    store.release_owner()
