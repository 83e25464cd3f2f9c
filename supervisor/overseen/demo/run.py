"""The demo as a whole: prepare, have the work done, report what the database then says."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from overseen._version import __version__
from overseen.demo import listing
from overseen.demo.corpus import Corpus, default_roots, find, gather
from overseen.demo.evidence import Evidence, gather_evidence
from overseen.demo.interrupts import INTERRUPTED
from overseen.demo.jobs import QUESTIONS, entries_for
from overseen.demo.parent import Course, supervise
from overseen.demo.place import Place, cache_folder, check, default_place, remove
from overseen.demo.report import words, words_of_interruption
from overseen.demo.screen import Screen
from overseen_actors.clock import SystemClock
from overseen_storage.sqlite.owner import OwnerLock, record_of_this_process

FAILED, USED_WRONGLY = 1, 2
UPLOADS = 1
UNCUT = 10_000
"""The width of a file, where nothing need be shortened."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    path: Path | None = None
    """The folder or file to ask about; None: Python's library and what is installed beside it."""
    jobs: int = 2_000
    """How many jobs, at most: the upload and the questions."""
    database: Path | None = None
    """Where to keep them; None: in the user's cache folder."""
    fresh: bool = False
    """Whether to forget what was done before."""


def run(asked: Asked) -> int:
    """Run the demo and return its exit code: 0 when every job has an outcome, whatever it is."""
    roots = default_roots() if asked.path is None else (asked.path.resolve(),)
    place = place_for(asked, roots)
    screen = Screen(sys.stderr)
    screen.say(f"Looking for Python files under {', '.join(map(str, roots))}")
    found = find(roots)
    if not found:
        screen.say(f"overseen: there is no Python file under {asked.path}")
        return USED_WRONGLY
    corpus = prepare(asked, place, found)
    questions = listing.write(place.planted, entries_for(corpus, asked.jobs - UPLOADS))
    screen.say(words_of_corpus(corpus))
    try:
        course = asyncio.run(supervise(place, questions, screen))
    finally:
        screen.close()
    return report(
        course, place, gather_evidence(place.database, questions.stem, course.acknowledged), screen
    )


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
        f"{corpus.found:,} files found. One batch: {len(QUESTIONS)} questions about "
        f"{len(corpus.files):,} of them, {len(corpus.broken)} planted broken and "
        f"{len(corpus.flaky)} planted flaky ones included, and the upload of that list"
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


def report(course: Course, place: Place, evidence: Evidence | None, screen: Screen) -> int:
    """Print what there is to say and return the exit code."""
    if evidence is not None and evidence.summary is not None:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else UNCUT
        summary = evidence.summary
        print_all(words(evidence, summary, place.database, width, was_over=course.was_over))
        return FAILED if evidence.lost or evidence.twice else 0
    if course.interrupted:
        print_all(words_of_interruption(evidence, place.database))
        return INTERRUPTED
    if course.code < 0:
        screen.say(
            f"overseen: the process that worked was ended by signal {-course.code}. Nothing that "
            "was acknowledged is lost: the same command goes on"
        )
    return max(course.code, FAILED)


def print_all(lines: Iterable[str]) -> None:
    """Print each on stdout."""
    sys.stdout.writelines(f"{line}\n" for line in lines)
