"""What memory learns from a group that is on disk: who runs, which slots are free, what was told.

It comes first, before the next group is planned; telling the world (`effects.py`) follows, while
the store is already at work on the next group. Nothing here waits and nothing here decides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from overseen.attempt import Attempt
from overseen.counters import Counters
from overseen.done import Done
from overseen.ended import Returned
from overseen.live import Live
from overseen.messages import Annotate, Finished, Message
from overseen.order_accounting import OrderAccounting
from overseen.plan import Plan
from overseen.queues import Queues
from overseen.recent import End
from overseen.watch import Watch
from overseen.workers import invalid_report
from overseen_storage.answers import Accepted, Claimed, Committed, Missed
from overseen_storage.items import Finish, Note, PutBack, SetQueue
from overseen_storage.lifecycle import Cause, EventType, Status, event_after_attempt

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Accounting"]


class Accounting:
    """Brings memory up to date with the disk."""

    def __init__(
        self,
        *,
        live: Live,
        queues: Queues,
        watch: Watch,
        counters: Counters,
        backlog: deque[Message],
        enlist: Callable[[Claimed], Attempt],
        loop_now: Callable[[], float],
        log: FilteringBoundLogger,
        orders: OrderAccounting,
    ) -> None:
        self._live = live
        self._queues = queues
        self._watch = watch
        self._counters = counters
        self._backlog = backlog
        self._enlist = enlist
        self._loop_now = loop_now
        self._log = log
        self._orders = orders

    def account(self, plan: Plan, committed: Committed) -> Done:
        """The group is on disk."""
        done = Done(plan, committed)
        self._counters.groups += 1
        now = self._loop_now()
        for field, refused in committed.refused.items():
            self._log.error("row.refused", field=field, errors=list(refused.values()))
        self._ends(done)
        self._put_backs(done)
        self._submits(done)
        self._cancellations(done, now)
        self._stoppings(plan, committed, now)
        self._waiting(done)
        self._orders.account(done)
        self._reports(plan, committed)
        for claimed in committed.claimed:
            self._queues.take(claimed.queue)
            done.started.append(self._enlist(claimed))
        self._counters.add(EventType.STARTED, len(committed.claimed))
        for queue in committed.short_queues:
            self._queues.exhausted(queue)
        return done

    def noted(self, types: Iterable[EventType]) -> None:
        """These annotations are on disk."""
        for type in types:
            self._counters.add(type)

    def _ends(self, done: Done) -> None:
        plan, missed = done.plan, done.committed.missed_finishes
        refused = done.committed.refused.get("finishes", {})
        for index, (finish, attempt) in enumerate(zip(plan.finishes, plan.finished, strict=True)):
            if missed and index in missed:
                self._end_missed(done, finish, attempt, missed[index])
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
            done.ends.append((finish.job_id, end))
            self._counters.add(event_after_attempt(finish.status))

    def _put_backs(self, done: Done) -> None:
        plan, missed = done.plan, done.committed.missed_put_backs
        refused = done.committed.refused.get("put_backs", {})
        for index, (back, attempt) in enumerate(zip(plan.put_backs, plan.returned, strict=True)):
            if index in missed:
                self._end_missed(done, back, attempt, missed[index])
                continue
            if refused and index in refused:
                self._end_refused(attempt, refused[index])
                continue
            self._drop(attempt)
            self._counters.add(event_after_attempt(back.status))
            if back.status is Status.PENDING:
                self._queues.enter(attempt.claimed.queue)
        if plan.put_backs:
            done.times_changed = True

    def _drop(self, attempt: Attempt) -> None:
        self._live.remove(attempt)
        if not attempt.stuck:
            self._queues.give_back(attempt.claimed.queue)

    def _end_missed(
        self, done: Done, move: Finish | PutBack, attempt: Attempt, row: Missed
    ) -> None:
        """The row is not what this attempt left: it was judged elsewhere. Its report is late."""
        self._drop(attempt)
        done.unseen.append(attempt.claimed.id)
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
        attempt.ended = invalid_report("RowRefused", f"the store refused the attempt's end: {why}")
        self._backlog.append(Finished(attempt))

    def _submits(self, done: Done) -> None:
        for message, result in zip(done.plan.submits, done.committed.submissions, strict=True):
            if not isinstance(result, Accepted):
                continue
            done.unseen.extend(result.replaced)
            self._counters.add(EventType.CANCELLED, len(result.replaced))
            created = result.created
            for index, job in enumerate(message.submission.jobs):
                if created is not None and not created[index]:
                    continue
                if job.status is Status.PENDING:
                    self._queues.enter(job.queue)
                    self._counters.events[EventType.SUBMITTED] += 1
                elif job.status is Status.DRAFT:
                    self._counters.events[EventType.DRAFTED] += 1
                else:
                    self._counters.events[EventType.SCHEDULED] += 1
                if job.queue_timeout_us is not None or job.status is not Status.PENDING:
                    done.times_changed = True

    def _cancellations(self, done: Done, now: float) -> None:
        plan, committed = done.plan, done.committed
        void = _void(committed, "cancel_requests", committed.missed_cancel_requests)
        for index, (attempt, _) in enumerate(plan.cancelling):
            if index in void:
                continue
            attempt.cancelling = True
            attempt.cancel_reason = plan.cancel_requests[index].reason
            attempt.cancel_cause = plan.cancel_requests[index].cause
            self.tell_to_stop(attempt, now)
            self._counters.add(EventType.CANCELLING)
        void = _void(committed, "cancels", committed.missed_cancels)
        for index, cancel in enumerate(plan.cancelled):
            if index not in void:
                done.unseen.append(cancel.job_id)
                self._counters.add(EventType.CANCELLED)

    def _stoppings(self, plan: Plan, committed: Committed, now: float) -> None:
        refused = committed.refused.get("stoppings", {})
        for index, attempt in enumerate(plan.stopping):
            if index in committed.missed_stoppings:
                continue
            if index in refused:
                self._watch.look_later(attempt, now)
                continue
            attempt.stop_reason = plan.stoppings[index].reason
            self.tell_to_stop(attempt, now)
            self._counters.add(EventType.STOPPING)
        for attempt in plan.stuck:
            # Also if it has ended meanwhile: the ledger says that it was stuck.
            self._live.quarantine(attempt)
            self._queues.give_back(attempt.claimed.queue)
            self._log.warning("job.stuck", job_id=attempt.claimed.id, kind=attempt.job.kind)
        for attempt in plan.tell_again:
            attempt.deliver_cancellation()

    def tell_to_stop(self, attempt: Attempt, now: float) -> None:
        """What the row says of it, the body is to know."""
        if attempt.stopping_since is None:
            attempt.stopping_since = now
            self._watch.follow(attempt, now)
        attempt.deliver_cancellation()

    def _waiting(self, done: Done) -> None:
        plan, committed = done.plan, done.committed
        refused = committed.refused.get("queues", {})
        for index, message in enumerate(plan.pausing):
            if index not in refused:
                self._paused(message.setting)
        self._queues.enter_all(committed.made_due)
        promoted = self._changes(plan, committed)
        due = sum(committed.made_due.values()) - promoted - committed.unheld
        self._counters.add(EventType.DUE, due)
        self._counters.add(EventType.HELD, committed.held)
        done.unseen.extend(committed.expired)
        self._counters.add(EventType.FAILED, len(committed.expired))
        done.unseen.extend(committed.expired_drafts)
        self._counters.add(EventType.CANCELLED, len(committed.expired_drafts))
        if plan.changes or plan.make_due or plan.expire:
            done.times_changed = True

    def _paused(self, setting: SetQueue) -> None:
        if setting.paused == (setting.name in self._queues.paused):
            return  # it is so already, the ledger says nothing
        if setting.paused:
            self._queues.pause(setting.name)
            self._counters.add(EventType.QUEUE_PAUSED)
        else:
            self._queues.resume(setting.name)
            self._counters.add(EventType.QUEUE_RESUMED)

    def _changes(self, plan: Plan, committed: Committed) -> int:
        """Count what operators changed; return how many jobs they promoted."""
        promoted = 0
        void = _void(committed, "changes", committed.missed_changes)
        for index, change in enumerate(plan.changes):
            if index in void:
                continue
            if change.promote:
                promoted += 1
            elif not change.release_hold:
                self._counters.add(EventType.CHANGED)
        self._counters.add(EventType.PROMOTED, promoted)
        self._counters.add(EventType.UNHELD, committed.unheld)
        return promoted

    def _reports(self, plan: Plan, committed: Committed) -> None:
        void = _void(committed, "notes", committed.missed_notes)
        for index, note in enumerate(plan.notes):
            if index not in void:
                self._counters.add(note.type)
        self._backlog.extend(plan.late)


def _void(committed: Committed, field: str, missed: Mapping[int, Missed]) -> Collection[int]:
    """Which items of a field changed nothing: their guard did not hold, or the schema refused."""
    refused = committed.refused.get(field)
    return missed.keys() | refused.keys() if refused else missed
