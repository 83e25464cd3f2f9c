"""A program that is killed when the last member of its batch has ended, and its end is not frozen.

    python batch_left.py DATABASE MEMBERS

Its finalizer is slow: it says ``due BATCH`` and does not come to it.
"""

from __future__ import annotations

import asyncio
import sys

from overseen import BatchSummary, Supervisor, job
from overseen.batches.finalizing import Finalizer


@job
async def document(page: int) -> int:
    return page


@job
async def report(summary: BatchSummary) -> str:
    return f"{summary.completed} of {summary.total}"


def say(*words: object) -> None:
    """One line, at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def held_up(finalizer: Finalizer, batch_id: int) -> None:
    """In the place of the finalizer's work."""
    say("due", batch_id)
    await asyncio.Event().wait()


async def main(database: str, members: int) -> None:
    setattr(Finalizer, "_finalize", held_up)  # noqa: B010  (it is private)
    async with Supervisor(database, jobs=[document, report]) as supervisor:
        async with supervisor.batch("folder", on_finish=report) as batch:
            await batch.submit_many(document.call(page) for page in range(members))
        await batch.summary()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
