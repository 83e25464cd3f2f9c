"""How the parts of a running supervisor are put together, and which actors there are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Final

from overseen.accounting import Accounting
from overseen.agreeing import resync
from overseen.attachments.folder import Folder, folder_beside
from overseen.attachments.for_body import Bringing
from overseen.attachments.stored_names import StoredNames
from overseen.attachments.tidying import Tidier
from overseen.batches.finalizing import Finalizer
from overseen.bodies import Bodies
from overseen.committing import Committing
from overseen.context import Context
from overseen.effects import Effects
from overseen.hooks import HookCaller
from overseen.order_accounting import OrderAccounting
from overseen.planning import Planner
from overseen.requesting import place
from overseen.running import Running
from overseen.scheduler import Scheduler
from overseen.supervising import SupervisorActor
from overseen.threads import DaemonThreads
from overseen.watchdog import Watchdog
from overseen_actors.restart import Keeper, Restart

__all__ = ["assemble", "start_actors"]

FILE_THREADS: Final = 4
"""Threads that write and compare the files of jobs."""


def assemble(running: Running) -> None:
    """Make the parts that work on what the store has opened."""
    _assemble_files(running)
    running.finalizer = Finalizer(
        store=running.store, place=lambda order: place(running, order), log=running.log
    )
    running.bodies = Bodies(
        registry=running.registry,
        live=running.live,
        watch=running.watch,
        mailbox=running.mailbox,
        loop=running.loop,
        thread_limit=running.settings.threads,
        make_context=lambda attempt: Context(attempt, running),
        result_limit=running.result_limit,
        bring=Bringing(running.store, running.folder, running.log).bring,
    )
    running.accounting = Accounting(
        live=running.live,
        queues=running.queues,
        watch=running.watch,
        counters=running.counters,
        backlog=running.backlog,
        enlist=running.bodies.enlist,
        loop_now=running.loop.time,
        log=running.log,
        orders=OrderAccounting(
            queues=running.queues,
            counters=running.counters,
            backlog=running.backlog,
            batches_due=running.finalizer.look_at,
            batch_ended=running.finalizer.ended,
            files_freed=running.tidier.freed,
        ),
    )
    effects = Effects(
        watch=running.watch,
        recent=running.recent,
        feed=running.feed,
        backlog=running.backlog,
        begin=running.bodies.begin,
        times_changed=running.times_alarm.ring,
        loop_now=running.loop.time,
    )
    running.committing = Committing(
        running.store,
        running.accounting,
        effects,
        running.stamper,
        running.log,
        running.watch_alarm.ring,
    )
    running.planner = Planner(
        live=running.live,
        queues=running.queues,
        watch=running.watch,
        random=running.random,
        stamp_now=running.stamper.now,
        wall_now=running.clock.wall_us,
        loop_now=running.loop.time,
        progress_interval=running.settings.progress_interval,
    )


def _assemble_files(running: Running) -> None:
    names = StoredNames(running.epoch)
    # Apart from the threads of bodies: those may all be waiting for a file.
    threads = running.file_threads = DaemonThreads(FILE_THREADS, "overseen-file")
    running.folder = Folder(
        folder_beside(running.store.location), executor=lambda: threads, new_name=names.new
    )
    running.tidier = Tidier(
        store=running.store,
        folder=running.folder,
        names=names,
        log=running.log,
    )


def start_actors(running: Running, keeper: Keeper) -> HookCaller | None:
    """Start every actor under `keeper`; return the hooks' one, if there are hooks."""
    watchdog = Watchdog(
        watch=running.watch,
        alarm=running.watch_alarm,
        committing=running.committing,
        store=running.store,
        counters=running.counters,
        settings=running.settings,
        post=running.post,
        busy=lambda: len(running.live) > 0,
        stamp_now=running.stamper.now,
        batches_due=running.finalizer.look_at,
        files_freed=running.tidier.freed,
        log=running.log,
    )
    scheduler = Scheduler(
        store=running.store,
        alarm=running.times_alarm,
        clock=running.clock,
        stamper=running.stamper,
        post=running.post,
    )
    lives = _supervisor_actors(running)
    keeper.start("feed", running.feed.run_tail, Restart.TRANSIENT)
    keeper.start("scribe", running.scribe.run)
    keeper.start("supervisor", lambda: next(lives).run(), Restart.TRANSIENT)
    keeper.start("watchdog", watchdog.run)
    keeper.start("sweeper", watchdog.run_sweeps)
    keeper.start("scheduler", scheduler.run)
    keeper.start("finalizer", running.finalizer.run, Restart.TRANSIENT)
    keeper.start("tidier", running.tidier.run, Restart.TRANSIENT)
    if not running.hooks:
        return None
    hook_caller = HookCaller(
        running.hooks, running.feed, running.counters, running.log, after=running.opened_at_seq
    )
    keeper.start("hooks", hook_caller.run, Restart.TRANSIENT)
    return hook_caller


def _supervisor_actors(running: Running) -> Iterator[SupervisorActor]:
    """One life of the supervisor actor after the other; each goes on with the same mailbox."""
    for life in count():
        yield SupervisorActor(
            running.mailbox,
            running.backlog,
            planner=running.planner,
            committing=running.committing,
            live=running.live,
            store=running.store,
            scope=running.scope,
            resync=lambda: resync(running),
            look_anew=running.look_anew,
            begin=running.bodies.begin,
            again=life > 0,
        )
