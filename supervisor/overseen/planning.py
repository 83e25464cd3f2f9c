"""From waiting messages to one group: what the next transaction shall do, and who is to be told.

Planning takes messages and what bodies left in their slots; everything else in memory changes after
COMMIT (`effects.py`).
At most one move per job and group: a second message about a job waits for the next group. Ends
are planned first, so that a body that has finished is never told to stop in the same breath.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, assert_never

import msgspec

from overseen.attempt import Attempt, Mark
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
from overseen.queues import Queues
from overseen.reporting import sum_up_warnings, take_marks, take_progress
from overseen.watch import Verdict, Watch
from overseen_storage.groups import Group
from overseen_storage.items import (
    CancelWaiting,
    ChangeWaiting,
    ClaimFrom,
    Expire,
    Finish,
    MakeDue,
    MarkStopping,
    Note,
    PutBack,
    RequestCancel,
    SetQueue,
    Submission,
)
from overseen_storage.lifecycle import Cause, EventType, Reason, Status
from overseen_storage.orders import CancelMembers, FinalizeBatch, Order

__all__ = ["Plan", "Planner", "Scope"]

GROUP_JOBS_MAX: Final = 10_000
"""Jobs submitted in one group, unless a single submission has more."""
GROUP_BYTES_MAX: Final = 8 << 20
"""Bytes of payload in one group, unless a single message has more."""
DUE_MAX: Final = 1_000
"""Jobs made due, or expired, in one group."""
MEMBERS_MAX: Final = 1_000
"""Members of a stopped batch cancelled in one group."""


class Scope(msgspec.Struct, frozen=True):
    """What a plan may do besides answering messages."""

    claim: bool
    """Start jobs: not while stopping."""
    epoch: int
    kinds: frozenset[str]
    timeouts_us: dict[str, int]


class Plan:
    """One group in the making, and beside each of its lists who asked for the entry."""

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.submits: list[Submit] = []
        self.notes: list[Note] = []
        self.changed: list[tuple[Attempt, list[Mark]]] = []
        self.marks: dict[int, Mark] = {}
        """By index of the note: what waits for it."""
        self.finishes: list[Finish] = []
        self.finished: list[Attempt] = []
        self.put_backs: list[PutBack] = []
        self.returned: list[Attempt] = []
        self.cancel_requests: list[RequestCancel] = []
        self.cancelling: list[tuple[Attempt, Cancel | StopMembers]] = []
        self.stoppings: list[MarkStopping] = []
        self.stopping: list[Attempt] = []
        self.cancels: list[CancelWaiting] = []
        self.cancelled: list[Cancel] = []
        self.changes: list[ChangeWaiting] = []
        self.changing: list[Change] = []
        self.queues: list[SetQueue] = []
        self.pausing: list[PauseQueue] = []
        self.orders: list[Order] = []
        self.placed: list[PlaceOrder | StopMembers] = []
        """Who asked for each order."""
        self.stuck: list[Attempt] = []
        self.tell_again: list[Attempt] = []
        self.answers: list[tuple[Cancel, Status]] = []
        """Cancels that need no write: the body was told before."""
        self.annotated: list[Annotate] = []
        self.late: list[Annotate] = []
        """Annotations for the next group: they follow the end that this one writes."""
        self.make_due: MakeDue | None = None
        self.expire: Expire | None = None
        self.claims: list[ClaimFrom] = []
        self.claim_limit = 0
        self.submits_wait = False
        """A submit did not fit: those after it wait too, or ids would not follow their order."""
        self.moved: set[int] = set()
        self.freed: dict[str, int] = {}
        self.jobs = 0
        self.size = 0
        self.taken_over = False
        """The commit loop has it: what becomes of it is not the planner's business any more."""

    @property
    def full(self) -> bool:
        """Whether the next submit has to wait for another group."""
        return self.jobs >= GROUP_JOBS_MAX or self.size >= GROUP_BYTES_MAX

    @property
    def writes(self) -> bool:
        """Whether there is anything for the store."""
        return bool(
            self.submissions
            or self.notes
            or self.finishes
            or self.put_backs
            or self.cancel_requests
            or self.stoppings
            or self.cancels
            or self.changes
            or self.queues
            or self.orders
            or self.make_due
            or self.expire
            or self.claims
        )

    def group(self, at: Callable[[int], int], scope: Scope) -> Group:
        """Return the group; `at` takes that many stamps and returns the first."""
        group = Group(
            at=0,
            submissions=self.submissions,
            notes=self.notes,
            finishes=self.finishes,
            put_backs=self.put_backs,
            cancel_requests=self.cancel_requests,
            stoppings=self.stoppings,
            cancels=self.cancels,
            changes=self.changes,
            make_due=self.make_due,
            expire=self.expire,
            queues=self.queues,
            orders=self.orders,
            claims=self.claims,
            claim_limit=self.claim_limit,
            epoch=scope.epoch,
            kinds=scope.kinds,
            timeouts_us=scope.timeouts_us,
        )
        return msgspec.structs.replace(group, at=at(group.stamps_needed))

    def entering(self) -> Iterator[str]:
        """The queues that its new jobs enter."""
        for submission in self.submissions:
            for job in submission.jobs:
                yield job.queue
        for order in self.orders:
            if isinstance(order, FinalizeBatch):
                for callback in order.callbacks:
                    yield callback.job.queue

    def frees(self, attempt: Attempt) -> None:
        """Its slot is free once this group is committed (a stuck one's is free already)."""
        if not attempt.stuck:
            queue = attempt.claimed.queue
            self.freed[queue] = self.freed.get(queue, 0) + 1


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
        all_told = True
        for attempt in self._live:
            claimed = attempt.claimed
            if claimed.batch_id != message.batch_id or attempt.cancelling:
                continue
            if claimed.id in plan.moved:
                all_told = False
                continue
            plan.cancel_requests.append(
                RequestCancel(claimed.id, claimed.fence, message.reason, Cause.BATCH)
            )
            plan.cancelling.append((attempt, message))
            plan.moved.add(claimed.id)
        plan.orders.append(CancelMembers(message.batch_id, MEMBERS_MAX))
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
