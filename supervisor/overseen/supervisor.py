"""The face: one object that a program creates, starts, submits to and asks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from datetime import datetime
from os import PathLike
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeAlias, TypeVar, overload

from overseen.asking import Asking
from overseen.counters import Figures
from overseen.durations import Duration, microseconds, seconds
from overseen.errors import InvalidOption
from overseen.face_checks import (
    check_after,
    check_calls,
    check_database,
    check_events,
    check_hook,
    check_id,
    check_job,
    check_jobs,
    check_queues,
    check_retention,
    page_query,
    reason_text,
)
from overseen.feed import Which
from overseen.handle import Handle
from overseen.hooks import Hook, Hooks
from overseen.jobs import Call, Job
from overseen.lives import Lives
from overseen.log import library_logger
from overseen.option_checks import check_moment, check_priority
from overseen.outcome import Outcome
from overseen.recovery import Recovered
from overseen.registry import AnyJob, Registry
from overseen.running import Running
from overseen.settings import QueueLimits, Retention, Settings, Synchronous
from overseen.stopping import StopReport
from overseen.subscribing import After, follow_all, follow_job
from overseen_actors.clock import Clock, SystemClock
from overseen_storage.items import ChangeWaiting
from overseen_storage.lifecycle import Cause, Status
from overseen_storage.records import Event, JobRecord, LogLine
from overseen_storage.store import Store

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Database", "Supervisor"]

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H", bound=Hook)

Database: TypeAlias = str | PathLike[str] | Callable[[], Store]
"""Where jobs are kept: a file, ``":memory:"``, or a function that makes a store."""


class Supervisor:
    """Owns every job's life in one database.

    ::

        supervisor = Supervisor("jobs.db", jobs=[transcode])      # nothing is opened here

        async with supervisor:                                     # leaving drains, stops, closes
            handle = await supervisor.submit(transcode, "a.mp4")
            frames = await handle.result()

    The knobs are those of `Settings`, each with its unit, bound and default. `state` is handed to
    bodies as ``ctx.state``. `clock` and `random` are for tests. `logger` replaces the library's
    logger, which is silent until the program configures logging.

    It belongs to the event loop that starts it. A stopped supervisor may be started again.
    """

    def __init__(
        self,
        database: Database,
        *,
        jobs: Iterable[AnyJob] = (),
        concurrency: int = 100,
        queues: QueueLimits | None = None,
        threads: int = 16,
        synchronous: Synchronous = "full",
        sweep_interval: Duration = 30.0,
        progress_interval: Duration = 0.5,
        drain_timeout: Duration = 30.0,
        cancel_timeout: Duration = 10.0,
        owner_wait: Duration = 5.0,
        retention: Retention | None = None,
        arguments_limit: int = 1 << 20,
        result_limit: int = 1 << 20,
        mailbox_limit: int = 10_000,
        recent_outcomes: int = 20_000,
        logs_per_job: int = 1_000,
        state: object = None,
        clock: Clock | None = None,
        random: Callable[[], float] | None = None,
        logger: FilteringBoundLogger | None = None,
    ) -> None:
        check_database(database)
        self.settings = Settings(
            concurrency=concurrency,
            queues=check_queues(queues),
            threads=threads,
            synchronous=synchronous,
            sweep_interval=seconds(sweep_interval, name="sweep_interval"),
            progress_interval=seconds(progress_interval, name="progress_interval"),
            drain_timeout=seconds(drain_timeout, name="drain_timeout"),
            cancel_timeout=seconds(cancel_timeout, name="cancel_timeout"),
            owner_wait=seconds(owner_wait, name="owner_wait"),
            retention=check_retention(retention),
            arguments_limit=arguments_limit,
            result_limit=result_limit,
            mailbox_limit=mailbox_limit,
            recent_outcomes=recent_outcomes,
            logs_per_job=logs_per_job,
        )
        self.registry = Registry(check_jobs(jobs))
        self._database = database
        self._state = state
        self._clock = clock or SystemClock()
        self._random = random or Random().random
        self._logger = logger
        self._hooks = Hooks()
        self._lives = Lives(self._make_running)

    # Life.

    async def start(self) -> None:
        """Open the database, recover what a dead process left, begin to run jobs.

        Harmless if it is started already; while it stops, it is started again after that. Raises
        `DatabaseRefused` in its several forms, `StoreUnavailable`, `StillRunning`,
        `SupervisorFailed` if it gave up and was not stopped since, and `WrongLoop` if it runs in
        another loop.
        """
        await self._lives.start()

    async def stop(self) -> StopReport:
        """Stop: nothing new is started, what runs may end, what does not is told to stop.

        Returns how it went; harmless if it is not started. Cancelling this call hurries the stop,
        it does not leave it half done. Raises `SupervisorFailed` if the supervisor gave up,
        `WrongLoop` from another loop than its own, and `SupervisorError` inside the body of a job,
        for whose end it would wait.
        """
        return await self._lives.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def report(self) -> StopReport | None:
        """How the last stop went; None before the first."""
        return self._lives.report

    # Submitting.

    async def submit(
        self, job: Job[P, R], /, *arguments: P.args, **keywords: P.kwargs
    ) -> Handle[R]:
        """Store a job; once this returns it is on disk, and it will have an outcome.

        Options go through the job: ``supervisor.submit(transcode.options(delay="1h"), "a.mp4")``.
        Waits while the mailbox is full. Raises `UnknownJob`, `InvalidArguments`,
        `PayloadTooLarge`, `KeyConflict`, `IdempotencyConflict`, `Degraded`, `OutcomeUnknown`.
        """
        check_job(job)
        handles = await self._asking().submit([job.call(*arguments, **keywords)], None)
        return handles[0]

    async def submit_many(self, calls: Iterable[Call[R]]) -> list[Handle[R]]:
        """Store many jobs in one transaction, all or nothing: up to 10,000 calls and 64 MiB.

        >>> handles = await supervisor.submit_many(transcode.call(path) for path in paths)

        Raises `TooManyCalls` above that, else as `submit`.
        """
        check_calls(calls)
        return await self._asking().submit(calls, None)

    async def _submit_child(self, parent_id: int, call: Call[Any]) -> Handle[Any]:
        return (await self._asking().submit([call], parent_id))[0]

    async def retry(self, job_id: int) -> Handle[Any]:
        """Make a new job that repeats an ended one, with fresh budgets and its last checkpoint.

        The ended job stays as it is; the new one points to it (`retried_from`). Raises
        `WrongStatus` if it has not ended, `JobNotFound`.
        """
        return await self._asking().retry(check_id(job_id))

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

    async def jobs(
        self,
        *,
        status: Status | str | Iterable[Status | str] | None = None,
        job: Job[..., Any] | str | None = None,
        queue: str | None = None,
        labels: Mapping[str, str] | None = None,
        key: str | None = None,
        held: bool | None = None,
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
        kind: Job[..., Any] | str | None = None,
        after: After = "now",
    ) -> AsyncGenerator[Event, None]:
        """Follow the ledger: a frame with its height first, then each event exactly once.

        For one `job` it is `Handle.events`, which ends with the job; else it ends when the
        supervisor stops.
        """
        if job is not None:
            return self.events_of(job.id if isinstance(job, Handle) else check_id(job), after)
        running = self._asking().running
        check_after(after)
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

    # Observing.

    @property
    def figures(self) -> Figures:
        """Counts and gauges of this life, for metrics and alerts."""
        return self._asking().running.figures()

    @property
    def recovered(self) -> Recovered:
        """What this start found of dead processes."""
        return self._asking().running.recovered

    @property
    def degraded(self) -> bool:
        """Whether the store does not work at the moment: nothing new is stored or started."""
        return self._asking().running.committing.degraded

    def on(self, *types: str) -> Callable[[H], H]:
        """Register a hook for types of events, before the start; for all when none is named.

        >>> @supervisor.on("failed", "stuck")
        ... async def alert(event: Event) -> None: ...

        It is called after the commit, one event after the other, and cannot disturb a job. Raises
        `InvalidOption` for a type that does not exist, and `SupervisorError` after the start.
        """
        check_events(types)

        def register(hook: H) -> H:
            check_hook(hook, started=self._lives.started)
            self._hooks.add(types, hook)
            return hook

        return register

    # Inside.

    def _asking(self) -> Asking:
        """The running supervisor, if it runs and if this is its loop."""
        return Asking(self, self._lives.running())

    def _remembering(self) -> Asking:
        """As `_asking`; once stopped, the last life, which still remembers recent outcomes."""
        return Asking(self, self._lives.remembered())

    def _make_running(self) -> Running:
        return Running(
            settings=self.settings,
            registry=self.registry,
            hooks=self._hooks,
            store=self._make_store(),
            clock=self._clock,
            random=self._random,
            state=self._state,
            log=self._logger or library_logger(),
            submit_child=self._submit_child,
        )

    def _make_store(self) -> Store:
        if callable(self._database):
            return self._database()
        from overseen_storage.sqlite.store import SqliteStore

        return SqliteStore(
            self._database,
            synchronous=self.settings.synchronous,
            owner_wait_seconds=self.settings.owner_wait,
        )
