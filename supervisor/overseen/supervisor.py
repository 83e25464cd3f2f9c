"""The face: one object that a program creates, starts and submits to. How it is asked and steered
is in `operating.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from random import Random
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    ParamSpec,
    Self,
    TypeAlias,
    TypeVar,
    overload,
)

from overseen.asking import Asking
from overseen.attachments.draft import Draft
from overseen.batches.batch import Batch
from overseen.batches.options import batch_order, batch_query
from overseen.counters import Figures
from overseen.durations import Duration, seconds
from overseen.errors import SupervisorError
from overseen.face_checks import (
    check_calls,
    check_database,
    check_events,
    check_hook,
    check_id,
    check_job,
    check_jobs,
    check_queues,
    check_retention,
)
from overseen.handle import Handle
from overseen.hooks import Hook, Hooks
from overseen.jobs import Call, Job
from overseen.lives import Lives
from overseen.log import library_logger
from overseen.operating import Operating
from overseen.recovery import Recovered
from overseen.registry import AnyJob, Registry
from overseen.running import Running
from overseen.settings import QueueLimits, Retention, Settings, Synchronous
from overseen.stopping import StopReport
from overseen.submitting import Origin
from overseen.surroundings import Surroundings
from overseen_actors.clock import Clock, SystemClock
from overseen_storage.batch_lifecycle import BatchPolicy, BatchStatus
from overseen_storage.batch_records import BatchRecord, BatchSummary
from overseen_storage.lifecycle import Cause
from overseen_storage.store import Store

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Database", "Supervisor"]

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H", bound=Hook)

Database: TypeAlias = str | PathLike[str] | Callable[[], Store]
"""Where jobs are kept: a file, ``":memory:"``, or a function that makes a store."""


class Supervisor(Operating):
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
        draft_timeout: Duration = 3_600.0,
        cancel_timeout: Duration = 10.0,
        owner_wait: Duration = 5.0,
        retention: Retention | None = None,
        attachment_limit: int | None = None,
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
            draft_timeout=seconds(draft_timeout, name="draft_timeout"),
            cancel_timeout=seconds(cancel_timeout, name="cancel_timeout"),
            owner_wait=seconds(owner_wait, name="owner_wait"),
            retention=check_retention(retention),
            attachment_limit=attachment_limit,
            arguments_limit=arguments_limit,
            result_limit=result_limit,
            mailbox_limit=mailbox_limit,
            recent_outcomes=recent_outcomes,
            logs_per_job=logs_per_job,
        )
        self.registry = Registry(check_jobs(jobs))
        self._database = database
        self._state = state
        self._home = Surroundings(
            self._make_store, clock or SystemClock(), random or Random().random
        )
        self._logger = logger
        self._hooks = Hooks()
        self._surroundings = self._home
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
        handles = await self._asking().submit([job.call(*arguments, **keywords)])
        return handles[0]

    async def submit_many(self, calls: Iterable[Call[R]]) -> list[Handle[R]]:
        """Store many jobs in one transaction, all or nothing: up to 10,000 calls and 64 MiB.

        >>> handles = await supervisor.submit_many(transcode.call(path) for path in paths)

        Raises `TooManyCalls` above that, else as `submit`.
        """
        check_calls(calls)
        return await self._asking().submit(calls)

    async def _submit_child(self, parent_id: int, call: Call[Any]) -> Handle[Any]:
        return (await self._asking().submit([call], Origin(parent_id=parent_id)))[0]

    def draft(self, job: Job[P, R], /, *arguments: P.args, **keywords: P.kwargs) -> Draft[R]:
        """Begin a job that is given files before it can run; use it as ``async with``.

        >>> async with supervisor.draft(transcode, preset="slow") as draft:
        ...     await draft.attach("input.mp4", path)

        See `Draft`. Nothing is stored before the block is entered.
        """
        check_job(job)
        return Draft(self._asking, job.call(*arguments, **keywords))

    @overload
    def find_draft(self, job_id: int, job: Job[..., R]) -> Draft[R]: ...
    @overload
    def find_draft(self, job_id: int, job: None = None) -> Draft[Any]: ...
    def find_draft(self, job_id: int, job: Job[..., Any] | None = None) -> Draft[Any]:
        """Return a draft that was begun elsewhere, or earlier: to attach to, release or discard."""
        return Draft(self._asking, None, handle=self.handle(job_id, job))

    # Batches.

    def batch(
        self,
        name: str,
        *,
        on_finish: Job[[BatchSummary], Any] | None = None,
        on_failure: Job[[BatchSummary], Any] | None = None,
        aggregate: Job[[int], Any] | None = None,
        policy: BatchPolicy | Literal["continue", "fail_fast", "threshold"] = "continue",
        threshold: float | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Batch:
        """Begin a batch: jobs that are summed up together; use it as ``async with``. See `Batch`.

        `on_finish` is submitted when it ends, `on_failure` when it ends with errors, each with the
        frozen summary as its argument: ``report(summary: BatchSummary)``. `aggregate` is a job made
        with ``@batch_summary``. `policy` says what the failure of a member means for the others:
        ``continue``, ``fail_fast``, or ``threshold``, where `threshold` failures stop it (from 1 on
        a number, below 1 a share of all members, judged once it is sealed). Raises `InvalidOption`
        and `UnknownJob`.
        """
        order = batch_order(
            self.registry,
            name=name,
            on_finish=on_finish,
            on_failure=on_failure,
            aggregate=aggregate,
            policy=policy,
            threshold=threshold,
            labels=labels,
        )
        return Batch(self._asking, self._remembering, name=order.name, order=order)

    def find_batch(self, batch_id: int) -> Batch:
        """Return a batch by its id: to watch it, seal it, cancel it, or await its summary."""
        return Batch(
            self._asking,
            self._remembering,
            batch_id=check_id(batch_id, "batch"),
            cause=Cause.OPERATOR,
        )

    async def batches(
        self,
        *,
        status: BatchStatus | str | Iterable[BatchStatus | str] | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[BatchRecord]:
        """Return a page of batches, newest first; the next one with ``before_id=page[-1].id``.

        At most 10,000 a page. Raises `InvalidOption`.
        """
        query = batch_query(
            status=status, name=name, labels=labels, before_id=before_id, limit=limit
        )
        return await self._asking().running.store.batches(query)

    async def retry(self, job_id: int) -> Handle[Any]:
        """Make a new job that repeats an ended one, with fresh budgets and its last checkpoint.

        The ended job stays as it is; the new one points to it (`retried_from`) and has the same
        files. Raises `WrongStatus` if it has not ended, `NeedsAttachments` if files that it
        declares are not there any more, `JobNotFound`.
        """
        return await self._asking().retry(check_id(job_id))

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

    # Elsewhere.

    def move_to(self, surroundings: Surroundings | None) -> None:
        """Live in other surroundings from the next start on; None: at home again.

        This is how `overseen.testing` gives it another database and another time. What it
        remembered of its last life is forgotten. Raises `SupervisorError` while it is started.
        """
        if self._lives.started:
            raise SupervisorError(
                "the supervisor is started: it can be given another database and another clock "
                "only before, so simulate it before anything starts it, or stop it first"
            )
        self._surroundings = surroundings or self._home
        self._lives = self._surroundings.make_lives(self._make_running)

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
            store=self._surroundings.make_store(),
            clock=self._surroundings.clock,
            random=self._surroundings.random,
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
