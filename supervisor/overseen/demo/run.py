"""The demo as a whole: prepare, work until everything has an outcome or somebody stops it, report.

What is prepared (files found and planted, an old database removed) is prepared before the event
loop runs; from then on whatever waits for a disk does so in a job, or in the store.
"""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from rich.console import Console

from overseen._version import __version__
from overseen.demo.corpus import Corpus, default_roots, find, gather
from overseen.demo.counts import Counts
from overseen.demo.interrupts import INTERRUPTED, Interrupts
from overseen.demo.jobs import QUESTIONS, Shared, calls_for
from overseen.demo.place import Place, cache_folder, check, default_place, remove
from overseen.demo.report import Run, summarize, words, words_of_interruption
from overseen.demo.screen import Screen, open_screen
from overseen.jobs import Call
from overseen.supervisor import Supervisor
from overseen_actors.clock import SystemClock
from overseen_storage.records import JobRecord
from overseen_storage.sqlite.owner import OwnerLock, record_of_this_process

CALLS_PER_SUBMIT = 5_000
RECORDS_PER_PAGE = 500
WORKERS = 2
"""One parses while another reads. More would only wait: the parser holds Python's own lock."""
FRAME_SECONDS = 0.1
USED_WRONGLY = 2
UNCUT = 10_000
"""The width of a file, where nothing need be shortened."""


class PrintOptions(TypedDict):
    """How rich prints a text as it is."""

    markup: bool
    highlight: bool
    soft_wrap: bool


PLAIN: PrintOptions = {"markup": False, "highlight": False, "soft_wrap": True}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    path: Path | None = None
    """The folder or file to ask about; None: Python's library and what is installed beside it."""
    jobs: int = 2_000
    """How many jobs, at most."""
    database: Path | None = None
    """Where to keep them; None: in the user's cache folder."""
    fresh: bool = False
    """Whether to forget what was done before."""


@dataclass(frozen=True, slots=True)
class Worked:
    """What one run has done."""

    counts: Counts
    """How far it came."""
    records: list[JobRecord]
    """The jobs of this demo; read only when all of them have an outcome."""
    run: Run
    """How it went."""


def run(asked: Asked) -> int:
    """Run the demo and return its exit code: 0 when every job has an outcome, whatever it is."""
    roots = default_roots() if asked.path is None else (asked.path.resolve(),)
    place = place_for(asked, roots)
    errors = Console(stderr=True)
    errors.print(f"Looking for Python files under {', '.join(map(str, roots))}", **PLAIN)
    found = find(roots)
    if not found:
        errors.print(f"overseen: there is no Python file under {asked.path}", **PLAIN)
        return USED_WRONGLY
    corpus = prepare(asked, place, found)
    errors.print(words_of_corpus(corpus), **PLAIN)
    return report(do(place, list(calls_for(corpus, asked.jobs)), errors), Console())


def do(place: Place, calls: Sequence[Call[object]], errors: Console) -> Worked:
    """Run the event loop for as long as the work takes."""
    screen = open_screen(errors)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd in other people's files is not our news
            return asyncio.run(work(place, calls, screen))
    finally:
        screen.close()


def place_for(asked: Asked, roots: Iterable[Path]) -> Place:
    """Where this demo keeps its database."""
    if asked.database is not None:
        return Place(asked.database.resolve())
    label = "python" if asked.path is None else asked.path.resolve().name
    return default_place(label, roots, cache_folder(os.environ))


