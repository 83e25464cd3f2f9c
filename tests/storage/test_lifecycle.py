"""The lifecycle table: what it allows, what it never will, and the numbers it is written in."""

from __future__ import annotations

from itertools import product

import pytest

from overseen_storage.lifecycle import (
    CAUSE_CODES,
    EVENT_CODES,
    FRAMES,
    HELD_CODES,
    LIVE,
    MOVES,
    REASON_CODES,
    STATUS_CODES,
    TERMINAL,
    WAITING,
    EventType,
    Move,
    Status,
    event_of,
    sources_of,
)

CREATED = frozenset({Move.SUBMIT, Move.SCHEDULE, Move.DRAFT})

# Written a second time, by hand: the table cannot change without this page being changed too.
LEGAL: dict[Status | None, dict[Move, Status]] = {
    None: {
        Move.SUBMIT: Status.PENDING,
        Move.SCHEDULE: Status.SCHEDULED,
        Move.DRAFT: Status.DRAFT,
    },
    Status.DRAFT: {
        Move.RELEASE: Status.PENDING,
        Move.RELEASE_LATER: Status.SCHEDULED,
        Move.CANCEL: Status.CANCELLED,
    },
    Status.BLOCKED: {},
    Status.SCHEDULED: {
        Move.MAKE_DUE: Status.PENDING,
        Move.PROMOTE: Status.PENDING,
        Move.CANCEL: Status.CANCELLED,
    },
    Status.PENDING: {
        Move.START: Status.RUNNING,
        Move.CANCEL: Status.CANCELLED,
        Move.FAIL: Status.FAILED,
    },
    Status.RUNNING: {
        Move.COMPLETE: Status.COMPLETED,
        Move.FAIL: Status.FAILED,
        Move.RETRY: Status.RETRYING,
        Move.SNOOZE: Status.SCHEDULED,
        Move.REQUEUE: Status.PENDING,
        Move.REQUEST_CANCEL: Status.CANCELLING,
    },
    Status.CANCELLING: {
        Move.COMPLETE: Status.COMPLETED,
        Move.FAIL: Status.FAILED,
        Move.CANCEL: Status.CANCELLED,
    },
    Status.RETRYING: {
        Move.MAKE_DUE: Status.PENDING,
        Move.PROMOTE: Status.PENDING,
        Move.CANCEL: Status.CANCELLED,
    },
    Status.COMPLETED: {},
    Status.FAILED: {},
    Status.CANCELLED: {},
}
TABLE: dict[tuple[Status | None, Move], Status] = {
    (source, move): target for (source, move), target in MOVES.items()
}
PAIRS = list(product([None, *Status], Move))


@pytest.mark.parametrize(("status", "move"), PAIRS)
def test_a_pair_is_legal_or_refused_as_written_here(status: Status | None, move: Move) -> None:
    """Each (status, move) pair leads where this page says, or nowhere."""
    assert TABLE.get((status, move)) is LEGAL[status].get(move)


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_nothing_leads_out_of_an_end(status: Status) -> None:
    """Completed, failed and cancelled are absorbing."""
    assert not [move for source, move in MOVES if source is status]


def test_an_attempt_ends_only_from_a_live_status() -> None:
    """What a body's end brings about is reached from running or cancelling, never by itself."""
    for move in (Move.COMPLETE, Move.RETRY, Move.SNOOZE, Move.REQUEUE, Move.REQUEST_CANCEL):
        assert sources_of(move) <= LIVE


def test_only_pending_jobs_start() -> None:
    """There is one way to run: from pending."""
    assert sources_of(Move.START) == {Status.PENDING}


def test_a_job_that_was_asked_to_end_is_never_put_back() -> None:
    """Cancelling leads to an end only."""
    assert {end for (source, _), end in MOVES.items() if source is Status.CANCELLING} == TERMINAL


def test_every_job_can_reach_an_end() -> None:
    """No status but the reserved one is a trap."""
    reach = set(TERMINAL)
    for _ in Status:
        reach |= {source for (source, _), target in MOVES.items() if source and target in reach}
    assert reach == set(Status) - {Status.BLOCKED}


