"""A client of the supervisor, who gets one of three answers: ok, failed, unknown.

``failed`` promises that nothing of it happened; ``unknown`` promises nothing. Who confuses the two
either loses work or does it twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from tests.sim.book import Book
from tests.sim.disk import Disk
from tests.sim.failing_disk import PlantedBug
from tests.sim.world import Life

from overseen import Outcome, OutcomeUnknown, OverseenError, Status, SupervisorFailed
from overseen_storage.errors import CommitUnknown

T = TypeVar("T")


class Answer(StrEnum):
    """What a client knows afterwards."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """An answer, with what came with it."""

    answer: Answer
    value: T | None = None
    error: BaseException | None = None

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return self.answer is Answer.OK


async def ask(
    life: Life, who: str, what: str, request: Awaitable[T], patience: float
) -> Answered[T]:
    """Await a request, at most so long; write down how it was answered."""
    answered = await _answered(life, what, request, patience)
    if life.witness.dead:
        return answered  # it is being dropped: nobody hears this any more
    sometimes = life.book.sometimes
    sometimes.reach(f"a request was answered: {answered.answer}")
    sometimes.reach_if(isinstance(answered.error, TimeoutError), "a client gave up waiting")
    shown = f" {answered.value!r:.80}" if answered.value is not None else ""
    error = f" ({type(answered.error).__name__})" if answered.error is not None else ""
    life.say(who, f"{what}: {answered.answer}{shown}{error}")
    life.book.counts[f"requests {answered.answer}"] += 1
    return answered


async def _answered(life: Life, what: str, request: Awaitable[T], patience: float) -> Answered[T]:
    try:
        async with asyncio.timeout(patience):
            return Answered(Answer.OK, await request)
    except (OutcomeUnknown, SupervisorFailed, CommitUnknown, TimeoutError, PlantedBug) as error:
        return Answered(Answer.UNKNOWN, None, error)
    except OverseenError as error:
        return Answered(Answer.FAILED, None, error)
    except Exception as error:  # whatever it is, no client should see it
        if not life.witness.dead:
            life.book.broken("R3 clients get typed errors", f"{what}: {error!r}")
        return Answered(Answer.UNKNOWN, None, error)


def note_end(book: Book, outcome: Outcome[object]) -> None:
    """Somebody was told how a job ended: so it stays, for everybody and for ever."""
    if outcome.answer not in ("completed", "failed", "cancelled"):
        book.sometimes.reach_if(outcome.answer == "stuck", "a cancel said stuck")
        return
    job_id, answer = outcome.job_id, str(outcome.answer)
    told = (answer, outcome.value)
    known = book.ends.setdefault(job_id, told)
    if known != told:
        book.broken("I13 one end for everybody", f"job {job_id} was told as {known} and {told}")
    reason, attempts = outcome.reason, outcome.attempts

    def holds(disk: Disk) -> bool:
        row = disk.rows.get(job_id)
        if row is None:
            return disk.prunes
        return row.status is Status(answer) and row.reason == reason and row.fence == attempts

    book.promise("R7 what a client was told is on disk", f"job {job_id} is {answer}", holds)
