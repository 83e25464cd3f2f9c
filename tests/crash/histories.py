"""Short histories that touch everything a disk can fail at. They run in processes of their own,
say what they were told over a wire, and are killed, or their disk fails.

Lines (what follows the word is an acknowledgement: from then on it must be on the disk):
``opened``, ``submitted ID NUMBER``, ``completed ID VALUE``, ``failed ID``, ``cancelled ID``,
``drafted ID``, ``attached ID NAME DIGEST``, ``released ID``, ``batch ID``, ``sealed ID``,
``summed ID COMPLETED FAILED``, ``pruning`` (what completed may go from here on), ``pruned``,
``stopped UNWRITTEN...``.

And of failures: ``refused WHAT ERROR`` (not stored), ``unknown WHAT ERROR``, after each of which
the program waits for a word; ``degraded``, ``recovered``, ``sweep`` (one failed), ``unclosed``.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from itertools import count
from typing import Any, Final, TypeVar

from overseen import Context, Degraded, Job, OverseenError, Retention, Supervisor, job
from overseen.attachments import AttachmentError
from overseen.attachments.draft_errors import AttachmentExists, NotADraft
from overseen.batches.batch import Batch
from overseen.batches.errors import BatchSealed
from overseen.errors import OutcomeUnknown
from overseen_storage.records import Event

T = TypeVar("T")

CONTENT: Final = bytes(range(256)) * 20  # ten sectors of 512 bytes
KEEP_ALL: Final = Retention(completed=None, failed=None, cancelled=None)
KEEP_FAILURES: Final = Retention(completed=0, failed=None, cancelled=None)


class Wire:
    """The child's end: lines go out unbuffered, and words come in."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._heard = b""

    def say(self, *words: object) -> None:
        """One line, at once: what is said before the kill is heard after it."""
        os.write(self._descriptor, (" ".join(map(str, words)) + "\n").encode())

    def await_word(self) -> str:
        """Stand still until the other end says something; what it said, "" at its end."""
        while b"\n" not in self._heard:
            more = os.read(self._descriptor, 64)
            if not more:
                return ""
            self._heard += more
        word, _, self._heard = self._heard.partition(b"\n")
        return word.decode()


class Logged(logging.Handler):
    """Says what the supervisor logs of its disk."""

    WORDS: Final = {
        "store.degraded": "degraded",
        "store.recovered": "recovered",
        "sweep.failed": "sweep",
        "store.close_failed": "unclosed",
    }

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire
        self.swept = asyncio.Event()
        """A sweep has pruned something, or failed, perhaps after it had pruned it."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line, if it is one of those."""
        said = record.getMessage()
        if said in ("jobs.pruned", "sweep.failed"):
            self.swept.set()
        if said in self.WORDS:
            self.wire.say(self.WORDS[said])


@job(losses=1_000)
async def add(number: int) -> int:
    """The number tells jobs apart, also those that were never acknowledged."""
    return number


@job(losses=1_000)
async def fail(number: int) -> int:
    raise ValueError(f"number {number}")


@job(attachments=("input",), losses=1_000)
async def measure(ctx: Context, number: int) -> int:
    async with ctx.attachments["input"].open() as reader:
        return len(await reader.read(1 << 20))


@job(losses=1_000)
async def last_until_told(ctx: Context, number: int) -> int:
    """Runs until its program sets the event."""
    ctx.state.running()
    await ctx.state.told.wait()
    return number


JOBS: list[Job[..., Any]] = [add, fail, measure, last_until_told]


