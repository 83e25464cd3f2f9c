"""A batch, as its author and its watchers hold it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, ParamSpec, Self, TypeVar

import anyio

from overseen.attachments.draft import Draft
from overseen.batches import requests
from overseen.batches.aggregating import MemberResult, member_results
from overseen.batches.errors import BatchEnded, BatchNotOpened, BatchSealed
from overseen.batches.progress import BatchProgress, progress_of, watch_progress
from overseen.durations import Duration, seconds
from overseen.errors import InvalidOption, OverseenError
from overseen.face_checks import check_after, check_calls, check_job, reason_text
from overseen.jobs import Call, Job
from overseen.submitting import Origin
from overseen.subscribing import After, follow_batch
from overseen_storage.batch_records import BatchRecord, BatchSummary
from overseen_storage.lifecycle import Cause
from overseen_storage.orders import OpenBatch
from overseen_storage.records import Event

if TYPE_CHECKING:
    from overseen.asking import Asking
    from overseen.handle import Handle
    from overseen.running import Running

__all__ = ["Batch"]

P = ParamSpec("P")
R = TypeVar("R")

LEAVE_SECONDS: Final = 5.0
"""How long the end of a block waits for the batch to be sealed or cancelled after all."""
WATCH_SECONDS_MIN: Final = 0.01


class Batch:
    """Jobs that are summed up together: what ``supervisor.batch(...)`` returns.

    ::

        async with supervisor.batch("nightly", on_finish=report) as batch:
            for path in paths:
                await batch.submit(transcode, path)
        summary = await batch.summary()

    It is open, so that members can be added, until the block ends. An exception that leaves the
    block cancels it: half a batch is no batch. `open` and `seal` do the same by hand, for a batch
    that stays open for longer; one that nobody seals is shown as such (``stuck_batches``), and an
    operator can `seal` or `cancel` it.
    """

    def __init__(
        self,
        asking: Callable[[], Asking],
        remembering: Callable[[], Asking],
        *,
        name: str = "",
        order: OpenBatch | None = None,
        batch_id: int | None = None,
        cause: Cause = Cause.CALLER,
    ) -> None:
        self._asking = asking
        self._remembering = remembering
        self._name = name
        self._order = order
        self._id = batch_id
        self._cause = cause
        self._closed = False
        """Its author has sealed or cancelled it already."""

    @property
    def id(self) -> int:
        """Its id: a small number that people can type. Raises `BatchNotOpened` before the block is
        entered."""
        if self._id is None:
            raise BatchNotOpened(self._name)
        return self._id

    # Its life.

    async def open(self) -> Self:
        """Begin it, without a block; `seal` it when its last member was added."""
        if self._id is None:
            assert self._order is not None, "it has an id, or a way to get one"
            self._id = await requests.open_batch(self._running(), self._order)
        return self

    async def seal(self) -> None:
        """No more members: from now on it ends as soon as they have. Raises `BatchSealed`,
        `BatchEnded`, `BatchNotFound`."""
        await requests.seal(self._running(), self.id, self._cause)
        self._closed = True

    async def cancel(self, reason: str | None = None) -> None:
        """Ask for its end: nothing more of it starts, what waits is cancelled, what runs is told to
        stop. It is sealed if it was open, and ends `cancelled` when its members have ended: await
        `summary`. Asking again changes nothing. Raises `BatchEnded`, `BatchNotFound`."""
        await requests.stop(self._running(), self.id, self._cause, reason_text(reason))
        self._closed = True

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            await self._cancel_after(error)
        elif not self._closed:
            await self._seal_at_the_end()

    async def _seal_at_the_end(self) -> None:
        """The block has ended well, so the batch is sealed, also when its author is cancelled in
        this very moment: nobody else would do it."""
        try:
            await self.seal()
        except asyncio.CancelledError:
            with anyio.move_on_after(LEAVE_SECONDS, shield=True), suppress(BatchSealed, BatchEnded):
                await self.seal()
            raise
        except OverseenError as failure:
            failure.add_note(_left_open(self.id))
            raise

    async def _cancel_after(self, error: BaseException) -> None:
        """The block's own error is what its author must see. Shielded for a while, because a
        cancelled scope of anyio (a request that was given up) would cancel this too."""
        try:
            with anyio.move_on_after(LEAVE_SECONDS, shield=True) as patience:
                await self.cancel(f"its block was left by {type(error).__name__}")
        except BatchEnded:
            return  # it was sealed inside the block, and its members were quick
        except OverseenError as failure:
            error.add_note(f"{_left_open(self.id)} It could not be cancelled: {failure}")
        else:
            if patience.cancelled_caught:
                error.add_note(f"{_left_open(self.id)} The store did not answer in time.")

    # Its members.

    async def submit(
        self, job: Job[P, R], /, *arguments: P.args, **keywords: P.kwargs
    ) -> Handle[R]:
        """Add a member; as `Supervisor.submit`. Raises also `BatchSealed` and `BatchNotFound`."""
        check_job(job)
        calls = [job.call(*arguments, **keywords)]
        handles: list[Handle[R]] = await self._asking().submit(calls, Origin(batch_id=self.id))
        return handles[0]

    async def submit_many(self, calls: Iterable[Call[R]]) -> list[Handle[R]]:
        """Add many members in one transaction, all or nothing; as `Supervisor.submit_many`."""
        check_calls(calls)
        return await self._asking().submit(calls, Origin(batch_id=self.id))

    def draft(self, job: Job[P, R], /, *arguments: P.args, **keywords: P.kwargs) -> Draft[R]:
        """Add a member that is given files before it can run; as `Supervisor.draft`. The batch
        waits for it: until it is released and has ended, or is discarded, or expires."""
        check_job(job)
        return Draft(self._asking, job.call(*arguments, **keywords), batch_id=self.id)

    async def results(self) -> AsyncGenerator[MemberResult, None]:
        """Yield how each member that has ended did so, in order of submission."""
        running = self._running()
        async for result in member_results(running.store, running.registry, self.id):
            yield result

    # Its outcome.

    async def summary(self, timeout: Duration | None = None) -> BatchSummary:
        """Wait for its end and return what came of it.

        Asking is enough: a batch whose members have all ended is finalized now, should everything
        else have missed it. `timeout` gives up waiting, not the batch. Raises `BatchNotFound`,
        TimeoutError, and `SupervisorStopped` when the supervisor stops before its end.
        """
        running = self._remembering().running
        if timeout is None:
            return await requests.wait_for_summary(running, self.id)
        limit = seconds(timeout, name="timeout")
        try:
            async with asyncio.timeout(limit):
                return await requests.wait_for_summary(running, self.id)
        except TimeoutError:
            text = f"batch {self.id} has not ended within {limit:g} s; it goes on"
            raise TimeoutError(text) from None

    async def aggregate(self, job: Job[[int], R], timeout: Duration | None = None) -> R:
        """Wait for its end, then for the job that was given as ``aggregate=``; return its value.

        Raises as `summary`, and as `Handle.result` for that job.
        """
        check_job(job)
        limit = None if timeout is None else seconds(timeout, name="timeout")
        try:
            async with asyncio.timeout(limit):
                await self.summary()
                handle = await self._asking().callback(self.id, "aggregate", job)
                return await handle.result()
        except TimeoutError:
            text = f"batch {self.id} has no aggregate within {limit:g} s; it is still worked at"
            raise TimeoutError(text) from None

    async def record(self) -> BatchRecord:
        """Return everything that is kept of it: one read. Raises `BatchNotFound`."""
        return await requests.read_batch(self._running(), self.id)

    # Watching it.

    async def progress(self) -> BatchProgress:
        """Return how far it is: one read; the numbers add up to the total."""
        return progress_of(await requests.read_snapshot(self._running(), self.id))

    async def watch(self, every: Duration = 0.5) -> AsyncGenerator[BatchProgress, None]:
        """Yield how far it is, with rate and time left, until it has ended; the last one shows its
        end. `every` is the time between two of them."""
        running = self._running()
        pause = seconds(every, name="every")
        if pause < WATCH_SECONDS_MIN:
            raise InvalidOption("every", every, f"at least {WATCH_SECONDS_MIN:g} s")

        async def read() -> BatchProgress:
            return progress_of(await requests.read_snapshot(running, self.id))

        async for progress in watch_progress(read, pause, running.loop.time, asyncio.sleep):
            yield progress

    def events(self, after: After = "start") -> AsyncGenerator[Event, None]:
        """Follow it: a snapshot first, then each event of the batch and of its members once, until
        it is finalized. It does not matter how late one joins; see `Handle.events`."""
        running = self._running()
        check_after(after)
        return follow_batch(running.store, running.feed, self.id, after)

    def _running(self) -> Running:
        return self._asking().running

    def __repr__(self) -> str:
        return f"<Batch {self._id or 'not opened'} {self._name!r}>"


def _left_open(batch_id: int) -> str:
    return (
        f"Batch {batch_id} may still be open: seal or cancel it with "
        f"supervisor.find_batch({batch_id})."
    )
