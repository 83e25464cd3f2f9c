"""A folder of documents as a batch: it ends though the worker is idle, or its process was killed.

    python examples/batch_folder.py

The incident behind it: a batch was summed up only when a worker pulled the *next* job, so the last
batch of the day waited for ever. Here the end of a batch is a condition and not an event, "sealed,
and no member is open", which is looked at when a member ends, by a sweep, at every start, and when
somebody asks. So this example lets no sweep come and submits nothing more; and then it does the
same in a process that kills itself (kill -9) the moment the last document is counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from overseen import (
    Batch,
    BatchSummary,
    Context,
    Event,
    MemberResult,
    Supervisor,
    batch_summary,
    job,
)

DOCUMENTS = 40
WORDS = "the quick brown fox jumps over the lazy dog"


@job
def count_words(ctx: Context, path: str) -> int:
    """Count the words of a document; an empty one gives a warning, one that is no text fails. It
    reads files, so it is a plain function: it runs in a thread."""
    words = Path(path).read_text(encoding="utf-8").split()
    if not words:
        ctx.warn(f"{Path(path).name} is empty")
    return len(words)


@batch_summary
async def words_in_all(ctx: Context, results: AsyncIterator[MemberResult]) -> int:
    """Add up what the documents had: a job that is submitted when the batch has ended."""
    return sum([one.value async for one in results if one.status == "completed"])


@job
async def report(summary: BatchSummary) -> str:
    """Another one: gets the frozen summary, once, whoever noticed the end."""
    return f"{summary.completed} of {summary.total} documents were counted"


def make_supervisor(database: Path) -> Supervisor:
    return Supervisor(database, jobs=[count_words, words_in_all, report], sweep_interval="1h")


async def fill(supervisor: Supervisor, documents: list[Path]) -> Batch:
    """One job for each document. The batch is open while the block runs, sealed when it ends."""
    async with supervisor.batch("folder", on_finish=report, aggregate=words_in_all) as batch:
        for path in documents:
            await batch.submit(count_words, str(path))
    return batch


async def watch(supervisor: Supervisor, batch: Batch) -> None:
    """Look on, without asking for anything, until the batch has ended; then show what came of
    it."""
    events = [event async for event in batch.events()]
    documents = [event for event in events if event.job_id is not None]
    waited_ms = (events[-1].at - documents[-1].at) / 1_000
    print(f"  {events[-1].type} {waited_ms:.1f} ms after the last document")
    summary = await batch.summary()
    print(f"  {summary.status}: {summary.completed} completed, {summary.failed} failed")
    for group in summary.failures:
        print(f"  {group.count} x {group.error_type}, the first was job {group.first_job_id}")
    print(f"  {summary.warnings} warnings, {await batch.aggregate(words_in_all)} words in all")
    calls = [row.id for row in await supervisor.jobs(job=report)]
    said = [await supervisor.handle(job_id, report).result() for job_id in calls]
    print(f"  called {len(said)} time(s): {said[0]}")


async def idle(database: Path, documents: list[Path]) -> None:
    async with make_supervisor(database) as supervisor:
        await watch(supervisor, await fill(supervisor, documents))


async def killed(database: Path, documents: list[Path]) -> None:
    """The same, in a process that does not live to see the end."""
    supervisor = make_supervisor(database)
    counted: set[int | None] = set()

    @supervisor.on("completed", "failed")
    async def die(event: Event) -> None:
        counted.add(event.job_id)
        if len(counted) == DOCUMENTS:
            os.kill(os.getpid(), signal.SIGKILL)

    async with supervisor:
        await (await fill(supervisor, documents)).summary()
        await asyncio.Event().wait()  # the hook is called after the commit: it comes


async def restarted(database: Path) -> None:
    """The next process: nobody asks, nothing is submitted."""
    async with make_supervisor(database) as supervisor:
        await watch(supervisor, supervisor.find_batch(1))


def show_file(database: Path) -> None:
    """What is on disk, with nothing of overseen in between."""
    question = "SELECT status, completed + failed, total FROM batch_status"
    with contextlib.closing(sqlite3.connect(database)) as file:
        status, ended, total = file.execute(question).fetchone()
    print(f"  the file says: {ended} of {total} documents have ended, the batch is {status}")


def write_documents(folder: Path) -> list[Path]:
    for number in range(DOCUMENTS):
        (folder / f"{number:02}.txt").write_text(f"{WORDS} {number}", encoding="utf-8")
    (folder / "07.txt").write_text("", encoding="utf-8")
    (folder / "23.txt").write_bytes(b"\xff\xfe is not text")
    return documents_in(folder)


def documents_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.txt"))


def main(folder: Path) -> None:
    documents = write_documents(folder)
    print("the worker is idle: no sweep, nothing more to pull, nobody asks")
    asyncio.run(idle(folder / "idle.db", documents))
    print("the process is killed when the last document is counted, and restarted")
    database = folder / "killed.db"
    child = subprocess.run([sys.executable, __file__, "killed", str(database)], check=False)
    print(f"  the process ended with {child.returncode}")
    show_file(database)
    asyncio.run(restarted(database))


if __name__ == "__main__":
    if sys.argv[1:2] == ["killed"]:
        database = Path(sys.argv[2])
        asyncio.run(killed(database, documents_in(database.parent)))
    else:
        with tempfile.TemporaryDirectory() as name:
            main(Path(name))
