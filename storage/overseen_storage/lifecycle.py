"""The lifecycle of a job, as data.

`MOVES` is the only place that says which change of status is legal. The guards of the SQL
statements, the CHECK constraints, the picture in ``docs/lifecycle.md`` and the audit of a
database are generated from it or compared with it by a test.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final, assert_never


class Status(StrEnum):
    """Where a job is in its life. Each member says what it means, who moves it on, and what a
    crash leaves behind."""

    DRAFT = "draft"
    """Exists and can be given attachments, but cannot be claimed. Its author releases or discards
    it; an abandoned one expires. A crash leaves a draft, which then expires."""

    BLOCKED = "blocked"
    """Reserved for workflows: waits for other jobs. No move leads here yet."""

    SCHEDULED = "scheduled"
    """Waits for its time (``delay=``, ``at=``, a snooze). The scheduler makes it due."""

    PENDING = "pending"
    """Ready to run, waits for a free slot of its queue. The supervisor starts it. A crash leaves it
    pending. ``held`` keeps it from being claimed."""

    RUNNING = "running"
    """An attempt is under way: one body, one fence. A crash leaves a running row that belongs to a
    dead epoch; the next start of the supervisor resolves it before any new work."""

    CANCELLING = "cancelling"
    """Somebody asked for an end and the body has been told. `cancelled` follows only when the body
    has really stopped. After a crash the body is dead, so the wish is fulfilled."""

    RETRYING = "retrying"
    """An attempt failed, another follows when the delay is over. The scheduler makes it due."""

    COMPLETED = "completed"
    """The body returned a value and the value is stored. Absorbing."""

    FAILED = "failed"
    """No attempt is left, or none is allowed: the reason says why. Absorbing."""

    CANCELLED = "cancelled"
    """Ended on request, with no body running any more. Absorbing."""


class Move(StrEnum):
    """What can happen to a job. Moves from nothing (`SUBMIT`, `SCHEDULE`, `DRAFT`) create it."""

    SUBMIT = "submit"
    """The caller submits; it can run at once."""
    SCHEDULE = "schedule"
    """The caller submits for later."""
    DRAFT = "draft"
    """The caller begins a draft."""
    RELEASE = "release"
    """The author has attached everything: it can run."""
    RELEASE_LATER = "release_later"
    """The author has attached everything; it runs at its time."""
    MAKE_DUE = "make_due"
    """Its time has come."""
    PROMOTE = "promote"
    """An operator does not want to wait for its time."""
    START = "start"
    """A worker takes it: the fence rises."""
    COMPLETE = "complete"
    """The body returned a value."""
    RETRY = "retry"
    """The attempt failed and the budget allows another one, later."""
    SNOOZE = "snooze"
    """The body asks to be run again later; that costs nothing."""
    REQUEUE = "requeue"
    """The attempt was interrupted or its process died: back to the queue."""
    REQUEST_CANCEL = "request_cancel"
    """A caller, an operator or a batch wants the running attempt to end."""
    CANCEL = "cancel"
    """It ends on request, and nothing runs any more."""
    FAIL = "fail"
    """It ends without a result."""


MOVES: Final = MappingProxyType(
    {
        (None, Move.SUBMIT): Status.PENDING,
        (None, Move.SCHEDULE): Status.SCHEDULED,
        (None, Move.DRAFT): Status.DRAFT,
        (Status.DRAFT, Move.RELEASE): Status.PENDING,
        (Status.DRAFT, Move.RELEASE_LATER): Status.SCHEDULED,
        (Status.DRAFT, Move.CANCEL): Status.CANCELLED,
        (Status.SCHEDULED, Move.MAKE_DUE): Status.PENDING,
        (Status.SCHEDULED, Move.PROMOTE): Status.PENDING,
        (Status.SCHEDULED, Move.CANCEL): Status.CANCELLED,
        (Status.RETRYING, Move.MAKE_DUE): Status.PENDING,
        (Status.RETRYING, Move.PROMOTE): Status.PENDING,
        (Status.RETRYING, Move.CANCEL): Status.CANCELLED,
        (Status.PENDING, Move.START): Status.RUNNING,
        (Status.PENDING, Move.CANCEL): Status.CANCELLED,
        (Status.PENDING, Move.FAIL): Status.FAILED,
        (Status.RUNNING, Move.COMPLETE): Status.COMPLETED,
        (Status.RUNNING, Move.FAIL): Status.FAILED,
        (Status.RUNNING, Move.RETRY): Status.RETRYING,
        (Status.RUNNING, Move.SNOOZE): Status.SCHEDULED,
        (Status.RUNNING, Move.REQUEUE): Status.PENDING,
        (Status.RUNNING, Move.REQUEST_CANCEL): Status.CANCELLING,
        (Status.CANCELLING, Move.COMPLETE): Status.COMPLETED,
        (Status.CANCELLING, Move.FAIL): Status.FAILED,
        (Status.CANCELLING, Move.CANCEL): Status.CANCELLED,
    }
)
"""Every legal change of status: ``(status, move) -> status``. What is not here is impossible."""


TERMINAL: Final = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})
"""Absorbing: nothing leads out of these, and no column of such a row changes any more."""

LIVE: Final = frozenset({Status.RUNNING, Status.CANCELLING})
"""A body may be running."""

WAITING: Final = frozenset({Status.SCHEDULED, Status.RETRYING, Status.PENDING})
"""Released and not started: may be promoted, given another priority or time, or cancelled."""


class Reason(StrEnum):
    """Why a move was made. Stored with the move, on the job and on the ledger."""

    ERROR = "error"
    """The body raised."""
    TIMEOUT = "timeout"
    """The attempt ran longer than its timeout."""
    SILENT = "silent"
    """The attempt gave no sign of life for longer than its heartbeat."""
    LOST = "lost"
    """The process that ran the attempt died."""
    INVALID = "invalid"
    """Arguments, result or attachments do not fit what the code declares."""
    EXPIRED = "expired"
    """It waited in the queue longer than its limit."""
    ABANDONED = "abandoned"
    """The body raised `Abandon`: no more attempts."""
    REQUESTED = "requested"
    """A caller or an operator asked."""
    REPLACED = "replaced"
    """A newer job with the same key took its place."""
    DRAFT_DISCARDED = "draft_discarded"
    """Its author left the draft."""
    DRAFT_EXPIRED = "draft_expired"
    """Nobody released the draft in time."""
    SHUTDOWN = "shutdown"
    """The supervisor stopped; costs nothing."""
    SNOOZED = "snoozed"
    """The body asked to be run later; costs nothing."""
    BATCH_POLICY = "batch_policy"
    """Its batch stops at failures."""
    OPERATOR = "operator"
    """An operator released, promoted or changed it."""


class Cause(StrEnum):
    """Who caused an event."""

    CALLER = "caller"
    """The program, through the supervisor's face."""
    BODY = "body"
    """The job's own code."""
    WATCHDOG = "watchdog"
    """A deadline or a sweep."""
    SCHEDULER = "scheduler"
    """Its time came."""
    SUPERVISOR = "supervisor"
    """Claiming, shutting down, the supervisor's own bookkeeping."""
    RECOVERY = "recovery"
    """The start of an epoch, about the work of a dead one."""
    OPERATOR = "operator"
    """A person, through the operator's verbs."""
    BATCH = "batch"
    """The policy of a batch."""