class Author:
    """Does one thing after the other, again if the disk refuses it, and says what it was told."""

    def __init__(
        self,
        wire: Wire,
        database: str,
        synchronous: str,
        sweep_seconds: str,
        *,
        first_number: int = 1,
    ) -> None:
        self.wire = wire
        self._database = database
        self._full = synchronous == "full"
        self._sweep_seconds = float(sweep_seconds)
        self._numbers = count(first_number)
        self._recovered = asyncio.Event()
        self.told = asyncio.Event()
        """What `last_until_told` waits for."""
        self.logged = Logged(wire)
        logger = logging.getLogger("overseen")
        logger.setLevel(logging.INFO)
        logger.addHandler(self.logged)
        self.supervisor = self._make(KEEP_ALL)

    def _make(self, retention: Retention) -> Supervisor:
        supervisor = Supervisor(
            self._database,
            jobs=JOBS,
            synchronous="full" if self._full else "normal",
            sweep_interval=self._sweep_seconds,
            retention=retention,
            drain_timeout=0.1,
            cancel_timeout=0.1,
            state=self,
        )
        supervisor.on("recovered")(self._note_recovery)
        return supervisor

    def _note_recovery(self, _: Event) -> None:
        self._recovered.set()

    def running(self) -> None:
        """A body has begun that lasts."""
        self.wire.say("running")

    async def insist(self, what: str, step: Callable[[], Awaitable[T]]) -> T:
        """Do it; when the disk refuses, say so, wait until it works, do it again."""
        while True:
            self._recovered.clear()
            try:
                return await step()
            except OutcomeUnknown as error:
                await self._refused("unknown", what, error)
            except (AttachmentExists, NotADraft, BatchSealed):
                raise
            except OverseenError as error:
                await self._refused("refused", what, error)

    async def _refused(self, how: str, what: str, error: OverseenError) -> None:
        self.wire.say(how, what, type(error).__name__)
        self.wire.await_word()
        if not isinstance(error, AttachmentError) and self._is_degraded():
            await self._recovered.wait()

    def _is_degraded(self) -> bool:
        try:
            return self.supervisor.degraded
        except OverseenError:  # it could not be started
            return False

    async def start(self, retention: Retention = KEEP_ALL) -> None:
        """Begin a life."""
        self.supervisor = self._make(retention)
        await self.insist("start", self.supervisor.start)
        self.wire.say("opened")

    async def stop(self) -> None:
        """End it."""
        report = await self.supervisor.stop()
        self.wire.say("stopped", *report.unwritten)

    async def submit(self, job: Job[[int], int]) -> int:
        """Submit one; its id. A number that was refused is never used again."""
        while True:
            number = next(self._numbers)
            call = job.options(idempotency_key=f"number {number}")
            try:
                handle = await self.supervisor.submit(call, number)
            except Degraded as error:
                await self._refused("refused", f"submit-{number}", error)
            except OutcomeUnknown as error:
                await self._refused("unknown", f"submit-{number}", error)
                return await self._submit_again(call, number)
            else:
                self.wire.say("submitted", handle.id, number)
                return handle.id

    async def _submit_again(self, call: Job[[int], int], number: int) -> int:
        """Its key says whether it is there."""
        handle = await self.insist("again", lambda: self.supervisor.submit(call, number))
        self.wire.say("submitted", handle.id, number)
        return handle.id

    async def submit_once(self) -> None:
        """Submit one, and say what came of it."""
        number = next(self._numbers)
        try:
            handle = await self.supervisor.submit(add, number)
        except OverseenError as error:
            how = "unknown" if isinstance(error, OutcomeUnknown) else "refused"
            cause = type(error.__cause__).__name__
            self.wire.say(how, f"submit-{number}", type(error).__name__, cause)
        else:
            self.wire.say("submitted", handle.id, number)

    async def see_end(self, job_id: int) -> None:
        """Wait for its outcome."""
        outcome = await self.insist("wait", self.supervisor.handle(job_id).wait)
        answer = str(outcome.answer)
        self.wire.say(answer, job_id, *([outcome.value] if answer == "completed" else []))

    async def upload(self) -> int:
        """A job with a file."""
        number = next(self._numbers)
        draft = await self.insist("draft", self.supervisor.draft(measure, number).begin)
        self.wire.say("drafted", draft.id)
        with contextlib.suppress(AttachmentExists):  # one whose outcome was unknown came through
            await self.insist("attach", lambda: draft.attach("input", CONTENT))
        self.wire.say("attached", draft.id, "input", hashlib.sha256(CONTENT).hexdigest())
        with contextlib.suppress(NotADraft):
            await self.insist("release", draft.release)
        self.wire.say("released", draft.id)
        return draft.id

    async def run_batch(self) -> None:
        """A batch of two, one of which fails."""
        supervisor = self.supervisor
        batch = await self.insist("open-batch", supervisor.batch("pair").open)
        self.wire.say("batch", batch.id)
        members = [await self._add_member(batch, member) for member in (add, fail)]
        with contextlib.suppress(BatchSealed):
            await self.insist("seal", batch.seal)
        self.wire.say("sealed", batch.id)
        summary = await self.insist("summary", batch.summary)
        self.wire.say("summed", batch.id, summary.completed, summary.failed)
        for job_id in members:
            await self.see_end(job_id)

    async def _add_member(self, batch: Batch, job: Job[[int], int]) -> int:
        number = next(self._numbers)
        call = job.options(idempotency_key=f"number {number}")
        handle = await self.insist("member", lambda: batch.submit(call, number))
        self.wire.say("submitted", handle.id, number)
        return handle.id

    async def see_pruned(self) -> None:
        """Wait until what completed is gone."""
        swept, left = self.logged.swept, True
        while left:
            await swept.wait()
            swept.clear()
            page = await self.insist("page", lambda: self.supervisor.jobs(status="completed"))
            left = bool(page)

    async def cancel_later(self) -> None:
        """A job of tomorrow, and its cancelling."""
        job_id = await self.submit(add.options(delay="1d"))
        await self.insist("cancel", self.supervisor.handle(job_id).cancel)
        self.wire.say("cancelled", job_id)


async def first_life(author: Author) -> None:
    """Create the database, bring jobs of every sort to their ends."""
    await author.start()
    await author.see_end(await author.submit(add))
    await author.see_end(await author.upload())
    await author.run_batch()
    await author.cancel_later()
    await author.stop()


async def second_life(author: Author) -> None:
    """Its first sweep prunes what completed; one more job, and the end."""
    author.wire.say("pruning")
    await author.start(KEEP_FAILURES)
    await author.see_pruned()
    author.wire.say("pruned")
    await author.see_end(await author.submit(fail))
    await author.stop()


async def first(wire: Wire, *options: str) -> None:
    """One life, on no database."""
    await first_life(Author(wire, *options))


async def second(wire: Wire, *options: str) -> None:
    """The next one, on what the first has left."""
    author = Author(wire, *options, first_number=100)
    await second_life(author)


async def both(wire: Wire, *options: str) -> None:
    """One life after the other, in one process."""
    author = Author(wire, *options)
    await first_life(author)
    await second_life(author)


async def stay(wire: Wire, *options: str) -> None:
    """Own the database, start a job that lasts, and do what is asked for."""
    author = Author(wire, *options)
    await author.start()
    running = await author.submit(last_until_told)
    while (word := await asyncio.to_thread(wire.await_word)) not in ("stop", ""):
        if word == "submit":
            await author.submit_once()
        elif word == "end":
            author.told.set()
        elif word == "see":
            await author.see_end(running)
    await author.stop()


PROGRAMS: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    program.__name__: program for program in (first, second, both, stay)
}
