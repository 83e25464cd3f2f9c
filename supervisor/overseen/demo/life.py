"""One life of the supervisor, in a process of its own: it can be killed, and another one goes on.

It opens the batch and fills it, or finds it, and works until the batch is finalized, or it is told
to stop, or it dies.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import warnings
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from overseen.__main__ import CONFLICT, FAILED, refuse
from overseen.attachments.draft_errors import AttachmentExists
from overseen.batches.batch import Batch
from overseen.demo import listing
from overseen.demo.jobs import JOBS, UPLOADED, Shared, calls_for, inventory
from overseen.demo.messages import Acknowledged, Halfway, Orders, Shown, Told, encoded
from overseen.demo.place import Place
from overseen.errors import KeyConflict
from overseen.jobs import Call
from overseen.settings import Retention
from overseen.supervisor import Supervisor
from overseen_storage.errors import DatabaseOwned, OverseenError
from overseen_storage.lifecycle import TERMINAL

NAME = "demo"
CALLS_PER_SUBMIT = 5_000
JOBS_PER_PAGE = 1_000
WORKERS = 2
"""One parses while another reads. More would only wait: the parser holds Python's own lock."""
FRAME_SECONDS = 0.1
FOR_EVER = Retention(completed=None, failed=None, cancelled=None)
TO_BE_KILLED = "--to-be-killed"

Tell = Callable[[Told], Awaitable[None]]


async def live(place: Place, questions: Path, orders: Orders, tell: Tell, *, doomed: bool) -> None:
    """Work until the batch is finalized or something is ordered.

    `doomed`: tell when half of what is left is done, and do not end before one is killed.
    """
    supervisor = Supervisor(
        place.database,
        jobs=JOBS,
        concurrency=WORKERS,
        threads=WORKERS,
        retention=FOR_EVER,
        state=Shared(),
    )
    await supervisor.start()
    try:
        working = asyncio.create_task(work(supervisor, questions, tell, doomed=doomed))
        ordered = asyncio.create_task(orders.draining.wait())
        await asyncio.wait({working, ordered}, return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        ordered.cancel()
        await asyncio.wait({working, ordered})
        if not working.cancelled():
            working.result()
    finally:
        await stop(supervisor, orders)


async def work(supervisor: Supervisor, questions: Path, tell: Tell, *, doomed: bool) -> None:
    """Have the batch, show it until it is finalized, and tell when half is done."""
    batch = await the_batch(supervisor, questions, tell)
    if doomed and not (await batch.progress()).over:
        async with asyncio.TaskGroup() as group:
            group.create_task(show(batch, tell))
            group.create_task(await_the_kill(batch, tell))
    else:
        await show(batch, tell)


async def the_batch(supervisor: Supervisor, questions: Path, tell: Tell) -> Batch:
    """Find the batch of these questions, or open it; what is missing of it is submitted."""
    labels = {"questions": questions.stem}
    known = await supervisor.batches(labels=labels, limit=1)
    if not known:
        batch = await supervisor.batch(NAME, labels=labels).open()
    else:
        batch = supervisor.find_batch(known[0].id)
        if known[0].sealed_at is not None:
            return batch
    await upload(batch, questions, tell)
    elsewhere = await keys_elsewhere(supervisor, batch)
    calls = calls_for(listing.read(questions))
    await submit(batch, [call for call in calls if key_of(call) not in elsewhere], tell)
    await batch.seal()
    return batch


async def upload(batch: Batch, questions: Path, tell: Tell) -> None:
    """Give the batch its draft: a job that cannot run before its file is on disk."""
    counting = inventory.options(idempotency_key=f"{inventory.kind} {questions.stem}")
    with suppress(KeyConflict):  # an earlier life released it
        async with batch.draft(counting) as draft:
            with suppress(AttachmentExists):  # one died between the file and the release
                await draft.attach(UPLOADED, questions)
        await tell(Acknowledged([draft.id]))


async def keys_elsewhere(supervisor: Supervisor, batch: Batch) -> set[str | None]:
    """Which questions are asked by jobs of other batches, for no job is in two."""
    keys: set[str | None] = set()
    before: int | None = None
    while page := await supervisor.jobs(before_id=before, limit=JOBS_PER_PAGE):
        keys.update(record.idempotency_key for record in page if record.batch_id != batch.id)
        before = page[-1].id
    return keys


def key_of(call: Call[object]) -> str | None:
    """The key that tells one question about one file from all others."""
    return call.job.overrides.idempotency_key


async def submit(batch: Batch, calls: Sequence[Call[object]], tell: Tell) -> None:
    """Submit the questions, in groups that fit; what is there already is not submitted twice."""
    for start in range(0, len(calls), CALLS_PER_SUBMIT):
        handles = await batch.submit_many(calls[start : start + CALLS_PER_SUBMIT])
        await tell(Acknowledged([handle.id for handle in handles if handle.created]))


async def show(batch: Batch, tell: Tell) -> None:
    """Tell some times a second how far it is, until it is finalized."""
    async for progress in batch.watch(every=FRAME_SECONDS):
        await tell(Shown(progress))


async def await_the_kill(batch: Batch, tell: Tell) -> None:
    """Tell the moment when half of what is left has ended, and wait for what follows."""
    progress = await batch.progress()
    left_then = (progress.total - progress.ended) // 2
    ended = 0
    async for event in batch.events(after="start"):
        ended += event.job_id is not None and event.status in TERMINAL
        if progress.total - ended <= left_then:
            break
    await tell(Halfway())
    await asyncio.get_running_loop().create_future()


async def stop(supervisor: Supervisor, orders: Orders) -> None:
    """Let what runs end, or tell it to when that is ordered."""
    stopping = asyncio.create_task(supervisor.stop())
    ordered = asyncio.create_task(orders.cancelling.wait())
    await asyncio.wait({stopping, ordered}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()  # hurries a stop that is under way; one that is done does not mind
    ordered.cancel()
    await asyncio.wait({stopping, ordered})
    if not stopping.cancelled():
        stopping.result()


async def live_by_pipes(place: Place, questions: Path, *, doomed: bool) -> None:
    """Live, with orders from stdin and what there is to tell on stdout."""
    orders, loop = Orders(), asyncio.get_running_loop()

    def listen() -> None:
        for order in iter(lambda: os.read(0, 100), b""):
            for word in order.decode().split():
                loop.call_soon_threadsafe(orders.take, word)
        os._exit(FAILED)  # whoever watched is gone; what is committed is committed

    threading.Thread(target=listen, daemon=True).start()
    await live(place, questions, orders, tell_by_stdout, doomed=doomed)


async def tell_by_stdout(told: Told) -> None:
    """Write one line; in a thread, for a reader that stands still must not stop the loop."""
    await asyncio.to_thread(write, encoded(told))


def write(line: bytes) -> None:
    """Write one line to stdout; if nobody reads any more, the end of stdin says so too."""
    with suppress(BrokenPipeError):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def main(arguments: Sequence[str]) -> int:
    """Run one life: ``life.py DATABASE QUESTIONS [--to-be-killed]``."""
    database, questions, *rest = arguments
    warnings.simplefilter("ignore")  # what is odd in other people's files is not our news
    doomed = TO_BE_KILLED in rest
    try:
        asyncio.run(live_by_pipes(Place(Path(database)), Path(questions), doomed=doomed))
    except DatabaseOwned as error:
        return refuse(str(error), CONFLICT)
    except OverseenError as error:
        return refuse(str(error), FAILED)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