class Held(StrEnum):
    """Why a pending job must not be claimed."""

    UNREGISTERED = "unregistered"
    """This program does not know its kind. Released when one that does starts."""
    LOST = "lost"
    """Its process died and its kind says ``on_lost="hold"``: somebody has to decide."""
    OPERATOR = "operator"
    """An operator parked it."""


class EventType(StrEnum):
    """What a row of the ledger tells. The first group are changes of status, one for each move;
    the others are annotations, which change no status."""

    SUBMITTED = "submitted"
    SCHEDULED = "scheduled"
    DRAFTED = "drafted"
    READY = "ready"
    DUE = "due"
    PROMOTED = "promoted"
    STARTED = "started"
    COMPLETED = "completed"
    RETRYING = "retrying"
    SNOOZED = "snoozed"
    REQUEUED = "requeued"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"

    STOPPING = "stopping"
    """The attempt is told to stop: its run timeout or its silence."""
    STUCK = "stuck"
    """The body ignores its cancellation past the grace; its slot was released."""
    UNSTUCK = "unstuck"
    """A stuck body ended after all."""
    PROGRESS = "progress"
    """How far the body is; at most one each half second, and always the last."""
    WARNING = "warning"
    """The body noticed something worth knowing."""
    CHECKPOINT = "checkpoint"
    """The body stored where it is."""
    LATE_SUCCESS = "late_success"
    """An attempt that was already judged returned a value. Nothing else changes."""
    LATE_FAILURE = "late_failure"
    """An attempt that was already judged raised. Nothing else changes."""
    HELD = "held"
    """It must not be claimed for now."""
    UNHELD = "unheld"
    """It may be claimed again."""
    CHANGED = "changed"
    """Priority or due time of a waiting job was changed."""
    RETRIED = "retried"
    """An operator made a new job from this ended one."""
    QUEUE_PAUSED = "queue_paused"
    QUEUE_RESUMED = "queue_resumed"
    EPOCH_STARTED = "epoch_started"
    EPOCH_STOPPED = "epoch_stopped"
    DEGRADED = "degraded"
    RECOVERED = "recovered"
    LOOP_STALLED = "loop_stalled"
    """The event loop stood still; the row says for how long and which job did it."""
    BATCH_OPENED = "batch_opened"
    BATCH_SEALED = "batch_sealed"
    """No more members are added to it."""
    BATCH_TRIPPED = "batch_tripped"
    """Failures of its members stopped it."""
    BATCH_FINALIZED = "batch_finalized"
    """Its last member has ended, its summary is frozen."""
    BATCH_CANCELLING = "batch_cancelling"
    """Somebody wants it to end."""
    ATTACHED = "attached"
    """A draft was given a file."""

    SNAPSHOT = "snapshot"
    """Made for a subscriber, never on the ledger: the state of the job as of `seq`."""
    HISTORY_PRUNED = "history_pruned"
    """Made for a subscriber, never on the ledger: older events were deleted by retention."""


