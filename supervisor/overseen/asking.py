"""The requests behind the face: one message, its answer, and what the caller makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from overseen.attachments.draft_errors import NeedsAttachments
from overseen.attachments.unheard import discard_unheard
from overseen.batches.errors import NoCallback
from overseen.codec import decode_value
from overseen.durations import Duration, seconds
from overseen.errors import (
    JobCancelled,
    JobFailed,
    JobNotFound,
    ResultExpired,
    SupervisorStopped,
    WrongStatus,
)
from overseen.explaining.asking import situation_here
from overseen.explaining.explaining import explain
from overseen.explaining.explanation import Explanation
from overseen.handle import Handle
from overseen.job_options import QUEUE_CHARACTERS_MAX
from overseen.jobs import Call, Job
from overseen.messages import (
    Cancel,
    CancelAnswered,
    Change,
    PauseQueue,
    Submit,
    SubmitAnswered,
)
from overseen.option_checks import check_text
from overseen.outcome import Answer, Outcome
from overseen.recent import End
from overseen.requesting import ask
from overseen.submitting import Origin, Prepared, again, prepare, size_bytes
from overseen_storage.answers import Missed
from overseen_storage.errors import StoreUnavailable
from overseen_storage.groups import JobQuery
from overseen_storage.items import ChangeWaiting, Note, SetQueue, Submission
from overseen_storage.lifecycle import Cause, EventType, Status
from overseen_storage.records import Event, JobRecord, LogLine

if TYPE_CHECKING:
    from overseen.operating import Operating
    from overseen.running import Running

__all__ = ["Asking"]

R = TypeVar("R")

ANYWHERE: Final = Origin()
"""From the program itself, into no batch."""
T = TypeVar("T")


class Asking:
    """One caller's view of a running supervisor."""

    __slots__ = ("_supervisor", "running")

    def __init__(self, supervisor: Operating, running: Running) -> None:
        self._supervisor = supervisor
        self.running = running

    # Requests.

    async def submit(
        self,
        calls: Iterable[Call[R]],
        origin: Origin = ANYWHERE,
        reply: asyncio.Future[SubmitAnswered] | None = None,
    ) -> list[Handle[R]]:
        """Store calls, all or nothing. A `reply` is answered also when the caller is cancelled
        meanwhile; it is cancelled if nothing will be stored for certain."""
        running = self.running
        prepared = prepare(
            calls,
            registry=running.registry,
            settings=running.settings,
            stamper=running.stamper,
            clock=running.clock,
            origin=origin,
        )
        cause = Cause.CALLER if origin.parent_id is None else Cause.BODY
        return await self._submit(prepared, cause, [], reply)

    async def begin_draft(self, call: Call[R], batch_id: int | None) -> Handle[R]:
        """Store a call as a draft, which cannot run yet. If the caller is cancelled, and it was
        stored all the same, it is discarded: nobody has its id."""
        running = self.running
        origin = Origin(batch_id=batch_id, draft_expires_at=running.draft_expires_at())
        begun: asyncio.Future[SubmitAnswered] = running.loop.create_future()
        try:
            return (await self.submit([call], origin, begun))[0]
        except asyncio.CancelledError:
            discard_unheard(running, begun)
            raise

    async def callback(self, batch_id: int, event: str, job: Job[..., R]) -> Handle[R]:
        """Return the job that the end of a batch submitted for `event`."""
        found = await self.running.store.jobs(JobQuery(callback_of=batch_id))
        for record in found:
            if record.callback_event == event and record.kind == job.kind:
                return Handle(self._supervisor, record.id, record.kind, created=False)
        raise NoCallback(batch_id, event, job.kind)

    async def retry(self, job_id: int) -> Handle[Any]:
        """Repeat an ended job as a new one. An ended row never changes, so reading it first is
        no race."""
        record = await self.job(job_id)
        if not record.ended:
            raise WrongStatus(job_id, record.status, "only a job that has ended can be retried")
        await self._check_declared_files(record)
        job = again(record)
        note = Note(EventType.RETRIED, job_id, batch_id=record.batch_id, cause=Cause.OPERATOR)
        handles: list[Handle[Any]] = await self._submit(
            Prepared([job], size_bytes(job.arguments)), Cause.OPERATOR, [note]
        )
        return handles[0]

    async def _check_declared_files(self, record: JobRecord) -> None:
        """A draft may have been given up before it had them; its repetition could only fail."""
        declared = self.running.registry.get(record.kind).definition.attachments
        if not declared:
            return
        names = {one.name for one in await self.running.store.attachments(record.id)}
        missing = [name for name in declared if name not in names]
        if missing:
            raise NeedsAttachments(record.kind, missing)

    async def _submit(
        self,
        prepared: Prepared,
        cause: Cause,
        notes: list[Note],
        told: asyncio.Future[SubmitAnswered] | None = None,
    ) -> list[Handle[Any]]:
        jobs = prepared.jobs
        if not jobs:
            return []
        reply: asyncio.Future[SubmitAnswered] = told or self.running.loop.create_future()
        message = Submit(Submission(jobs, cause), prepared.size, reply, notes)
        answered = await ask(self.running, message, asyncio.shield(reply) if told else reply)
        supervisor, created = self._supervisor, answered.created
        if created is None:
            return [
                Handle(supervisor, job_id, job.kind, True)
                for job_id, job in zip(answered.ids, jobs, strict=True)
            ]
        return [
            Handle(supervisor, job_id, job.kind, fresh)
            for job_id, job, fresh in zip(answered.ids, jobs, created, strict=True)
        ]

    async def cancel(self, job_id: int, data: str | None, wait: bool, cause: Cause) -> Outcome[Any]:
        """Ask for an end; then wait for it, or for the news that the body is stuck. `data` is what
        the ledger tells of the reason."""
        running = self.running
        reply: asyncio.Future[CancelAnswered] = running.loop.create_future()
        answered = await ask(self.running, Cancel(job_id, cause, data, reply), reply)
        if answered.status is None:
            raise JobNotFound(job_id)
        return await self._outcome_of_cancel(job_id, wait)

    async def _outcome_of_cancel(self, job_id: int, wait: bool) -> Outcome[Any]:
        while True:
            attempt = self.running.live.get(job_id)
            if attempt is not None and (attempt.stuck or not wait):
                answer: Answer = "stuck" if attempt.stuck else "requested"
                return Outcome(job_id=job_id, answer=answer, attempts=attempt.claimed.fence)
            end = await self._end_or_news(job_id, fresh=False)
            if end is not None:
                return self._outcome(job_id, end)

    async def change(self, change: ChangeWaiting) -> None:
        """Change a waiting job."""
        job_id = change.job_id
        reply: asyncio.Future[Missed | None] = self.running.loop.create_future()
        missed = await ask(self.running, Change(change, reply), reply)
        if missed is None:
            return
        if missed.status is None:
            raise JobNotFound(job_id)
        what = "only a held job can be released" if change.release_hold else _CHANGEABLE
        raise WrongStatus(job_id, missed.status, what)

    async def pause(self, queue: str, paused: bool) -> None:
        """Pause or resume a queue."""
        queue = check_text("queue", queue, QUEUE_CHARACTERS_MAX)
        reply: asyncio.Future[None] = self.running.loop.create_future()
        await ask(self.running, PauseQueue(SetQueue(queue, paused), reply), reply)

    # Reading.

    async def job(self, job_id: int) -> JobRecord:
        """Return a row."""
        record = await self.running.store.job(job_id)
        if record is None:
            raise JobNotFound(job_id)
        return record

    async def jobs(self, query: JobQuery) -> list[JobRecord]:
        """Return a page."""
        return await self.running.store.jobs(query)

    async def history(self, job_id: int) -> list[Event]:
        """Return all events of a job."""
        events = await self.running.store.attempts(job_id)
        if not events:
            raise JobNotFound(job_id)
        return events

    async def explain(self, job_id: int) -> Explanation:
        """Say why a job is where it is."""
        return explain(await situation_here(self.running, job_id))

    async def logs(self, job_id: int) -> list[LogLine]:
        """Return the log lines of a job, those that are not on disk yet included."""
        await self.running.scribe.flush()
        lines = await self.running.store.logs(job_id)
        if not lines:
            await self.job(job_id)  # it may not exist at all
        return lines

    # Waiting.

    async def result(self, job_id: int, timeout: Duration | None, fresh: bool) -> Any:
        """Wait for the value."""
        try:
            outcome = await self.outcome(job_id, timeout, fresh)
        except JobNotFound:
            raise ResultExpired(job_id=job_id) from None
        if outcome.answer == "completed":
            return outcome.value
        if outcome.answer == "cancelled":
            raise JobCancelled(job_id=job_id, reason=outcome.reason)
        raise JobFailed(
            job_id=job_id,
            reason=outcome.reason,
            error=outcome.error,
            attempts=outcome.attempts,
        )

    async def outcome(self, job_id: int, timeout: Duration | None, fresh: bool) -> Outcome[Any]:
        """Wait for the end. `fresh`: the job was created by this life, it exists for certain."""
        if timeout is None:
            return self._outcome(job_id, await self._end_at_last(job_id, fresh))
        limit = seconds(timeout, name="timeout")
        try:
            async with asyncio.timeout(limit):
                return self._outcome(job_id, await self._end_at_last(job_id, fresh))
        except TimeoutError:
            text = f"job {job_id} has not ended within {limit:g} s; it goes on"
            raise TimeoutError(text) from None

    async def _end_at_last(self, job_id: int, fresh: bool) -> End:
        while True:
            end = await self._end_or_news(job_id, fresh)
            if end is not None:
                return end
            fresh = False

    async def _end_or_news(self, job_id: int, fresh: bool) -> End | None:
        """Return the end as soon as there is one, or None as soon as there is other news.

        First register, then look: an end that comes between the two is not missed.
        """
        running = self.running
        recent = running.recent
        end = recent.get(job_id)
        if end is not None:
            return end
        self._require_running(job_id)
        news = recent.wait_for(job_id)
        try:
            if not (fresh and recent.would_know(job_id)):
                end = await self._end_in_row_if_it_can_be_read(job_id)
            if end is None and not running.ended:
                await news
        finally:
            recent.give_up(job_id, news)
        return end or recent.get(job_id)

    def _require_running(self, job_id: int) -> None:
        if self.running.ended:
            what = f"job {job_id} had not ended, or its outcome is not in memory any more"
            raise self.running.failure or SupervisorStopped(what)

    async def _end_in_row_if_it_can_be_read(self, job_id: int) -> End | None:
        """A store that does not work is no answer: everybody looks again when it does."""
        try:
            return await self._end_in_row(job_id)
        except StoreUnavailable:
            if not self.running.committing.degraded:
                raise
            return None

    async def _end_in_row(self, job_id: int) -> End | None:
        row = await self.job(job_id)
        if not row.ended:
            return None
        return End(row.kind, row.status, row.fence, row.reason, row.error, row.result, row.warnings)

    def _outcome(self, job_id: int, end: End) -> Outcome[Any]:
        answer: Answer = "failed"
        value: object = None
        if end.status is Status.CANCELLED:
            answer = "cancelled"
        elif end.status is Status.COMPLETED:
            answer = "completed"
            value = self._value(end)
        return Outcome(
            job_id=job_id,
            answer=answer,
            attempts=end.attempts,
            reason=end.reason,
            # A row keeps what an earlier attempt died of; it is not how a cancelled job ended.
            error=end.error if answer == "failed" else None,
            value=value,
            warnings=end.warnings,
        )

    def _value(self, end: End) -> object:
        """Return the value with its type restored, or as plain JSON where the kind is not known
        here (a job of a former program)."""
        if end.result is None:
            return None
        if end.kind not in self.running.registry:
            return decode_value(end.result)
        return self.running.registry.get(end.kind).prepare().result.decode(end.result)


_CHANGEABLE = (
    "priority and due time can be changed while a job waits (scheduled, retrying or pending; a "
    "pending one is due already)"
)