def prepare(asked: Asked, place: Place, found: Sequence[Path]) -> Corpus:
    """Choose the files and plant a few, after removing what `--fresh` says is to be forgotten."""
    check(place)
    place.database.parent.mkdir(parents=True, exist_ok=True)
    if asked.fresh:
        begin_afresh(place)
    return gather(found, place.planted, -(-asked.jobs // len(QUESTIONS)))


def words_of_corpus(corpus: Corpus) -> str:
    """What is going to be asked about."""
    return (
        f"{corpus.found:,} files found. {len(QUESTIONS)} questions about {len(corpus.files):,} of "
        f"them, {len(corpus.broken)} planted broken and {len(corpus.flaky)} planted flaky ones "
        "included"
    )


def begin_afresh(place: Place) -> None:
    """Remove an earlier demo, unless somebody works on it at this moment."""
    if not place.database.exists():
        return
    myself = record_of_this_process(since=SystemClock().wall_us(), version=__version__)
    lock = OwnerLock.acquire(place.database, myself)
    try:
        remove(place)
    finally:
        lock.release()


async def work(place: Place, calls: Sequence[Call[object]], screen: Screen) -> Worked:
    """Submit everything and follow it, until every job has an outcome or Ctrl-C stops it."""
    interrupts = Interrupts(screen.say, lambda: leave_at_once(screen))
    supervisor = Supervisor(
        place.database, jobs=QUESTIONS, concurrency=WORKERS, threads=WORKERS, state=Shared()
    )
    with interrupts.listening():
        await supervisor.start()
        try:
            return await working(supervisor, place, calls, screen, interrupts)
        finally:
            await stop(supervisor, interrupts)


async def working(
    supervisor: Supervisor,
    place: Place,
    calls: Sequence[Call[object]],
    screen: Screen,
    interrupts: Interrupts,
) -> Worked:
    """What happens from start to stop."""
    now = asyncio.get_running_loop().time
    began = now()
    counts = Counts(await submit(supervisor, calls))
    counting = asyncio.create_task(count(supervisor, counts))
    drawing = asyncio.create_task(draw(screen, counts))
    told_to_stop = asyncio.create_task(interrupts.draining.wait())
    tasks = {counting, drawing, told_to_stop}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if drawing.done():
            drawing.result()  # it never ends but by a fault
        seconds = now() - began
        records = await read(supervisor, counts) if counts.all_ended else []
        await stop(supervisor, interrupts)  # ends the feed, and with it the counting
        await counting
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    screen.show(counts, counts.ended_now / seconds if seconds > 0 else 0.0)
    return Worked(counts, records, Run(place.database, counts.ended_before, seconds))


async def submit(supervisor: Supervisor, calls: Sequence[Call[object]]) -> list[int]:
    """Submit in groups that fit; returns the jobs' ids, also of those that were there already."""
    jobs: list[int] = []
    for start in range(0, len(calls), CALLS_PER_SUBMIT):
        handles = await supervisor.submit_many(calls[start : start + CALLS_PER_SUBMIT])
        jobs += [handle.id for handle in handles]
    return jobs


async def count(supervisor: Supervisor, counts: Counts) -> None:
    """Take every event there ever was and then each as it comes, until nothing can come."""
    async for event in supervisor.events(after="start"):
        counts.follow(event)
        if counts.all_ended:
            return


async def draw(screen: Screen, counts: Counts) -> None:
    """Show some times a second how far it is."""
    now = asyncio.get_running_loop().time
    began = now()
    while True:
        await asyncio.sleep(FRAME_SECONDS)
        screen.show(counts, counts.ended_now / (now() - began))


def leave_at_once(screen: Screen) -> None:
    """End this process now. What is committed is committed; the next run goes on with the rest."""
    screen.close()
    os._exit(INTERRUPTED)


async def read(supervisor: Supervisor, counts: Counts) -> list[JobRecord]:
    """Read the jobs of this demo, a page at a time."""
    records: list[JobRecord] = []
    before: int | None = None
    while page := await supervisor.jobs(before_id=before, limit=RECORDS_PER_PAGE):
        records += (record for record in page if record.id in counts)
        before = page[-1].id
    return records


async def stop(supervisor: Supervisor, interrupts: Interrupts) -> None:
    """Let what runs end, or tell it to when somebody presses Ctrl-C again."""
    stopping = asyncio.create_task(supervisor.stop())
    pressed = asyncio.create_task(interrupts.cancelling.wait())
    await asyncio.wait({stopping, pressed}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()  # hurries a stop that is under way; one that is done does not mind
    pressed.cancel()
    await asyncio.wait({stopping, pressed})
    if not stopping.cancelled():
        stopping.result()


def report(worked: Worked, out: Console) -> int:
    """Print the summary and return the exit code."""
    done = worked.counts.all_ended
    width = out.width if out.is_terminal else UNCUT
    lines = (
        words(summarize(worked.records), worked.run, width)
        if done
        else words_of_interruption(worked.counts, worked.run)
    )
    for line in lines:
        out.print(line, **PLAIN)
    return 0 if done else INTERRUPTED
