"""What happens once a group is on disk, in this order: memory, callers, bodies, feed.

Nothing here waits and nothing here decides. If the group did not reach the disk, `undo` gives
reports back to their senders and tells the callers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from overseen.attempt import Attempt, Mark
from overseen.counters import Counters
from overseen.ended import Returned
from overseen.errors import refusal
from overseen.feed import Feed
from overseen.live import Live
from overseen.messages import Annotate, CancelAnswered, Changed, Finished, Message, SubmitAnswered
from overseen.planning import Plan
from overseen.queues import Queues
from overseen.recent import End, Recent
from overseen.watch import Watch
from overseen_storage.groups import Accepted, Claimed, Committed, Finish, Missed, Note, PutBack
from overseen_storage.lifecycle import Cause, EventType, Status, event_after_attempt

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

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
    """Applies committed plans to memory and to the world."""

    def __init__(
        self,
        *,
        live: Live,
        queues: Queues,
        watch: Watch,
        recent: Recent,
        feed: Feed,
        counters: Counters,
        backlog: deque[Message],
        start: Callable[[Claimed], None],
        times_changed: Callable[[], None],
        loop_now: Callable[[], float],
        progress_interval: float,
        log: FilteringBoundLogger,
    ) -> None:
        self._live = live
        self._queues = queues
        self._watch = watch
        self._recent = recent
        self._feed = feed
        self._counters = counters
        self._backlog = backlog
        self._start = start
        self._times_changed = times_changed
        self._loop_now = loop_now
        self._progress_interval = progress_interval
        self._log = log

    def apply(self, plan: Plan, committed: Committed) -> None:
        """The group is on disk."""
        self._counters.groups += 1
        now = self._loop_now()
        self._ends(plan, committed)
        self._put_backs(plan, committed)
        self._submits(plan, committed)
        self._cancellations(plan, committed, now)
        self._stoppings(plan, committed, now)
        self._waiting(plan, committed)
        self._reports(plan, committed, now)
        for claimed in committed.claimed:
            self._queues.take(claimed.queue)
            self._start(claimed)
        self._counters.add(EventType.STARTED, len(committed.claimed))
        for queue in committed.short_queues:
            self._queues.exhausted(queue)
        self._feed.advance(committed.first_seq + committed.events - 1)

    def without_writing(self, plan: Plan) -> None:
        """The plan had nothing for the store: only answers and repeated cancellations."""
        for cancel, status in plan.answers:
            answer(cancel.reply, CancelAnswered(status))
        for attempt in plan.tell_again:
            attempt.deliver_cancellation()

    # The parts, in the order above.

    def _ends(self, plan: Plan, committed: Committed) -> None:
        missed = committed.missed_finishes
        refused = committed.refused.get("finishes", {})
        for index, (finish, attempt) in enumerate(zip(plan.finishes, plan.finished, strict=True)):
            if missed and index in missed:
                self._end_missed(finish, attempt, missed[index])
                continue
            if refused and index in refused:
                self._end_refused(attempt, refused[index])
                continue
            self._drop(attempt)
            claimed = attempt.claimed
            end = End(
                claimed.kind,
                finish.status,
                finish.fence,
                finish.reason,
                finish.error,
                finish.result,
                claimed.warnings + attempt.warnings,
            )
            self._recent.add(finish.job_id, end)
            self._counters.add(event_after_attempt(finish.status))

    def _put_backs(self, plan: Plan, committed: Committed) -> None:
        missed = committed.missed_put_backs
        for index, (back, attempt) in enumerate(zip(plan.put_backs, plan.returned, strict=True)):
            if index in missed:
                self._end_missed(back, attempt, missed[index])
                continue
            self._drop(attempt)
            self._counters.add(event_after_attempt(back.status))
            if back.status is Status.PENDING:
                self._queues.enter(attempt.claimed.queue)
        if plan.put_backs:
            self._times_changed()

    def _drop(self, attempt: Attempt) -> None:
        self._live.remove(attempt)
        if not attempt.stuck:
            self._queues.give_back(attempt.claimed.queue)
        for mark in attempt.marks:
            if mark.saved is not None:
                answer(mark.saved, None)

    def _end_missed(self, move: Finish | PutBack, attempt: Attempt, row: Missed) -> None:
        """The row is not what this attempt left: it was judged elsewhere. Its report is late."""
        self._drop(attempt)
        self._recent.add_unseen(attempt.claimed.id)
        if row.status is move.status and row.fence == move.fence:
            return  # the same end was written before, and only the answer got lost
        returned = isinstance(attempt.ended, Returned)
        late = EventType.LATE_SUCCESS if returned else EventType.LATE_FAILURE
        claimed = attempt.claimed
        self._backlog.append(
            Annotate(Note(late, claimed.id, claimed.fence, claimed.batch_id, cause=Cause.BODY))
        )
        self._log.info(
            "attempt.stale", job_id=claimed.id, fence=claimed.fence, status=row.status, late=late
        )

    def _end_refused(self, attempt: Attempt, why: str) -> None:
        """The schema refuses the row: a bug of ours must not keep the job running for ever."""
        self._log.error("attempt.refused", job_id=attempt.claimed.id, error=why)
        from overseen.workers import invalid_report

        attempt.ended = invalid_report("RowRefused", f"the store refused the attempt's end: {why}")
        self._backlog.append(Finished(attempt))

    def _submits(self, plan: Plan, committed: Committed) -> None:
        for message, result in zip(plan.submits, committed.submissions, strict=True):
            jobs = message.submission.jobs
            if not isinstance(result, Accepted):
                refuse(message.reply, refusal(result, jobs[result.index]))
                continue
            answer(message.reply, SubmitAnswered(result.ids, result.created))
            for job_id in result.replaced:
                self._recent.add_unseen(job_id)
            self._counters.add(EventType.CANCELLED, len(result.replaced))
            timed = False
            for job in jobs:
                if job.status is Status.PENDING:
                    self._queues.enter(job.queue)
                    timed = timed or job.queue_timeout_us is not None
                else:
                    timed = True
            created = len(jobs) if result.created is None else sum(result.created)
            self._counters.add(EventType.SUBMITTED, created)
            if timed:
                self._times_changed()

    def _cancellations(self, plan: Plan, committed: Committed, now: float) -> None:
        for cancel, status in plan.answers:
            answer(cancel.reply, CancelAnswered(status))
        for index, (attempt, cancel) in enumerate(plan.cancelling):
            missed = committed.missed_cancel_requests.get(index)
            if missed is not None:
                answer(cancel.reply, CancelAnswered(missed.status))
                continue
            attempt.cancelling = True
            attempt.cancel_reason = plan.cancel_requests[index].reason
            attempt.cancel_cause = cancel.cause
            self._tell(attempt, now)
            self._counters.add(EventType.CANCELLING)
            answer(cancel.reply, CancelAnswered(Status.CANCELLING))
        for index, cancel in enumerate(plan.cancelled):
            missed = committed.missed_cancels.get(index)
            if missed is not None:
                answer(cancel.reply, CancelAnswered(missed.status))
                continue
            self._recent.add_unseen(cancel.job_id)
            self._counters.add(EventType.CANCELLED)
            answer(cancel.reply, CancelAnswered(Status.CANCELLED))

    def _stoppings(self, plan: Plan, committed: Committed, now: float) -> None:
        for index, attempt in enumerate(plan.stopping):
            if index in committed.missed_stoppings:
                continue
            attempt.stop_reason = plan.stoppings[index].reason
            self._tell(attempt, now)
            self._counters.add(EventType.STOPPING)
        for attempt in plan.stuck:
            # Also if it has ended meanwhile: the ledger says that it was stuck.
            self._live.quarantine(attempt)
            self._queues.give_back(attempt.claimed.queue)
            self._recent.nudge(attempt.claimed.id)
            self._log.warning("job.stuck", job_id=attempt.claimed.id, kind=attempt.job.kind)
        for attempt in plan.tell_again:
            attempt.deliver_cancellation()

    def _tell(self, attempt: Attempt, now: float) -> None:
        if attempt.stopping_since is None:
            attempt.stopping_since = now
            self._watch.follow(attempt, now)
        attempt.deliver_cancellation()

    def _waiting(self, plan: Plan, committed: Committed) -> None:
        for index, change in enumerate(plan.changing):
            missed = committed.missed_changes.get(index)
            if missed is None:
                answer(change.reply, None)
            else:
                answer(change.reply, missed.status or Status.DRAFT)
        for message in plan.pausing:
            setting = message.setting
            (self._queues.pause if setting.paused else self._queues.resume)(setting.name)
            answer(message.reply, None)
        self._queues.enter_all(committed.made_due)
        self._counters.add(EventType.DUE, sum(committed.made_due.values()))
        for job_id in committed.expired:
            self._recent.add_unseen(job_id)
        self._counters.add(EventType.FAILED, len(committed.expired))
        if plan.changes or plan.make_due or plan.expire:
            self._times_changed()

    def _reports(self, plan: Plan, committed: Committed, now: float) -> None:
        for attempt, _ in plan.changed:
            attempt.next_progress_at = now + self._progress_interval
        for mark in plan.marks.values():
            if mark.saved is not None:
                answer(mark.saved, None)
        missed = committed.missed_notes
        for index, note in enumerate(plan.notes):
            if index not in missed:
                self._counters.add(note.type)
        self._backlog.extend(plan.late)

    # The group did not reach the disk.

    def undo(self, plan: Plan, error: BaseException) -> None:
        """Keep what running bodies reported, for a later group; tell the callers why not now."""
        self.refuse_all(plan, error)
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
        for _, cancel in plan.cancelling:
            refuse(cancel.reply, error)
        for cancel in plan.cancelled:
            refuse(cancel.reply, error)
        for change in plan.changing:
            refuse(change.reply, error)
        for pause in plan.pausing:
            refuse(pause.reply, error)

    def _undo_changed(self, plan: Plan, attempt: Attempt, marks: list[Mark]) -> None:
        attempt.marks[:0] = marks
        if attempt.progress is None:
            for note in plan.notes:
                if note.job_id == attempt.claimed.id and note.progress is not None:
                    attempt.progress = note.progress
        if attempt.ended is None and not attempt.changed:
            attempt.changed = True
            self._backlog.append(Changed(attempt))
