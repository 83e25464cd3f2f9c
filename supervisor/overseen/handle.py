"""A handle: what a caller keeps of a job he submitted."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Generic, TypeVar

from overseen.durations import Duration
from overseen.outcome import Outcome
from overseen.subscribing import After
from overseen_storage.lifecycle import Cause, Status
from overseen_storage.records import Event, JobRecord, LogLine

if TYPE_CHECKING:
    from overseen.operating import Operating

__all__ = ["Handle"]

R_co = TypeVar("R_co", covariant=True)


class Handle(Generic[R_co]):
    """One job, to be asked and told. Cheap: it holds an id, not the job.

    ``Handle[bool]`` is also a ``Handle[int]``. It works as long as its supervisor runs; after a
    restart ``supervisor.handle(id, job)`` makes another one.
    """

    __slots__ = ("_supervisor", "created", "id", "kind")

    def __init__(self, supervisor: Operating, job_id: int, kind: str | None, created: bool) -> None:
        self._supervisor = supervisor
        self.id = job_id
        """The job's id: a small number that people can type."""
        self.kind = kind
        """The job's kind, if known."""
        self.created = created
        """False when the submit was answered with a job that existed already (``key``,
        ``idempotency_key``)."""

    async def result(self, timeout: Duration | None = None) -> R_co:
        """Wait for the job's end and return its value.

        The answer is the same however late it is asked for. `timeout` is in seconds or text like
        ``"1m"``; it gives up waiting, not the job.

        Raises `JobFailed`, `JobCancelled`, `ResultExpired` (pruned), TimeoutError, and
        `SupervisorStopped` when the supervisor stops before the job ends.
        """
        value: R_co = await self._supervisor.result_of(self.id, timeout, self.created)
        return value

    async def wait(self, timeout: Duration | None = None) -> Outcome[R_co]:
        """Wait for the job's end and return its outcome, whatever it is.

        Raises `JobNotFound` (pruned), TimeoutError and `SupervisorStopped`, never for the job.
        """
        outcome: Outcome[R_co] = await self._supervisor.outcome_of(self.id, timeout, self.created)
        return outcome

    async def cancel(self, reason: str | None = None, *, wait: bool = True) -> Outcome[R_co]:
        """Ask for the job's end.

        A waiting job is cancelled at once. A running body is told, and told again; the answer comes
        when it has stopped: ``cancelled``, or ``completed`` or ``failed`` if it ended so first, or
        ``stuck`` if it ignores the cancellation past its grace. With ``wait=False`` the answer
        ``requested`` only promises that the body was told. Losing a race is an answer, not an
        exception. Raises `JobNotFound`.
        """
        outcome: Outcome[R_co] = await self._supervisor.cancel(
            self.id, reason, wait=wait, cause=Cause.CALLER
        )
        return outcome

    async def status(self) -> Status:
        """Return where the job is in its life: one read. Raises `JobNotFound`."""
        return (await self.record()).status

    async def record(self) -> JobRecord:
        """Return everything that is kept of the job: one read. Raises `JobNotFound`."""
        return await self._supervisor.job(self.id)

    def events(self, after: After = "start") -> AsyncGenerator[Event, None]:
        """Follow the job: a snapshot first, then each of its events once, until its end.

        Events up to the snapshot's ``seq`` are history (``replayed``). It does not matter how late
        one joins.

        >>> async for event in handle.events():
        ...     print(event.type, event.data)
        """
        return self._supervisor.events_of(self.id, after)

    async def history(self) -> list[Event]:
        """Return the job's whole history so far, in order."""
        return await self._supervisor.history(self.id)

    async def logs(self) -> list[LogLine]:
        """Return the lines the body wrote with ``ctx.log``, in order. Raises `JobNotFound`."""
        return await self._supervisor.logs(self.id)

    def __repr__(self) -> str:
        return f"<Handle of job {self.id} ({self.kind or 'kind not looked up'})>"
