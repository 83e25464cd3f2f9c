"""The life of a running supervisor: open, run, stop, close. Each step has an end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import Any, Final

from overseen._version import __version__
from overseen.assembling import assemble, start_actors
from overseen.errors import SupervisorFailed, SupervisorStopped
from overseen.hooks import HookCaller
from overseen.messages import Tick
from overseen.recent import Recent
from overseen.recovery import recover, release_holds
from overseen.running import Running
from overseen.scribe import Scribe
from overseen.stopping import StopReport, abandon, drain, interrupt, within
from overseen_actors.clock import Stamper
from overseen_actors.errors import ActorError
from overseen_actors.restart import Keeper, Restarted
from overseen_storage.errors import StoreError

__all__ = ["Life"]

CLOSE_SECONDS: Final = 5.0
"""How long a stop waits for a store that does not answer."""


class Life:
    """Takes a `Running` from open to close."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.opened: asyncio.Future[None] = running.loop.create_future()
        """Done once it is open, or has the reason why it could not be opened."""
        self.opened.add_done_callback(_look_at)
        self._hook_caller: HookCaller | None = None
        self._stop_asked = asyncio.Event()
        self._hurry = asyncio.Event()
        self._answers = True
        """The store has answered, so far, within the time a stop gives it."""
        self._closed = False
        self._main: asyncio.Task[StopReport] | None = None
        self.report = StopReport(drained=0, interrupted=0, seconds=0.0)
        """How the stop went, once it has."""

    @property
    def is_open(self) -> bool:
        """Whether it has opened."""
        opened = self.opened
        return opened.done() and not opened.cancelled() and opened.exception() is None

    @property
    def is_stopping(self) -> bool:
        """Whether it has opened and was asked to stop since."""
        return self.is_open and self._stop_asked.is_set()

    async def over(self) -> None:
        """Return once it has stopped, however that went."""
        assert self._main is not None, "only what was started ends"
        await asyncio.wait([self._main])

    async def start(self) -> None:
        """Open, and begin to run. Raises what keeps it from opening; then nothing is left open."""
        main = self._main = self.running.loop.create_task(
            self._live_through(), name="overseen supervisor"
        )
        try:
            await asyncio.shield(self.opened)
        except BaseException:
            if not self.opened.done():
                main.cancel()  # while it opens
            self.hurry()
            await asyncio.wait([main])
            raise

    async def stop(self) -> StopReport:
        """Stop, and return how it went. Cancelling this call hurries the stop, it does not leave it
        half done. Raises `SupervisorFailed` if the supervisor gave up."""
        main = self._main
        assert main is not None, "only what was started is stopped"
        self._stop_asked.set()
        cancelled: asyncio.CancelledError | None = None
        while not main.done():
            try:
                await asyncio.wait([main])
            except asyncio.CancelledError as error:
                self.hurry()
                cancelled = error
        report = main.result()
        if cancelled is not None:
            raise cancelled
        return report

    async def _live_through(self) -> StopReport:
        """Open, run until `stop`, stop, close. `opened` is done once it is open, or has the
        reason why it could not be opened."""
        running = self.running
        try:
            await self._open()
        except BaseException as error:
            await self._close_store(at=None)
            if self.opened.done() or not isinstance(error, Exception):
                self.opened.cancel()
                raise
            self.opened.set_exception(error)
            return self.report
        try:
            await self._run()
        except ActorError as error:
            running.failure = SupervisorFailed(f"the supervisor gave up: {error}")
            running.failure.__cause__ = error
            running.log.critical("supervisor.failed", error=str(error), exc_info=error)
            raise running.failure from error
        finally:
            await self._close()
        return self.report

    def hurry(self) -> None:
        """Do not wait for bodies to end by themselves: tell them now."""
        self._hurry.set()
        self._stop_asked.set()

    async def _open(self) -> None:
        running = self.running
        opened = await running.store.open(
            at=running.clock.wall_us(),
            pid=os.getpid(),
            host=socket.gethostname(),
            version=__version__,
        )
        running.epoch = opened.epoch
        running.opened_at_seq = opened.last_seq
        running.stamper = Stamper(running.clock, after_us=opened.last_stamp)
        running.recent = Recent(running.settings.recent_outcomes, opened.last_id + 1)
        running.scribe = Scribe(
            running.store, running.counters, running.settings.logs_per_job, running.log
        )
        if opened.live:
            running.recovered = await recover(
                running.store,
                epoch=running.epoch,
                definitions={job.kind: job.definition for job in running.registry},
                take_stamps=running.stamper.take,
            )
            running.log.warning(
                "jobs.recovered", jobs=running.recovered.jobs, again=running.recovered.again
            )
        kinds, take = sorted(running.kinds), running.stamper.take
        unheld = await release_holds(running.store, kinds=kinds, take_stamps=take)
        running.counters.started(running.recovered, unheld)
        for queue in await running.store.queues():
            if queue.paused_at is not None:
                running.queues.pause(queue.name)
        running.queues.enter_all(await running.store.ready_queues())
        running.feed.start(await running.store.last_seq())
        assemble(running)

    async def _run(self) -> None:
        running = self.running
        async with Keeper(on_restart=self._note_restart) as keeper:
            self._hook_caller = start_actors(running, keeper)
            running.mailbox.post(Tick())
            if not self.opened.done():
                self.opened.set_result(None)
            running.log.info(
                "supervisor.started", epoch=running.epoch, store=running.store.location
            )
            await self._stop_asked.wait()
            await self._stop(keeper)

    async def _stop(self, keeper: Keeper) -> None:
        running = self.running
        begun = running.loop.time()
        running.quiet = True
        await self._settle()  # a group on its way may start bodies
        drained = await drain(running.live, running.settings.drain_timeout, self._hurry)
        interrupted = await interrupt(running.live, running.watch, running.settings.cancel_timeout)
        if self._answers and not running.committing.degraded:
            await within(CLOSE_SECONDS, running.live.wait_written())
        await self._settle()
        if self._answers and not running.committing.degraded:
            await within(CLOSE_SECONDS, self._finish_batches())
        running.ended = True
        running.feed.close()
        running.recent.wake_all()
        running.finalizer.wake_all()
        await within(CLOSE_SECONDS, self._last_words())
        # A crowd that lags gets the end too, for as long as bodies got theirs and while it gets on.
        await within(running.settings.drain_timeout, running.feed.drained(CLOSE_SECONDS))
        await keeper.stop()
        await self._end_mailbox()
        unwritten = [attempt for attempt in running.live if attempt.ended is not None]
        self.report = StopReport(
            drained=drained,
            interrupted=interrupted,
            stuck=tuple(attempt.claimed.id for attempt in running.bodies.survivors),
            unwritten=tuple(attempt.claimed.id for attempt in unwritten),
            seconds=running.loop.time() - begun,
        )
        running.log.info("supervisor.stopped", **_fields(self.report))

    async def _settle(self) -> None:
        """Wait for the group under way, and tell the world of it."""
        running = self.running
        if self._answers:
            self._answers = await within(CLOSE_SECONDS, running.committing.settle())
        running.committing.tell()

    async def _finish_batches(self) -> None:
        """Batches whose last member has just ended, and files nobody uses any more; what is not
        done now, the next start does."""
        await self.running.finalizer.idle()
        await self.running.tidier.idle()
        await self._settle()

    async def _last_words(self) -> None:
        """Log lines to the disk, the last events to hooks."""
        running = self.running
        await running.scribe.flush()
        if self._hook_caller is not None:
            await self._hook_caller.done.wait()

    async def _end_mailbox(self) -> None:
        """From here on nothing is taken and nothing is written: who lives now is a survivor."""
        running = self.running
        self._closed = running.ended = True
        running.mailbox.close()
        await self._settle()
        running.bodies.survivors = [
            attempt
            for attempt in running.live
            if attempt.ended is None and attempt.task is not None and not attempt.task.done()
        ]

    async def _close(self) -> None:
        """Whatever happened: nobody waits for ever, nothing is left open."""
        running = self.running
        if not self._closed:  # it failed, or was cancelled from outside
            await self._settle()
            await abandon(running.live, running.settings.cancel_timeout)
            await self._end_mailbox()
        running.feed.close()
        running.committing.leave()
        self._refuse_the_rest()
        running.bodies.nothing_is_written()
        running.recent.wake_all()
        running.finalizer.wake_all()
        running.bodies.when_all_ended(running.store.release_owner)
        # An epoch that leaves a row live did not end well, whatever the cause.
        at = None if running.failure or len(running.live) else running.stamper.take()
        await self._close_store(at=at, keep_owner=bool(running.bodies.survivors))
        running.bodies.close()
        await self._close_files()

    async def _close_files(self) -> None:
        """A body that outlives the stop may still read its files."""
        running = self.running
        await within(CLOSE_SECONDS, running.uploads.break_off())
        if not running.bodies.survivors:
            await within(CLOSE_SECONDS, running.folder.close())
        running.file_threads.shutdown(wait=False)
        running.file_threads.join_idle()

    def _refuse_the_rest(self) -> None:
        running = self.running
        refused = running.failure or SupervisorStopped("the request came too late")
        unfinished = running.planner.take_unfinished()
        if unfinished is not None:
            running.committing.give_up(unfinished)
        in_hand = running.planner.take_unanswered(running.backlog)
        for message in (*in_hand, *running.backlog, *running.mailbox.drain()):
            reply: asyncio.Future[Any] | None = getattr(message, "reply", None)
            if reply is not None and not reply.done():
                reply.set_exception(refused)

    async def _close_store(self, *, at: int | None, keep_owner: bool = False) -> None:
        """A disk that fails now cannot take the report away; the next start looks at the rows."""
        running = self.running
        try:
            closed = await within(CLOSE_SECONDS, running.store.close(at=at, keep_owner=keep_owner))
        except StoreError as error:
            running.log.error(
                "store.close_failed", error=str(error), error_type=type(error).__name__
            )
        else:
            if not closed:
                running.log.error("store.close_failed", error="the store does not answer")

    def _note_restart(self, restarted: Restarted) -> None:
        running = self.running
        running.counters.restarts += 1
        running.watch_alarm.ring()  # what it was told may have been lost with it
        running.times_alarm.ring()
        running.log.error(
            "actor.restarted",
            actor=restarted.child,
            error=repr(restarted.error),
            exc_info=restarted.error,
        )


def _look_at(opened: asyncio.Future[None]) -> None:
    """Also if nobody waits for it any more."""
    if not opened.cancelled():
        opened.exception()


def _fields(report: StopReport) -> Mapping[str, object]:
    return {name: getattr(report, name) for name in report.__struct_fields__}
