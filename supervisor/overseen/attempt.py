"""A live attempt: what is in memory while a body runs. Owned by the live table, one per body."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from overseen.deciding import Known
from overseen.ended import Ended
from overseen_storage.answers import Claimed
from overseen_storage.lifecycle import Cause, EventType, Reason
from overseen_storage.records import Progress

if TYPE_CHECKING:
    from overseen.attachments.given import Attachments
    from overseen.jobs import Job

__all__ = ["Attempt", "Mark"]

WARNINGS_MAX: Final = 100
"""Warnings of one attempt that reach the ledger; further ones are counted in a last one."""


class Mark:
    """A warning or a checkpoint on its way to the ledger."""

    __slots__ = ("data", "saved", "type")

    def __init__(self, type: EventType, data: str, saved: asyncio.Future[None] | None) -> None:
        self.type = type
        self.data = data
        self.saved = saved

    def replaces(self, older: Mark) -> None:
        """It is written in the place of `older`: whoever waits for that one waits for this."""
        waiting = older.saved
        if self.saved is None:
            self.saved = waiting
        elif waiting is not None:
            self.saved.add_done_callback(lambda saved: _pass_on(saved, waiting))

    def refuse(self, error: BaseException) -> None:
        """It will not be on the ledger: tell whoever waits for it."""
        if self.saved is not None and not self.saved.done():
            self.saved.set_exception(error)
            self.saved.exception()  # looked at: perhaps nobody waits


class Attempt:
    """One run of one job.

    The body writes into slots (`last_beat`, `progress`, `marks`), where the latest wins, instead
    of sending messages: however often it reports, the mailbox holds at most one `Changed` and one
    `Finished` of it.
    """

    # Defaults stand in the class, so that beginning an attempt stores only what it has of its own:
    # tens of thousands begin each second.

    task: asyncio.Task[None] | None = None
    """Its worker, from its begin to its report."""
    entered: bool = False
    """The worker's coroutine has begun. Before that a cancellation would skip it unseen."""
    ended: Ended | None = None
    """Its report, kept until the store has it."""
    look_at: float | None = None
    """Loop time at which the watch looks at it next."""
    cancelling: bool = False
    """A cancel request is committed."""
    cancel_reason: Reason = Reason.REQUESTED
    cancel_cause: Cause = Cause.CALLER
    stop_reason: Reason | None = None
    """`timeout` or `silent`, once committed."""
    interrupted: bool = False
    """A shutdown has told it to stop."""
    stopping_since: float | None = None
    """Loop time at which it was first told to stop, for whatever cause."""
    stuck: bool = False
    """It ignores its cancellation past the grace, and holds no slot any more."""
    waits_for_thread: bool = False
    """All threads are busy: its body has not begun, so nothing of it is timed."""
    waits_for_files: bool = False
    """Its files are being compared: its body has not begun, so its silence means nothing. Its run
    timeout counts: nothing else bounds a disk that does not answer."""
    thread_cancel: bool = False
    """Read by the context of a body in a thread: raise at the next call."""
    progress: Progress | None = None
    """What the body said last."""
    progress_taken: Progress | None = None
    """The one that was planned last. The slot itself is never cleared: the body may be in a
    thread, and what it writes between a look and a clearing would be lost."""
    progress_timer: asyncio.TimerHandle | None = None
    """Set while progress waits until it is due."""
    warnings: int = 0
    """How many of this attempt are on the ledger, or on their way."""
    warnings_dropped: int = 0
    """How many more there were than are kept."""
    changed: bool = False
    """A `Changed` lies in the mailbox."""
    attachments: Attachments | None = None
    """The job's files, once they were brought; None if it has none."""

    def __init__(
        self,
        claimed: Claimed,
        job: Job[..., Any],
        now: float,
        report_changed: Callable[[Attempt], None],
    ) -> None:
        definition = job.definition
        self.claimed = claimed
        self.job = job
        self.report_changed = report_changed
        timeout_us = claimed.timeout_us or definition.timeout_us
        heartbeat_us = claimed.heartbeat_us or definition.heartbeat_us
        self.timeout_seconds = None if timeout_us is None else timeout_us / 1e6
        self.body_deadline = None if timeout_us is None else now + timeout_us / 1e6
        """Loop time at which the run timeout is reached."""
        self.heartbeat_seconds = None if heartbeat_us is None else heartbeat_us / 1e6
        if claimed.attachments:
            self.waits_for_files = True
        self.began_at = self.last_beat = now
        """Loop time of the last sign of life."""
        self.next_progress_at = now
        self.marks: list[Mark] = []

    @property
    def grace_seconds(self) -> float:
        """How long the body may take to obey a cancellation."""
        grace_us = self.claimed.grace_us
        return (self.job.definition.grace_us if grace_us is None else grace_us) / 1e6

    @property
    def told_to_stop(self) -> bool:
        """Whether the body has been told, by anybody."""
        return self.stopping_since is not None

    @property
    def has_progress(self) -> bool:
        """Whether its last progress was not taken yet."""
        return self.progress is not self.progress_taken

    @property
    def is_timed(self) -> bool:
        """Whether it has a timeout or promised a heartbeat."""
        return self.body_deadline is not None or self.heartbeat_seconds is not None

    def files_are_here(self, attachments: Attachments, now: float) -> None:
        """Its body begins: from here on it may not be silent."""
        self.attachments = attachments
        self.waits_for_files = False
        self.last_beat = now

    def begin_in_thread(self, now: float) -> None:
        """Its body has a thread at last: what is measured begins now."""
        self.waits_for_thread = False
        self.began_at = self.last_beat = now
        if self.timeout_seconds is not None:
            self.body_deadline = now + self.timeout_seconds

    def known(self) -> Known:
        """Return what the decision about its end needs."""
        claimed = self.claimed
        return Known(
            claimed.id,
            claimed.fence,
            claimed.failures,
            claimed.retries,
            self.job.definition,
            self.cancelling,
            self.stop_reason,
            self.interrupted,
            self.cancel_reason,
            self.cancel_cause,
        )

    @property
    def has_news(self) -> bool:
        """Whether there is something in its slots that no plan has taken."""
        return self.has_progress or bool(self.marks)

    def put_mark(self, mark: Mark) -> None:
        """Take a mark; of several checkpoints only the last is worth writing."""
        if mark.type is EventType.CHECKPOINT:
            for older in [one for one in self.marks if one.type is EventType.CHECKPOINT]:
                self.marks.remove(older)
                mark.replaces(older)
        self.marks.append(mark)

    def refuse_marks(self, error: BaseException) -> None:
        """Nothing is written any more: whoever waits for a mark must not wait for ever."""
        marks, self.marks = self.marks, []
        for mark in marks:
            mark.refuse(error)

    def deliver_cancellation(self) -> None:
        """Tell the body to stop, now. To be repeated: a body may swallow one."""
        self.thread_cancel = True
        if self.entered and self.task is not None and self.ended is None:
            self.task.cancel()

    def drop_timers(self) -> None:
        """Nothing of it may fire after its end."""
        if self.progress_timer is not None:
            self.progress_timer.cancel()
            self.progress_timer = None


def _pass_on(saved: asyncio.Future[None], waiting: asyncio.Future[None]) -> None:
    if waiting.done() or saved.cancelled():
        return
    error = saved.exception()
    if error is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(error)
        waiting.exception()  # looked at: perhaps nobody waits
