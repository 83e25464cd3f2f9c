"""What operators and watchers ask of a running supervisor: the second half of its face."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar, overload

from overseen.asking import Asking
from overseen.batches.batch import Batch
from overseen.durations import Duration, microseconds
from overseen.errors import InvalidOption
from overseen.explaining.explanation import Explanation
from overseen.face_checks import check_after, check_id, check_job, page_query, reason_text
from overseen.feed import Which
from overseen.handle import Handle
from overseen.jobs import Job
from overseen.option_checks import check_moment, check_priority
from overseen.outcome import Outcome
from overseen.subscribing import After, follow_all, follow_batch, follow_job
from overseen_storage.items import ChangeWaiting
from overseen_storage.lifecycle import Cause, Status
from overseen_storage.records import Event, JobRecord, LogLine

__all__ = ["Operating"]

R = TypeVar("R")


class Operating(ABC):
    """Jobs are steered and asked about by their ids. `Supervisor` is one."""

    @abstractmethod
    def _asking(self) -> Asking:
        """The running supervisor, if it runs and if this is its loop."""

    @abstractmethod
    def _remembering(self) -> Asking:
        """As `_asking`; once stopped, the last life, which still remembers recent outcomes."""

    # Steering.

    async def cancel(
        self,
        job_id: int,
        reason: str | None = None,
        *,
        wait: bool = True,
        cause: Cause = Cause.OPERATOR,
    ) -> Outcome[Any]:
        """Ask for a job's end; see `Handle.cancel`."""
        text = reason_text(reason)
        return await self._asking().cancel(check_id(job_id), text, wait, cause)

    async def promote(self, job_id: int) -> None:
        """Make a scheduled or retrying job due now. Raises `WrongStatus`, `JobNotFound`."""
        await self._asking().change(ChangeWaiting(check_id(job_id), promote=True))

    async def change(
        self,
        job_id: int,
        *,
        priority: int | None = None,
        delay: Duration | None = None,
        at: datetime | None = None,
    ) -> None:
        """Give a waiting job another priority, or another due time. Raises `WrongStatus`,
        `JobNotFound`, `InvalidOption`."""
        asking = self._asking()
        if delay is not None and at is not None:
            raise InvalidOption("at", at, "given without `delay`: say one of them")
        if priority is None and delay is None and at is None:
            raise InvalidOption("change", None, "told what to change: `priority`, `delay` or `at`")
        due_at = None
        if delay is not None:
            due_at = asking.running.stamper.now() + microseconds(delay, name="delay")
        await asking.change(
            ChangeWaiting(
                check_id(job_id),
                priority=None if priority is None else check_priority(priority),
                due_at=due_at,
                due_wall_at=None if at is None else check_moment("at", at),
            )
        )

    async def release(self, job_id: int) -> None:
        """Let a held job be claimed again. Raises `WrongStatus`, `JobNotFound`."""
        await self._asking().change(ChangeWaiting(check_id(job_id), release_hold=True))

    async def pause(self, queue: str) -> None:
        """Start nothing more from `queue`, also after a restart, until `resume`."""
        await self._asking().pause(queue, True)

    async def resume(self, queue: str) -> None:
        """Start from `queue` again."""
        await self._asking().pause(queue, False)

    # Asking.

    @overload
    def handle(self, job_id: int, job: Job[..., R]) -> Handle[R]: ...
    @overload
    def handle(self, job_id: int, job: None = None) -> Handle[Any]: ...
    def handle(self, job_id: int, job: Job[..., Any] | None = None) -> Handle[Any]:
        """Return a handle of a job by its id; typed, if its job is given."""
        if job is not None:
            check_job(job)
        return Handle(self, check_id(job_id), job.kind if job else None, created=False)

    async def job(self, job_id: int) -> JobRecord:
        """Return everything that is kept of a job. Raises `JobNotFound`."""
        return await self._asking().job(check_id(job_id))

    async def explain(self, job_id: int) -> Explanation:
        """Say why a job does not run, what happens next, what has happened and who caused it.

        ``print(await supervisor.explain(7))`` is text for people. Raises `JobNotFound`.
        """
        return await self._asking().explain(check_id(job_id))

    async def jobs(
        self,
        *,
        status: Status | str | Iterable[Status | str] | None = None,
        job: Job[..., Any] | str | None = None,
        queue: str | None = None,
        labels: Mapping[str, str] | None = None,
        key: str | None = None,
        held: bool | None = None,
        batch: int | Batch | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[JobRecord]:
        """Return a page of jobs, newest first; the next one with ``before_id=page[-1].id``.

        A status may be given by its name. At most 10,000 jobs a page. Raises `InvalidOption`.
        """
        query = page_query(
            status=status,
            job=job,
            queue=queue,
            labels=labels,
            key=key,
            held=held,
            batch_id=None if batch is None else _batch_id(batch),
            before_id=before_id,
            limit=limit,
        )
        return await self._asking().jobs(query)

    async def history(self, job_id: int) -> list[Event]:
        """Return all events of a job, in order. Raises `JobNotFound`."""
        return await self._asking().history(check_id(job_id))

    async def logs(self, job_id: int) -> list[LogLine]:
        """Return the lines a job's bodies wrote with ``ctx.log``. Raises `JobNotFound`."""
        return await self._asking().logs(check_id(job_id))

    async def counts(self) -> dict[str, dict[str, int]]:
        """Count jobs by queue and status. Reads the whole table: not for a hot path."""
        return await self._asking().running.store.counts()

    def events(
        self,
        *,
        job: int | Handle[Any] | None = None,
        batch: int | Batch | None = None,
        kind: Job[..., Any] | str | None = None,
        after: After = "now",
    ) -> AsyncGenerator[Event, None]:
        """Follow the ledger: a frame with its height first, then each event exactly once.

        For one `job` it is `Handle.events`, for one `batch` it is `Batch.events`, which end with
        what they follow; else it ends when the supervisor stops. Say one of the three, or none.
        """
        if sum(one is not None for one in (job, batch, kind)) > 1:
            raise InvalidOption("events", (job, batch, kind), "one of job, batch and kind, or none")
        if job is not None:
            return self.events_of(job.id if isinstance(job, Handle) else check_id(job), after)
        running = self._asking().running
        check_after(after)
        if batch is not None:
            return follow_batch(running.store, running.feed, _batch_id(batch), after)
        which = Which(kind=kind.kind if isinstance(kind, Job) else kind)
        return follow_all(running.store, running.feed, which, after)

    def events_of(self, job_id: int, after: After) -> AsyncGenerator[Event, None]:
        """Follow one job; see `Handle.events`."""
        running = self._asking().running
        check_after(after)
        return follow_job(running.store, running.feed, job_id, after)

    async def result_of(self, job_id: int, timeout: Duration | None, fresh: bool = False) -> Any:
        """Wait for a job's value; see `Handle.result`."""
        return await self._remembering().result(job_id, timeout, fresh)

    async def outcome_of(
        self, job_id: int, timeout: Duration | None, fresh: bool = False
    ) -> Outcome[Any]:
        """Wait for a job's outcome; see `Handle.wait`."""
        return await self._remembering().outcome(job_id, timeout, fresh)


def _batch_id(batch: int | Batch) -> int:
    return batch.id if isinstance(batch, Batch) else check_id(batch, "batch")