def test_the_classes_of_statuses_do_not_overlap() -> None:
    """Draft, blocked, waiting, live and terminal are all there is."""
    classes = [frozenset({Status.DRAFT, Status.BLOCKED}), WAITING, LIVE, TERMINAL]
    assert sum(len(one) for one in classes) == len(Status)
    assert frozenset().union(*classes) == set(Status)


@pytest.mark.parametrize("move", list(Move))
def test_each_move_has_its_event(move: Move) -> None:
    """The ledger has a word for every move, and it is a change of status."""
    assert EVENT_CODES[event_of(move)] < 100


def test_each_change_of_status_on_the_ledger_belongs_to_a_move() -> None:
    """No event of a change of status is without a move that makes it."""
    changes = {kind for kind, code in EVENT_CODES.items() if code < 100}
    assert {event_of(move) for move in Move} == changes


def test_an_event_and_a_status_name_one_step() -> None:
    """From the status before and the event with its status, the move is known: replay is exact."""
    steps = [(source, event_of(move), target) for (source, move), target in MOVES.items()]
    assert len(set(steps)) == len(steps)


def test_sources_of_a_creating_move_are_empty() -> None:
    """Creating moves come from nothing; all others from somewhere."""
    assert {move for move in Move if not sources_of(move)} == CREATED


def test_the_frames_of_subscribers_have_no_number() -> None:
    """What is made for a subscriber can never be written on the ledger."""
    assert set(EVENT_CODES) == set(EventType) - FRAMES


def test_status_numbers_keep_their_meaning() -> None:
    """The numbers in existing databases mean the same for ever."""
    assert {status.value: code for status, code in STATUS_CODES.items()} == {
        "draft": 1,
        "blocked": 2,
        "scheduled": 3,
        "pending": 4,
        "running": 5,
        "cancelling": 6,
        "retrying": 7,
        "completed": 8,
        "failed": 9,
        "cancelled": 10,
    }


def test_reason_numbers_keep_their_meaning() -> None:
    """A reason, once numbered, is never renumbered."""
    words = [
        *("error", "timeout", "silent", "lost", "invalid", "expired", "abandoned", "requested"),
        *("replaced", "draft_discarded", "draft_expired", "shutdown", "snoozed", "batch_policy"),
        "operator",
    ]
    assert {reason.value: code for reason, code in REASON_CODES.items()} == numbered(words, 1)


def test_cause_and_hold_numbers_keep_their_meaning() -> None:
    """Causes and holds, once numbered, are never renumbered."""
    causes = [
        *("caller", "body", "watchdog", "scheduler", "supervisor", "recovery", "operator", "batch")
    ]
    assert {cause.value: code for cause, code in CAUSE_CODES.items()} == numbered(causes, 1)
    holds = ["unregistered", "lost", "operator"]
    assert {held.value: code for held, code in HELD_CODES.items()} == numbered(holds, 1)


def test_event_numbers_keep_their_meaning() -> None:
    """Changes of status count from 1, annotations from 101; none is ever renumbered."""
    changes = [
        *("submitted", "scheduled", "drafted", "ready", "due", "promoted", "started"),
        *("completed", "retrying", "snoozed", "requeued", "cancelling", "cancelled", "failed"),
    ]
    notes = [
        *("stopping", "stuck", "unstuck", "progress", "warning", "checkpoint", "late_success"),
        *("late_failure", "held", "unheld", "changed", "retried", "queue_paused"),
        *("queue_resumed", "epoch_started", "epoch_stopped", "degraded", "recovered"),
        *("loop_stalled", "batch_opened", "batch_sealed", "batch_tripped", "batch_finalized"),
        *("batch_cancelling", "attached"),
    ]
    assert {kind.value: code for kind, code in EVENT_CODES.items()} == {
        **numbered(changes, 1),
        **numbered(notes, 101),
    }


def numbered(words: list[str], first: int) -> dict[str, int]:
    return {word: code for code, word in enumerate(words, first)}
