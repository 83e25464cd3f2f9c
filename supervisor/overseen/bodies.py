"""From a claimed row to a running body, and from a body's slots to the supervisor's mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor

from overseen.attachments.given import Attachments
from overseen.attempt import Attempt
from overseen.context import Context
from overseen.errors import SupervisorStopped
from overseen.live import Live
from overseen.messages import Changed, Finished, Message
from overseen.registry import Registry
from overseen.threads import DaemonThreads
from overseen.watch import Watch
from overseen.workers import Workers
from overseen_actors.mailbox import Mailbox
from overseen_storage.answers import Claimed

__all__ = ["Bodies"]


class Bodies:
    """Starts attempts and takes what they report: at most one `Changed` and one `Finished` each."""

    def __init__(
        self,
        *,
        registry: Registry,
        live: Live,
        watch: Watch,
        mailbox: Mailbox[Message],
        loop: asyncio.AbstractEventLoop,
        thread_limit: int,
        make_context: Callable[[Attempt], Context],
        result_limit: int,
        bring: Callable[[int], Awaitable[Attachments]],
    ) -> None:
        self._registry = registry
        self._live = live
        self._watch = watch
        self._mailbox = mailbox
        self._loop = loop
        self._bring = bring
        self._thread_limit = thread_limit
        self._thread_pool: DaemonThreads | None = None
        self._workers = Workers(
            loop=loop,
            make_context=make_context,
            result_limit=result_limit,
            report=self._report_end,
            thread_found=self._thread_found,
            threads=self._threads,
            is_over=lambda: mailbox.closed,
            bring=self._bring_files,
        )
        self._changed = self._report_change  # one for all attempts
        self.survivors: list[Attempt] = []
        """Bodies that outlive the stop, because they ignore their cancellation."""
        self._all_ended: Callable[[], None] | None = None

    def enlist(self, claimed: Claimed) -> Attempt:
        """The start of an attempt is on disk: from here on it is live."""
        now = self._loop.time()
        attempt = Attempt(claimed, self._registry.get(claimed.kind), now, self._changed)
        self._live.add(attempt)
        if attempt.is_timed:
            self._watch.follow(attempt, now)
        return attempt

    def begin(self, attempt: Attempt) -> None:
        """Let its body begin."""
        self._workers.start(attempt)

    def when_all_ended(self, call: Callable[[], None]) -> None:
        """Once the last survivor has ended, call this."""
        self._all_ended = call

    def nothing_is_written(self) -> None:
        """From here on: a body that waits for its checkpoint is told, else it would never end."""
        for attempt in self._live:
            _refuse_marks(attempt)

    def close(self) -> None:
        """End the threads that are idle; a stuck one is left to itself."""
        if self._thread_pool is not None:
            self._thread_pool.shutdown(wait=False)
            self._thread_pool.join_idle()

    async def _bring_files(self, attempt: Attempt) -> None:
        attachments = await self._bring(attempt.claimed.id)
        now = self._loop.time()
        attempt.files_are_here(attachments, now)
        if attempt.is_timed:
            self._watch.follow(attempt, now)

    def _thread_found(self, attempt: Attempt) -> None:
        now = self._loop.time()
        attempt.begin_in_thread(now)
        self._watch.follow(attempt, now)

    def _report_change(self, attempt: Attempt) -> None:
        """A body left something in its slots: a mark is sent at once, progress when it is time."""
        if self._mailbox.closed:
            _refuse_marks(attempt)
            return
        if attempt.changed or attempt.ended is not None:
            return
        if attempt.marks or self._loop.time() >= attempt.next_progress_at:
            attempt.changed = True
            self._mailbox.post(Changed(attempt))
        elif attempt.progress_timer is None:
            attempt.progress_timer = self._loop.call_at(
                attempt.next_progress_at, self._progress_is_due, attempt
            )

    def _progress_is_due(self, attempt: Attempt) -> None:
        attempt.progress_timer = None
        self._report_change(attempt)

    def _report_end(self, attempt: Attempt) -> None:
        attempt.drop_timers()
        if self._mailbox.closed:
            self._survivor_ended(attempt)
        else:
            self._mailbox.post(Finished(attempt))

    def _survivor_ended(self, attempt: Attempt) -> None:
        if attempt in self.survivors:
            self.survivors.remove(attempt)
            if not self.survivors and self._all_ended is not None:
                self._all_ended()

    def _threads(self) -> Executor:
        if self._thread_pool is None:
            self._thread_pool = DaemonThreads(self._thread_limit)
        return self._thread_pool


def _refuse_marks(attempt: Attempt) -> None:
    what = f"the checkpoint of job {attempt.claimed.id} was not stored"
    attempt.refuse_marks(SupervisorStopped(what))
