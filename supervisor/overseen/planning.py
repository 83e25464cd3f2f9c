"""From waiting messages to one group: what the next transaction shall do, and who is to be told.

Planning takes messages and what bodies left in their slots; everything else in memory changes after
COMMIT (`effects.py`).
At most one move per job and group: a second message about a job waits for the next group. Ends
are planned first, so that a body that has finished is never told to stop in the same breath.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, assert_never

from overseen.attempt import Attempt
from overseen.deciding import after_attempt
from overseen.ended import Returned
from overseen.live import Live
from overseen.messages import (
    Annotate,
    Cancel,
    Change,
    Changed,
    Finished,
    Message,
    PauseQueue,
    PlaceOrder,
    StopMembers,
    Submit,
    Tick,
)
from overseen.plan import GROUP_JOBS_MAX, Plan, Scope
from overseen.queues import Queues
from overseen.reporting import sum_up_warnings, take_marks, take_progress
from overseen.watch import Verdict, Watch
from overseen_storage.items import (
    CancelWaiting,
    Expire,
    Finish,
    MakeDue,
    MarkStopping,
    Note,
    PutBack,
    RequestCancel,
)
from overseen_storage.lifecycle import Cause, EventType, Reason, Status
from overseen_storage.orders import CancelMembers

__all__ = ["Planner"]

DUE_MAX: Final = 1_000
"""Jobs made due, or expired, in one group."""
MEMBERS_MAX: Final = 1_000
"""Members of a stopped batch cancelled in one group."""


class Planner:
    """Makes plans from messages and from what is known in memory, which it does not change."""

    def __init__(
        self,
        *,
        live: Live,
        queues: Queues,
        watch: Watch,
        random: Callable[[], float],
        stamp_now: Callable[[], int],
        wall_now: Callable[[], int],
        loop_now: Callable[[], float],
        progress_interval: float,
    ) -> None:
        self._live = live
        self._queues = queues
        self._watch = watch
        self._random = random
        self._stamp_now = stamp_now
        self._wall_now = wall_now
        self._loop_now = loop_now
        self._progress_interval = progress_interval
        self._in_hand: list[Message] = []
        self._unfinished: Plan | None = None

    def take_unfinished(self) -> Plan | None:
        """Return the last plan if nobody took it over: after a failure, what it holds is given
        back to its senders."""
        unfinished, self._unfinished = self._unfinished, None
        return None if unfinished is None or unfinished.taken_over else unfinished

    def take_unanswered(self, backlog: deque[Message]) -> list[Message]:
        """After a failure: return what was in hand and is neither planned nor waiting again."""
        waiting = {id(message) for message in backlog}
        in_hand, self._in_hand = self._in_hand, []
        return [message for message in in_hand if id(message) not in waiting]

    def plan(self, backlog: deque[Message], scope: Scope) -> Plan:
        """Take from `backlog` what fits into one group; the rest stays, in order."""
        plan = self._unfinished = Plan()
        self._in_hand = list(backlog)
        later: list[Message] = []
        others = self._plan_ends(plan, backlog)
        tick = Tick()
        for message in others:
            if type(message) is Tick:
                tick = _both(tick, message)
            elif not self._plan_one(plan, message):
                later.append(message)
        backlog.extend(later)
        self._plan_looks(plan, tick)
        self._plan_times(plan, tick)
        if scope.claim:
            entering = plan.entering()
            pausing = {setting.name for setting in plan.queues if setting.paused}
            plan.claims, plan.claim_limit = self._queues.claims(plan.freed, entering, pausing)
        self._in_hand = []
        return plan

    def _plan_ends(self, plan: Plan, backlog: deque[Message]) -> list[Message]:
        """Plan every end that waits; return the other messages."""
        others: list[Message] = []
        now = self._stamp_now()
        for message in backlog:
            if type(message) is Finished:
                self._plan_end(plan, message.attempt, now)
            else:
                others.append(message)
        backlog.clear()
        return others

    def _plan_end(self, plan: Plan, attempt: Attempt, now: int) -> None:
        ended = attempt.ended
        assert ended is not None, "a body reports its end before it says that it has one"
        claimed = attempt.claimed
        if attempt.warnings_dropped:
            sum_up_warnings(attempt)
        if attempt.has_news:
            self._plan_changed(plan, attempt, last=True)
        decision = after_attempt(attempt.known(), ended, now, self._random)
        if type(decision) is Finish:
            plan.finishes.append(decision)
            plan.finished.append(attempt)
        else:
            assert type(decision) is PutBack
            plan.put_backs.append(decision)
            plan.returned.append(attempt)
        plan.moved.add(claimed.id)
        plan.frees(attempt)
        if attempt.stuck:
            plan.notes.append(_note(EventType.UNSTUCK, attempt))
        if type(ended) is Returned:
            plan.size += len(ended.result)
            if attempt.stop_reason is not None:
                late = _note(EventType.LATE_SUCCESS, attempt, Cause.BODY, attempt.stop_reason)
                plan.late.append(Annotate(late))

    def _plan_one(self, plan: Plan, message: Message) -> bool:
        """Plan one message that is not an end; False: it has to wait for the next group."""
        match message:
            case Submit():
                return self._plan_submit(plan, message)
            case Cancel():
                return self._plan_cancel(plan, message)
            case Change():
                return self._plan_change(plan, message)
            case Changed():
                self._plan_changed(plan, message.attempt)
            case PlaceOrder():
                return self._plan_order(plan, message)
            case StopMembers():
                return self._plan_stop_members(plan, message)
            case PauseQueue():
                plan.queues.append(message.setting)
                plan.pausing.append(message)
            case Annotate():
                plan.notes.append(message.note)
                plan.annotated.append(message)
            case Tick() | Finished():
                raise AssertionError(f"{message!r} was planned before")
            case _:
                assert_never(message)
        return True

    def _plan_submit(self, plan: Plan, message: Submit) -> bool:
        count = len(message.submission.jobs)
        if plan.full or (plan.jobs and plan.jobs + count > GROUP_JOBS_MAX):
            plan.submits_wait = True
        if plan.submits_wait:
            return False
        plan.submissions.append(message.submission)
        plan.submits.append(message)
        plan.jobs += count
        plan.size += message.size
        plan.notes.extend(message.notes)
        return True

    def _plan_cancel(self, plan: Plan, message: Cancel) -> bool:
        job_id = message.job_id
        if job_id in plan.moved:
            return False
        attempt = self._live.get(job_id)
        if attempt is None:
            plan.cancels.append(
                CancelWaiting(job_id, Reason.REQUESTED, message.cause, message.data)
            )
            plan.cancelled.append(message)
        elif attempt.cancelling:
            plan.answers.append((message, Status.CANCELLING))
            return True
        else:
            plan.cancel_requests.append(
                RequestCancel(
                    job_id, attempt.claimed.fence, Reason.REQUESTED, message.cause, message.data
                )
            )
            plan.cancelling.append((attempt, message))
        plan.moved.add(job_id)
        return True

    def _plan_change(self, plan: Plan, message: Change) -> bool:
        job_id = message.change.job_id
        if job_id in plan.moved:
            return False
        plan.changes.append(message.change)
        plan.changing.append(message)
        plan.moved.add(job_id)
        return True

    def _plan_order(self, plan: Plan, message: PlaceOrder) -> bool:
        job_id = message.job_id
        if job_id is not None:
            if job_id in plan.moved:
                return False
            plan.moved.add(job_id)
        plan.orders.append(message.order)
        plan.placed.append(message)
        return True

    def _plan_stop_members(self, plan: Plan, message: StopMembers) -> bool:
        """Tell the members that run, cancel some of those that wait."""
        batch_id = message.batch_id
        if any(type(one) is CancelMembers and one.batch_id == batch_id for one in plan.orders):
            return True  # the first does it, and comes again if need be: so goes do not grow
        all_told = True
        for attempt in self._live:
            claimed = attempt.claimed
            if claimed.batch_id != batch_id or attempt.cancelling:
                continue
            if claimed.id in plan.moved:
                all_told = False
                continue
            plan.cancel_requests.append(
                RequestCancel(claimed.id, claimed.fence, message.reason, Cause.BATCH)
            )
            plan.cancelling.append((attempt, message))
            plan.moved.add(claimed.id)
        plan.orders.append(CancelMembers(batch_id, MEMBERS_MAX))
        plan.placed.append(message)
        return all_told

    def _plan_changed(self, plan: Plan, attempt: Attempt, *, last: bool = False) -> None:
        attempt.changed = False
        note = take_progress(attempt, self._loop_now(), self._progress_interval, last=last)
        if note is not None:
            plan.notes.append(note)
        marks = take_marks(attempt)
        for note, mark in marks:
            plan.marks[len(plan.notes)] = mark
            plan.notes.append(note)
        plan.changed.append((attempt, [mark for _, mark in marks]))
        if attempt.has_progress:
            attempt.report_changed(attempt)  # once it is due

    def _plan_looks(self, plan: Plan, tick: Tick) -> None:
        """Judge attempts, now that everything they reported is known."""
        now = self._loop_now()
        if tick.late_seconds:
            self._watch.give_back(tick.late_seconds, self._live, now)
        for attempt, verdict in self._watch.take_due(now) if tick.look else ():
            claimed = attempt.claimed
            match verdict:
                case Verdict.TIMEOUT | Verdict.SILENT:
                    if claimed.id in plan.moved:
                        self._watch.follow(attempt, now)
                        continue
                    plan.stoppings.append(MarkStopping(claimed.id, claimed.fence, verdict.reason))
                    plan.stopping.append(attempt)
                    plan.moved.add(claimed.id)
                case Verdict.STUCK:
                    plan.notes.append(_note(EventType.STUCK, attempt))
                    plan.stuck.append(attempt)
                    plan.tell_again.append(attempt)
                    plan.frees(attempt)
                case Verdict.TELL_AGAIN:
                    plan.tell_again.append(attempt)
                case Verdict.FINE:
                    pass
                case _:
                    assert_never(verdict)

    def _plan_times(self, plan: Plan, tick: Tick) -> None:
        if tick.due:
            plan.make_due = MakeDue(self._stamp_now(), self._wall_now(), DUE_MAX)
        if tick.expire:
            plan.expire = Expire(self._stamp_now(), DUE_MAX)


def _note(
    type: EventType,
    attempt: Attempt,
    cause: Cause = Cause.WATCHDOG,
    reason: Reason | None = None,
) -> Note:
    claimed = attempt.claimed
    return Note(type, claimed.id, claimed.fence, claimed.batch_id, reason=reason, cause=cause)


def _both(first: Tick, second: Tick) -> Tick:
    return Tick(
        first.late_seconds + second.late_seconds,
        first.look or second.look,
        first.due or second.due,
        first.expire or second.expire,
    )
