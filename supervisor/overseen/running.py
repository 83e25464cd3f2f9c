"""The root: everything that exists while a supervisor runs.

It owns what must outlive a restart of any actor: the store, the table of live attempts, the
mailbox, the backlog, the commit under way. `assembling.py` puts the parts together, `life.py` takes
them from open to close.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from overseen.attachments.folder import Folder
from overseen.attachments.keeping import Uploads
from overseen.attachments.tidying import Tidier
from overseen.batches.finalizing import Finalizer
from overseen.bodies import Bodies
from overseen.committing import Committing
from overseen.counters import Counters, Figures
from overseen.errors import SupervisorFailed
from overseen.feed import Feed
from overseen.hooks import Hooks
from overseen.live import Live
from overseen.messages import Message, StopMembers, Tick
from overseen.plan import Scope
from overseen.planning import Planner
from overseen.queues import Queues
from overseen.recent import Recent
from overseen.recovery import Recovered
from overseen.registry import Registry
from overseen.scribe import Scribe
from overseen.settings import Settings
from overseen.threads import DaemonThreads
from overseen.watch import Watch
from overseen_actors.alarm import Alarm
from overseen_actors.clock import Clock, Stamper
from overseen_actors.mailbox import Mailbox
from overseen_storage.store import Store

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from overseen.accounting import Accounting
    from overseen.attempt import Attempt
    from overseen.handle import Handle
    from overseen.jobs import Call

__all__ = ["Running"]

T = TypeVar("T")


class Running:
    """What exists during one life of a supervisor, and what its parts ask of it.

    The attributes that are only declared are there once the store is open: they begin where it
    left off.
    """

    epoch: int
    opened_at_seq: int
    """The ledger's height before the start wrote anything about jobs."""
    stamper: Stamper
    recent: Recent
    scribe: Scribe
    bodies: Bodies
    folder: Folder
    file_threads: DaemonThreads
    tidier: Tidier
    finalizer: Finalizer
    accounting: Accounting
    committing: Committing
    planner: Planner

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
        self.settings = settings
        self.registry = registry
        self.hooks = hooks
        self.store = store
        self.clock = clock
        self.random = random
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
        self.uploads = Uploads()
        self.watch_alarm = Alarm()
        self.times_alarm = Alarm()
        self.watch = Watch(self.watch_alarm.ring)
        self.failure: SupervisorFailed | None = None
        """Why the supervisor gave up, if it did."""
        self.quiet = False
        """Nothing new is started."""
        self.ended = False
        """No job will end any more in this life."""
        self.kinds = registry.kinds
        self._timeouts_us = {
            job.kind: job.definition.timeout_us
            for job in registry
            if job.definition.timeout_us is not None
        }
        self._submit_child = submit_child

    @property
    def survivors(self) -> list[Attempt]:
        """Bodies that outlived the stop."""
        return self.bodies.survivors

    def scope(self) -> Scope:
        """Return what the next plan may do besides answering messages."""
        return Scope(not self.quiet, self.epoch, self.kinds, self._timeouts_us)

    def post(self, message: Tick | StopMembers) -> None:
        """Make the supervisor look, while it takes messages."""
        if not self.mailbox.closed:
            self.mailbox.post(message)

    def draft_expires_at(self) -> int:
        """Return the stamp at which a draft that somebody works on now is given up."""
        return self.stamper.now() + int(self.settings.draft_timeout * 1_000_000)

    def look_anew(self) -> None:
        """Those who sleep until a moment they read from the store, or from memory, look again."""
        self.times_alarm.ring()
        self.watch_alarm.ring()

    async def submit_child(self, parent_id: int, call: Call[T]) -> Handle[T]:
        """Submit on behalf of a body."""
        handle: Handle[T] = await self._submit_child(parent_id, call)
        return handle

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
