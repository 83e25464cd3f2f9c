"""The root: everything that exists while a supervisor runs, and its life from open to close.

It owns what must outlive a restart of any actor: the store, the table of live attempts, the
mailbox, the commit under way. The actors live in a keeper and are started anew one for one.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from overseen._version import __version__
from overseen.accounting import Accounting
from overseen.attempt import Attempt
from overseen.bodies import Bodies
from overseen.committing import Committing
from overseen.context import Context
from overseen.counters import Counters, Figures
from overseen.effects import Effects
from overseen.errors import SupervisorFailed, SupervisorStopped
from overseen.feed import Feed
from overseen.hooks import HookCaller, Hooks
from overseen.live import Live
from overseen.messages import Message, Tick
from overseen.planning import Planner, Scope
from overseen.queues import Queues
from overseen.recent import Recent
from overseen.recovery import Recovered, reconcile, recover, release_holds
from overseen.registry import Registry
from overseen.scheduler import Scheduler
from overseen.scribe import Scribe
from overseen.settings import Settings
from overseen.stopping import StopReport, abandon, drain, interrupt, within
from overseen.supervising import SupervisorActor
from overseen.watch import Watch
from overseen.watchdog import Watchdog
from overseen_actors.alarm import Alarm
from overseen_actors.clock import Clock, Stamper
from overseen_actors.errors import ActorError
from overseen_actors.mailbox import Mailbox
from overseen_actors.restart import Keeper, Restart, Restarted
from overseen_storage.errors import StoreError
from overseen_storage.groups import JobQuery
from overseen_storage.lifecycle import Status
from overseen_storage.records import JobRecord
from overseen_storage.store import Store

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from overseen.handle import Handle
    from overseen.jobs import Call

__all__ = ["Running"]

T = TypeVar("T")

CLOSE_SECONDS: Final = 5.0
"""How long a stop waits for a store that does not answer."""


class Running:
    """One life of a supervisor, from start to stop."""

    def __init__(
        self,
        *,
        settings: Settings,
        registry: Registry,
        hooks: Hooks,
        store: Store,
        clock: Clock,
        random: Callable[[], float],
        state: object,
        log: FilteringBoundLogger,
        submit_child: Callable[[int, Call[Any]], Any],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self.loop.create_future()
        """Done once it is open, or has the reason why it could not be opened."""
        self.opened.add_done_callback(_look_at)
        self.settings = settings
        self.registry = registry
        self.store = store
        self.clock = clock
        self.state: Any = state
        self.log = log
        self.result_limit = settings.result_limit
        self.counters = Counters()
        self.live = Live()
        self.queues = Queues(settings.concurrency, settings.queues)
        self.feed = Feed(store)
        self.mailbox: Mailbox[Message] = Mailbox(settings.mailbox_limit, name="supervisor")
        self.backlog: deque[Message] = deque()
        self.recovered = Recovered()
        self.quiet = False
        """Nothing new is started."""
        self.failure: SupervisorFailed | None = None
        self._hooks = hooks
        self._hook_caller: HookCaller | None = None
        self._random = random
        self._submit_child = submit_child
        self._watch_alarm = Alarm()
        self._times_alarm = Alarm()
        self.watch = Watch(self._watch_alarm.ring)
        self._supervisor_lives = 0
        self._stop_asked = asyncio.Event()
        self._hurry = asyncio.Event()
        self._answers = True
        """The store has answered, so far, within the time a stop gives it."""
        self._closed = False
        self._no_more_ends = False
        self._kinds = registry.kinds
        self._timeouts_us = {
            job.kind: job.definition.timeout_us
            for job in registry
            if job.definition.timeout_us is not None
        }
        self._report = StopReport(drained=0, interrupted=0, seconds=0.0)

    # Life.

    async def live_through(self) -> StopReport:
        """Open, run until `ask_to_stop`, stop, close. `opened` is done once it is open, or has the
        reason why it could not be opened."""
        try:
            await self._open()
        except BaseException as error:
            await self._close_store(at=None)
            if self.opened.done() or not isinstance(error, Exception):
                self.opened.cancel()
                raise
            self.opened.set_exception(error)
            return self._report
        try:
            await self._run()
        except ActorError as error:
            self.failure = SupervisorFailed(f"the supervisor gave up: {error}")
            self.failure.__cause__ = error
            self.log.critical("supervisor.failed", error=str(error), exc_info=error)
            raise self.failure from error
        finally:
            await self._close()
        return self._report

    def ask_to_stop(self) -> None:
        """Begin to stop; `live_through` returns when that is done."""
        self._stop_asked.set()

    def hurry(self) -> None:
        """Do not wait for bodies to end by themselves: tell them now."""
        self._hurry.set()
        self._stop_asked.set()

    async def _open(self) -> None:
        opened = await self.store.open(
            at=self.clock.wall_us(),
            pid=os.getpid(),
            host=socket.gethostname(),
            version=__version__,
        )
        self.epoch = opened.epoch
        self.stamper = Stamper(self.clock, after_us=opened.last_stamp)
        self.recent = Recent(self.settings.recent_outcomes, opened.last_id + 1)
        self.scribe = Scribe(self.store, self.counters, self.settings.logs_per_job, self.log)
        if opened.live:
            self.recovered = await recover(
                self.store,
                epoch=self.epoch,
                definitions={job.kind: job.definition for job in self.registry},
                take_stamps=self.stamper.take,
            )
            self.log.warning("jobs.recovered", jobs=self.recovered.jobs, again=self.recovered.again)
        kinds, take = sorted(self._kinds), self.stamper.take
        unheld = await release_holds(self.store, kinds=kinds, take_stamps=take)
        self.counters.started(self.recovered, unheld)
        for queue in await self.store.queues():
            if queue.paused_at is not None:
                self.queues.pause(queue.name)
        self.queues.enter_all(await self.store.ready_queues())
        self.feed.start(await self.store.last_seq())
        self._build()

    def _build(self) -> None:
        self.bodies = Bodies(
            registry=self.registry,
            live=self.live,
            watch=self.watch,
            mailbox=self.mailbox,
            loop=self.loop,
            thread_limit=self.settings.threads,
            make_context=self._make_context,
            result_limit=self.result_limit,
        )
        accounting = Accounting(
            live=self.live,
            queues=self.queues,
            watch=self.watch,
            counters=self.counters,
            backlog=self.backlog,
            enlist=self.bodies.enlist,
            loop_now=self.loop.time,
            log=self.log,
        )
        self._tell_to_stop = accounting.tell_to_stop
        effects = Effects(
            watch=self.watch,
            recent=self.recent,
            feed=self.feed,
            backlog=self.backlog,
            begin=self.bodies.begin,
            times_changed=self._times_alarm.ring,
            loop_now=self.loop.time,
        )
        self.committing = Committing(
            self.store, accounting, effects, self.stamper, self.log, self._watch_alarm.ring
        )
        self._planner = Planner(
            live=self.live,
            queues=self.queues,
            watch=self.watch,
            random=self._random,
            stamp_now=self.stamper.now,
            wall_now=self.clock.wall_us,
            loop_now=self.loop.time,
            progress_interval=self.settings.progress_interval,
        )

    async def _run(self) -> None:
        async with Keeper(on_restart=self._note_restart) as keeper:
            self._start_actors(keeper)
            self.mailbox.post(Tick())
            if not self.opened.done():
                self.opened.set_result(None)
            self.log.info("supervisor.started", epoch=self.epoch, store=self.store.location)
            await self._stop_asked.wait()
            await self._stop(keeper)

    def _start_actors(self, keeper: Keeper) -> None:
        watchdog = Watchdog(
            watch=self.watch,
            alarm=self._watch_alarm,
            committing=self.committing,
            store=self.store,
            counters=self.counters,
            settings=self.settings,
            post=self._post_tick,
            busy=lambda: len(self.live) > 0,
            stamp_now=self.stamper.now,
            log=self.log,
        )
        scheduler = Scheduler(
            store=self.store,
            alarm=self._times_alarm,
            clock=self.clock,
            stamper=self.stamper,
            post=self._post_tick,
        )
        keeper.start("feed", self.feed.run_tail, Restart.TRANSIENT)
        keeper.start("scribe", self.scribe.run)
        keeper.start("supervisor", lambda: self._supervisor_actor().run(), Restart.TRANSIENT)
        keeper.start("watchdog", watchdog.run)
        keeper.start("sweeper", watchdog.run_sweeps)
        keeper.start("scheduler", scheduler.run)
        if self._hooks:
            self._hook_caller = HookCaller(self._hooks, self.feed, self.counters, self.log)
            keeper.start("hooks", self._hook_caller.run, Restart.TRANSIENT)

    def _supervisor_actor(self) -> SupervisorActor:
        self._supervisor_lives += 1
        return SupervisorActor(
            self.mailbox,
            self.backlog,
            planner=self._planner,
            committing=self.committing,
            live=self.live,
            store=self.store,
            scope=self._scope,
            resync=self._resync,
            look_anew=self._look_anew,
            begin=self.bodies.begin,
            again=self._supervisor_lives > 1,
        )

    async def _stop(self, keeper: Keeper) -> None:
        begun = self.loop.time()
        self.quiet = True
        await self._settle()  # a group on its way may start bodies
        drained = await drain(self.live, self.settings.drain_timeout, self._hurry)
        interrupted = await interrupt(self.live, self.watch, self.settings.cancel_timeout)
        if self._answers and not self.committing.degraded:
            await within(CLOSE_SECONDS, self.live.wait_written())
        await self._settle()
        self._no_more_ends = True
        self.feed.close()
        self.recent.wake_all()
        await within(CLOSE_SECONDS, self._last_words())
        await keeper.stop()
        await self._end_mailbox()
        unwritten = [attempt for attempt in self.live if attempt.ended is not None]
        self._report = StopReport(
            drained=drained,
            interrupted=interrupted,
            stuck=tuple(attempt.claimed.id for attempt in self.bodies.survivors),
            unwritten=tuple(attempt.claimed.id for attempt in unwritten),
            seconds=self.loop.time() - begun,
        )
        self.log.info("supervisor.stopped", **_fields(self._report))

    async def _settle(self) -> None:
        """Wait for the group under way, and tell the world of it."""
        if self._answers:
            self._answers = await within(CLOSE_SECONDS, self.committing.settle())
        self.committing.tell()

    async def _last_words(self) -> None:
        """Log lines to the disk, the last events to hooks and to whoever reads along."""
        await self.scribe.flush()
        if self._hook_caller is not None:
            await self._hook_caller.done.wait()
        await self.feed.drained()

    async def _end_mailbox(self) -> None:
        """From here on nothing is taken and nothing is written: who lives now is a survivor."""
        self._closed = self._no_more_ends = True
        self.mailbox.close()
        await self._settle()
        self.bodies.survivors = [
            attempt
            for attempt in self.live
            if attempt.ended is None and attempt.task is not None and not attempt.task.done()
        ]

    async def _close(self) -> None:
        """Whatever happened: nobody waits for ever, nothing is left open."""
        if not self._closed:  # it failed, or was cancelled from outside
            await self._settle()
            await abandon(self.live, self.settings.cancel_timeout)
            await self._end_mailbox()
        self.feed.close()
        self.committing.leave()
        self._refuse_the_rest()
        self.recent.wake_all()
        self.bodies.when_all_ended(self.store.release_owner)
        # An epoch that leaves a row live did not end well, whatever the cause.
        at = None if self.failure or len(self.live) else self.stamper.take()
        await self._close_store(at=at, keep_owner=bool(self.bodies.survivors))
        self.bodies.close()

    def _refuse_the_rest(self) -> None:
        refused = self.failure or SupervisorStopped("the request came too late")
        unfinished = self._planner.take_unfinished()
        if unfinished is not None:
            self.committing.give_up(unfinished)
        in_hand = self._planner.take_unanswered(self.backlog)
        for message in (*in_hand, *self.backlog, *self.mailbox.drain()):
            reply: asyncio.Future[Any] | None = getattr(message, "reply", None)
            if reply is not None and not reply.done():
                reply.set_exception(refused)

    async def _close_store(self, *, at: int | None, keep_owner: bool = False) -> None:
        """A disk that fails now cannot take the report away; the next start looks at the rows."""
        try:
            closed = await within(CLOSE_SECONDS, self.store.close(at=at, keep_owner=keep_owner))
        except StoreError as error:
            self.log.error("store.close_failed", error=str(error), error_type=type(error).__name__)
        else:
            if not closed:
                self.log.error("store.close_failed", error="the store does not answer")

    # What the parts ask of the root.

    def _make_context(self, attempt: Attempt) -> Context:
        return Context(attempt, self)

    @property
    def survivors(self) -> list[Attempt]:
        """Bodies that outlived the stop."""
        return self.bodies.survivors

    async def submit_child(self, parent_id: int, call: Call[T]) -> Handle[T]:
        """Submit on behalf of a body."""
        handle: Handle[T] = await self._submit_child(parent_id, call)
        return handle

    @property
    def ended(self) -> bool:
        """Whether no job will end any more in this life."""
        return self._no_more_ends

    def figures(self) -> Figures:
        """Return the counts of this life."""
        counters = self.counters
        return Figures(
            events={type.value: count for type, count in counters.events.items()},
            running=self.queues.running,
            stuck=self.live.stuck,
            mailbox=len(self.mailbox),
            mailbox_high_water=self.mailbox.high_water,
            groups=counters.groups,
            wal_bytes=counters.wal_bytes,
            hook_errors=counters.hook_errors,
            logs_dropped=counters.logs_dropped,
            restarts=counters.restarts,
            degraded=self.committing.degraded,
        )

    def _scope(self) -> Scope:
        return Scope(not self.quiet, self.epoch, self._kinds, self._timeouts_us)

    def _post_tick(self, tick: Tick) -> None:
        if not self._closed:
            self.mailbox.post(tick)

    async def _resync(self) -> None:
        """The supervisor actor failed, or the disk did: what is in memory is made to agree with
        the disk again."""
        await reconcile(
            self.store, live=self.live, take_stamps=self.stamper.take, agree=self._agree
        )
        self.queues.recount(attempt.claimed.queue for attempt in self.live if not attempt.stuck)
        self.queues.enter_all(await self.store.ready_queues())
        for queue in await self.store.queues():
            (self.queues.resume if queue.paused_at is None else self.queues.pause)(queue.name)
        self.feed.advance(await self.store.last_seq())
        newest = await self.store.jobs(JobQuery(limit=1))
        self.recent.distrust(newest[0].id if newest else 0)

    def _look_anew(self) -> None:
        """Those who sleep until a moment they read from the store, or from memory, look again."""
        self._times_alarm.ring()
        self._watch_alarm.ring()

    def _agree(self, attempt: Attempt, row: JobRecord) -> None:
        """An attempt is told what its row says, and is looked at when its state says so."""
        now = self.loop.time()
        if row.status is Status.CANCELLING and not attempt.cancelling:
            attempt.cancelling = True
            attempt.cancel_reason = row.reason or attempt.cancel_reason
            attempt.cancel_cause = row.cause
            self._tell_to_stop(attempt, now)
        if row.stop_reason is not None and attempt.stop_reason is None:
            attempt.stop_reason = row.stop_reason
            self._tell_to_stop(attempt, now)
        self.watch.follow(attempt, now)

    def _note_restart(self, restarted: Restarted) -> None:
        self.counters.restarts += 1
        self._watch_alarm.ring()  # what it was told may have been lost with it
        self._times_alarm.ring()
        self.log.error(
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
