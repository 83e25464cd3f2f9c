"""The questions as jobs: plain functions, so each reads and parses in a thread of its own. And one
job about the list of them, which is uploaded to it."""

from __future__ import annotations

import ast
import hashlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias, TypedDict

from overseen.context import Context
from overseen.demo import listing, questions
from overseen.demo.corpus import Corpus
from overseen.demo.listing import Entry
from overseen.demo.questions import Complexity, Definitions, Imports
from overseen.jobs import Call, Job, job
from overseen.registry import AnyJob
from overseen.retry_policy import Backoff

Question: TypeAlias = Job[[str, bool], object]

COMPLEXITY_TO_WARN_OF = 40
KEY_CHARACTERS_MAX = 400
UPLOADED = "questions.jsonl"


class ForAFile(TypedDict):
    """The options that the jobs of this demo share."""

    queue: str
    retries: int
    retry_on: type[OSError]
    backoff: Backoff


# A file that cannot be read now may be readable later; one with a syntax error stays as it is.
SHARED: ForAFile = {
    "queue": "files",
    "retries": 2,
    "retry_on": OSError,
    "backoff": Backoff(initial="500ms", maximum="5s"),
}


@job(**SHARED)
def definitions(ctx: Context, path: str, first_read_fails: bool) -> Definitions:
    """Count what the file defines."""
    return questions.definitions_of(parsed(ctx, path, first_read_fails))


@job(**SHARED)
def imports(ctx: Context, path: str, first_read_fails: bool) -> Imports:
    """List what the file imports."""
    return questions.imports_of(parsed(ctx, path, first_read_fails))


@job(**SHARED)
def complexity(ctx: Context, path: str, first_read_fails: bool) -> Complexity:
    """Measure how branched its functions are; warn of one that nobody can follow."""
    measured = questions.complexity_of(parsed(ctx, path, first_read_fails))
    if measured.highest > COMPLEXITY_TO_WARN_OF:
        ctx.warn(f"{measured.most_branched} has a complexity of {measured.highest}")
    return measured


QUESTIONS: tuple[Question, ...] = (definitions, imports, complexity)
"""Every question, in the order of asking."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the uploaded list adds up to."""

    questions: int
    """How many questions it holds."""
    files: int
    """About how many files."""
    size_bytes: int
    """How large those are together."""


@job(**SHARED, attachments=[UPLOADED])
def inventory(ctx: Context) -> Inventory:
    """Add up the list that was attached; it cannot run before it was."""
    entries = listing.read(ctx.attachments[UPLOADED].path)
    sizes = {entry.path: Path(entry.path).stat().st_size for entry in entries}
    return Inventory(len(entries), len(sizes), sum(sizes.values()))


JOBS: tuple[AnyJob, ...] = (*QUESTIONS, inventory)
"""Every job of the demo."""


class FirstReadFails(OSError):
    """What the demo lets happen once to the jobs of its flaky files."""


class Shared:
    """What the bodies share: ``Supervisor(state=Shared())`` hands it to them as ``ctx.state``."""

    def __init__(self) -> None:
        # CPython 3.11 counts the depth of parsing for all threads together: of 2,000 files parsed
        # by four threads, 16 failed with "SystemError: AST constructor recursion depth mismatch".
        # Nothing is lost by taking turns, for the parser holds Python's own lock anyway.
        self.parsing = threading.Lock()


def parsed(ctx: Context, path: str, first_read_fails: bool) -> ast.Module:
    """Read and parse the file; in a thread, so that waiting for the disk stops nobody else."""
    if first_read_fails and ctx.failures == 0:
        raise FirstReadFails("planted by the demo: the first attempt to read this file fails")
    source = Path(path).read_bytes()
    shared: Shared = ctx.state
    with shared.parsing:
        return questions.parse(source, Path(path).name)


def entries_for(corpus: Corpus, count: int) -> Iterator[Entry]:
    """One entry for each question about each file, `count` at most."""
    asked = ((question, path) for path in corpus.files for question in QUESTIONS)
    for question, path in islice(asked, count):
        yield Entry(question.kind, str(path), path in corpus.flaky)


def calls_for(entries: Iterable[Entry]) -> Iterator[Call[object]]:
    """One call for each entry of a list.

    Its idempotency key is the question and the file, so a second run submits nothing twice.
    """
    by_kind = {question.kind: question for question in QUESTIONS}
    for entry in entries:
        key = key_for(entry.kind, entry.path)
        asking = by_kind[entry.kind].options(idempotency_key=key)
        yield asking.call(entry.path, entry.first_read_fails)


def key_for(kind: str, path: str) -> str:
    """The name of one question about one file; long paths are cut and told apart by a digest."""
    key = f"{kind} {path}"
    if len(key) <= KEY_CHARACTERS_MAX:
        return key
    digest = hashlib.blake2b(path.encode(), digest_size=16).hexdigest()
    return f"{key[:KEY_CHARACTERS_MAX]} {digest}"
