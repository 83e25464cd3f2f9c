"""What the world learns from a group that is on disk: callers, bodies, subscribers.

Nothing here waits and nothing here decides. It happens while the store is already at work on the
next group, which is why it is apart from `accounting.py`. If a group did not reach the disk,
`undo` gives reports back to their senders and tells the callers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from overseen.attempt import Attempt, Mark
from overseen.done import Done
from overseen.errors import RequestRefused, refusal
from overseen.feed import Feed
from overseen.messages import (
    Cancel,
    CancelAnswered,
    Changed,
    Finished,
    Message,
    PlaceOrder,
    StopMembers,
    SubmitAnswered,
)
from overseen.plan import Plan
from overseen.recent import Recent
from overseen.watch import Watch
from overseen_storage.answers import Accepted, Committed
from overseen_storage.lifecycle import Status

__all__ = ["Effects", "answer", "refuse"]

T = TypeVar("T")


def answer(reply: asyncio.Future[T], value: T) -> None:
    """Answer a caller, unless it went away."""
    if not reply.done():
        reply.set_result(value)


def refuse(reply: asyncio.Future[Any], error: BaseException) -> None:
    """Tell a caller that it gets no answer, unless it went away."""
    if not reply.done():
        reply.set_exception(error)


class Effects:
    """Tells the world."""

    def __init__(
        self,
        *,
        watch: Watch,
        recent: Recent,
        feed: Feed,
        backlog: deque[Message],
        begin: Callable[[Attempt], None],
        times_changed: Callable[[], None],
        loop_now: Callable[[], float],
    ) -> None:
        self._watch = watch
        self._recent = recent
        self._feed = feed
        self._backlog = backlog
        self._begin = begin
        self._times_changed = times_changed
        self._loop_now = loop_now

    def act(self, done: Done) -> None:
        """The group is on disk, and memory knows."""
        committed = done.committed
        for attempt in done.started:
            self._begin(attempt)
        for job_id, end in done.ends:
            self._recent.add(job_id, end)
        for job_id in done.unseen:
            self._recent.add_unseen(job_id)
        for attempt in done.plan.stuck:
            self._recent.nudge(attempt.claimed.id)
        self._answer(done)
        if done.times_changed:
            self._times_changed()
        self._feed.advance(committed.first_seq + committed.events - 1)

    def without_writing(self, plan: Plan) -> None:
        """The plan had nothing for the store: only answers and repeated cancellations."""
        for cancel, status in plan.answers:
            answer(cancel.reply, CancelAnswered(status))
        for attempt in plan.tell_again:
            attempt.deliver_cancellation()

    def _answer(self, done: Done) -> None:
        plan, committed = done.plan, done.committed
        for message, result in zip(plan.submits, committed.submissions, strict=True):
            if isinstance(result, Accepted):
                answer(message.reply, SubmitAnswered(result.ids, result.created))
            else:
                refuse(message.reply, refusal(result, message.submission.jobs[result.index]))
        for cancel, status in plan.answers:
            answer(cancel.reply, CancelAnswered(status))
        if committed.refused:
            _tell_refused(plan, committed.refused)
        for index, (_, asked) in enumerate(plan.cancelling):
            if isinstance(asked, Cancel):
                missed = committed.missed_cancel_requests.get(index)
                status_now = Status.CANCELLING if missed is None else missed.status
                answer(asked.reply, CancelAnswered(status_now))
        for index, cancel in enumerate(plan.cancelled):
            missed = committed.missed_cancels.get(index)
            status_now = Status.CANCELLED if missed is None else missed.status
            answer(cancel.reply, CancelAnswered(status_now))
        for index, change in enumerate(plan.changing):
            answer(change.reply, committed.missed_changes.get(index))
        for placed, reply in zip(plan.placed, committed.orders, strict=True):
            if isinstance(placed, PlaceOrder):
                answer(placed.reply, reply)
        for pause in plan.pausing:
            answer(pause.reply, None)
        for mark in plan.marks.values():
            if mark.saved is not None:
                answer(mark.saved, None)

    def wrote(self, committed: Committed) -> None:
        """Rows are on the ledger of which only subscribers are told."""
        self._feed.advance(committed.first_seq + committed.events - 1)

    def break_off(self, plan: Plan, error: BaseException) -> None:
        """The group is on disk, but a bug keeps memory or the world from being told in order: who
        was not answered yet must not wait for ever."""
        self.refuse_all(plan, error)
        for mark in plan.marks.values():
            if mark.saved is not None:
                answer(mark.saved, None)

    # The group did not reach the disk.

    def undo(self, plan: Plan, error: BaseException) -> None:
        """Keep what running bodies reported, for a later group; tell the callers why not now."""
        self.refuse_all(plan, error)
        self._backlog.extend(plan.annotated)
        self._backlog.extend(one for one in plan.placed if isinstance(one, StopMembers))
        for attempt in (*plan.finished, *plan.returned):
            self._backlog.append(Finished(attempt))
        for attempt, marks in plan.changed:
            self._undo_changed(plan, attempt, marks)
        for attempt in (*plan.stopping, *plan.stuck):
            self._watch.follow(attempt, self._loop_now())

    def refuse_all(self, plan: Plan, error: BaseException) -> None:
        """Every caller of this plan gets `error`."""
        for submit in plan.submits:
            refuse(submit.reply, error)
        for cancel, _ in plan.answers:
            refuse(cancel.reply, error)
        for _, asked in plan.cancelling:
            if isinstance(asked, Cancel):
                refuse(asked.reply, error)
        for placed in plan.placed:
            if isinstance(placed, PlaceOrder):
                refuse(placed.reply, error)
        for cancel in plan.cancelled:
            refuse(cancel.reply, error)
        for change in plan.changing:
            refuse(change.reply, error)
        for pause in plan.pausing:
            refuse(pause.reply, error)

    def refuse_marks(self, plan: Plan, error: BaseException) -> None:
        """Every body that waits for a mark of this plan gets `error`."""
        for mark in plan.marks.values():
            mark.refuse(error)

    def _undo_changed(self, plan: Plan, attempt: Attempt, marks: list[Mark]) -> None:
        attempt.marks[:0] = marks
        for note in plan.notes:
            if note.progress is not None and note.progress is attempt.progress_taken:
                attempt.progress_taken = None
        if attempt.ended is None and not attempt.changed:
            attempt.changed = True
            self._backlog.append(Changed(attempt))


def _tell_refused(plan: Plan, refused: Mapping[str, Mapping[int, str]]) -> None:
    """What the schema refuses was not stored, and must not be answered as if it were."""
    for index, why in refused.get("cancel_requests", {}).items():
        _, asked = plan.cancelling[index]
        if isinstance(asked, Cancel):
            refuse(asked.reply, RequestRefused(f"the cancellation of job {asked.job_id}", why))
    for index, why in refused.get("cancels", {}).items():
        cancel = plan.cancelled[index]
        refuse(cancel.reply, RequestRefused(f"the cancellation of job {cancel.job_id}", why))
    for index, why in refused.get("changes", {}).items():
        change = plan.changing[index]
        refuse(change.reply, RequestRefused(f"the change of job {change.change.job_id}", why))
    for index, why in refused.get("queues", {}).items():
        pause = plan.pausing[index]
        refuse(pause.reply, RequestRefused(f"the pause of queue {pause.setting.name!r}", why))
    for index, why in refused.get("notes", {}).items():
        if index in plan.marks:
            what = f"the checkpoint of job {plan.notes[index].job_id}"
            plan.marks[index].refuse(RequestRefused(what, why))