FRAMES: Final = frozenset({EventType.SNAPSHOT, EventType.HISTORY_PRUNED})
"""What a subscriber gets besides the ledger's rows."""


def event_of(move: Move) -> EventType:
    """The event that tells of `move`. Total, so the ledger cannot miss a kind of move."""
    match move:
        case Move.SUBMIT:
            return EventType.SUBMITTED
        case Move.SCHEDULE:
            return EventType.SCHEDULED
        case Move.DRAFT:
            return EventType.DRAFTED
        case Move.RELEASE | Move.RELEASE_LATER:
            return EventType.READY
        case Move.MAKE_DUE:
            return EventType.DUE
        case Move.PROMOTE:
            return EventType.PROMOTED
        case Move.START:
            return EventType.STARTED
        case Move.COMPLETE:
            return EventType.COMPLETED
        case Move.RETRY:
            return EventType.RETRYING
        case Move.SNOOZE:
            return EventType.SNOOZED
        case Move.REQUEUE:
            return EventType.REQUEUED
        case Move.REQUEST_CANCEL:
            return EventType.CANCELLING
        case Move.CANCEL:
            return EventType.CANCELLED
        case Move.FAIL:
            return EventType.FAILED
        case _:
            assert_never(move)


def event_after_attempt(status: Status) -> EventType:
    """The event of the move that ended an attempt and left the job in `status`."""
    match status:
        case Status.COMPLETED:
            return EventType.COMPLETED
        case Status.FAILED:
            return EventType.FAILED
        case Status.CANCELLED:
            return EventType.CANCELLED
        case Status.RETRYING:
            return EventType.RETRYING
        case Status.SCHEDULED:
            return EventType.SNOOZED
        case Status.PENDING:
            return EventType.REQUEUED
        case Status.DRAFT | Status.BLOCKED | Status.RUNNING | Status.CANCELLING:
            raise ValueError(f"no attempt ends in {status}")
        case _:
            assert_never(status)


def sources_of(move: Move) -> frozenset[Status]:
    """The statuses from which `move` may be made; empty for the moves that create a job.

    >>> sorted(sources_of(Move.MAKE_DUE))
    [<Status.RETRYING: 'retrying'>, <Status.SCHEDULED: 'scheduled'>]
    """
    return frozenset(source for source, one in MOVES if one is move and source is not None)


# What is written in the database: small integers, because CHECK constraints and indexes over text
# cost 8 us a job (measured). A number, once given, keeps its meaning; views show the words.

STATUS_CODES: Final = MappingProxyType({status: n for n, status in enumerate(Status, 1)})
REASON_CODES: Final = MappingProxyType({reason: n for n, reason in enumerate(Reason, 1)})
CAUSE_CODES: Final = MappingProxyType({cause: n for n, cause in enumerate(Cause, 1)})
HELD_CODES: Final = MappingProxyType({held: n for n, held in enumerate(Held, 1)})
EVENT_CODES: Final = MappingProxyType(
    {
        **{kind: n for n, kind in enumerate(tuple(EventType)[:14], 1)},
        **{kind: n for n, kind in enumerate(tuple(EventType)[14:], 101) if kind not in FRAMES},
    }
)
"""Changes of status have numbers below 100, annotations from 101 on."""
