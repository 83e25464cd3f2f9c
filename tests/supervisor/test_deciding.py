"""What follows the end of an attempt: every combination, against the table of the lifecycle."""

from __future__ import annotations

from itertools import product
from typing import Final

import msgspec
import pytest

from overseen import Backoff, Status
from overseen.deciding import Decision, Known, Lost, after_attempt, after_loss
from overseen.ended import Cancelled, Ended, GaveUp, Invalid, Raised, Returned, Snoozed
from overseen.job_options import JobDefinition, OnLost
from overseen_storage.items import Finish, PutBack
from overseen_storage.lifecycle import MOVES, TERMINAL, Cause, Held, Reason
from overseen_storage.records import JobError

NOW: Final = 1_800_000_000_000_000
ERROR: Final = JobError("Wrong", "wrong")
MINUTE: Final = Backoff(initial="1m", jitter="none")

ENDS: Final[dict[str, Ended]] = {
    "returned": Returned("1"),
    "raised": Raised(ERROR, ValueError("wrong")),
    "raised for good": Raised(ERROR, SystemExit(1)),
    "invalid": Invalid(ERROR),
    "gave up": GaveUp(ERROR),
    "snoozed": Snoozed(30.0),
    "cancelled": Cancelled(ERROR),
}
STOPS: Final = (None, Reason.TIMEOUT, Reason.SILENT)
BUDGETS: Final = ((0, 0), (0, 1), (1, 1), (1, 3))
"""(failures before, retries)"""

OWN_FAULT: Final = {Reason.ERROR, Reason.TIMEOUT, Reason.SILENT, Reason.INVALID, Reason.ABANDONED}


def definition(backoff: Backoff = MINUTE) -> JobDefinition:
    return JobDefinition(
        kind="work",
        function="work",
        location="here:1",
        is_async=True,
        takes_context=False,
        backoff=backoff,
    )


def known(
    *,
    cancelling: bool = False,
    stop: Reason | None = None,
    interrupted: bool = False,
    failures: int = 0,
    retries: int = 0,
) -> Known:
    return Known(
        7,
        failures + 1,
        failures,
        retries,
        definition(),
        cancelling,
        stop,
        interrupted,
        Reason.REQUESTED,
        Cause.OPERATOR,
    )


ALL: Final = [
    (known(cancelling=c, stop=s, interrupted=i, failures=b[0], retries=b[1]), name)
    for name, c, s, i, b in product(ENDS, (False, True), STOPS, (False, True), BUDGETS)
]
"""Every combination there is: what is known, and the end by its name."""


def decide(known: Known, name: str) -> Decision:
    return after_attempt(known, ENDS[name], NOW, lambda: 0.5)


def legal(source: Status, target: Status) -> bool:
    return any(start is source and end is target for (start, _), end in MOVES.items())


def expected(known: Known, name: str) -> tuple[Status, Reason | None]:
    """The table of the design, written down once more and differently: first match counts."""
    again = known.failures < known.retries
    if known.cancelling:
        if name == "returned" and known.stop_reason is None:
            return Status.COMPLETED, None
        if name in ("returned", "snoozed", "cancelled"):
            return Status.CANCELLED, Reason.REQUESTED
        again = False
    elif known.stop_reason is not None:
        return (Status.RETRYING if again else Status.FAILED), known.stop_reason
    if name == "cancelled" and known.interrupted:
        return Status.PENDING, Reason.SHUTDOWN
    return {
        "returned": (Status.COMPLETED, None),
        "raised": (Status.RETRYING if again else Status.FAILED, Reason.ERROR),
        "raised for good": (Status.FAILED, Reason.ERROR),
        "invalid": (Status.FAILED, Reason.INVALID),
        "gave up": (Status.FAILED, Reason.ABANDONED),
        "snoozed": (Status.SCHEDULED, Reason.SNOOZED),
        "cancelled": (Status.FAILED, Reason.ERROR),
    }[name]


def test_every_end_has_the_one_move_that_the_design_says() -> None:
    """For every end, wish, stop and budget the decision is the one written in the design."""
    for known, name in ALL:
        decision = decide(known, name)

        assert (decision.status, decision.reason) == expected(known, name), (known, name)


def test_every_decision_is_a_legal_move_of_this_attempt() -> None:
    """No decision leaves the lifecycle table, and each carries its attempt's fence."""
    for known, name in ALL:
        decision = decide(known, name)
        source = Status.CANCELLING if known.cancelling else Status.RUNNING

        assert legal(source, decision.status), (known, name)
        assert (decision.job_id, decision.fence) == (known.job_id, known.fence)
        assert isinstance(decision, Finish) == (decision.status in TERMINAL)


def test_an_attempt_costs_what_it_is_guilty_of() -> None:
    """A failure of its own costs one failure; a value, a snooze, a granted cancellation and an
    interruption by shutdown cost none. (R59, R60)"""
    for known, name in ALL:
        decision = decide(known, name)
        paid = {"failures": 0, "losses": 0, "interruptions": 0, "snoozes": 0}
        if decision.reason in OWN_FAULT:
            paid["failures"] = 1
        elif decision.reason is Reason.SHUTDOWN:
            paid["interruptions"] = 1
        elif decision.reason is Reason.SNOOZED:
            paid["snoozes"] = 1

        assert {n: getattr(decision, n, 0) for n in paid} == paid, (known, name)


def test_a_move_carries_exactly_what_its_status_needs() -> None:
    """A result comes only with `completed`, an error with every failure, a due time with every
    later attempt."""
    for known, name in ALL:
        decision = decide(known, name)

        if isinstance(decision, Finish):
            assert (decision.result is not None) == (decision.status is Status.COMPLETED)
            assert (decision.error is not None) == (decision.status is Status.FAILED)
        else:
            assert (decision.error is not None) == (decision.status is Status.RETRYING)
            later = decision.status is not Status.PENDING
            assert (decision.due_at is not None) == later
            assert decision.due_at is None or decision.due_at > NOW
            assert decision.held is None


def test_a_failure_with_budget_left_waits_for_its_backoff() -> None:
    """The due time of a retry is now plus the delay, which stands on the ledger as well."""
    decision = decide(known(failures=1, retries=3), "raised")

    assert isinstance(decision, PutBack)
    assert decision.due_at == NOW + 120_000_000
    assert msgspec.json.decode(decision.data or "") == {
        "failures": 2,
        "retries": 3,
        "delay_seconds": 120.0,
        "error": "Wrong",
    }


@pytest.mark.parametrize("raised", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_backoff_that_raises_anything_only_loses_its_say(raised: type[BaseException]) -> None:
    """A custom backoff that raises is replaced by the default one and named on the ledger."""

    def broken(failures: int, error: BaseException | None) -> float:
        raise raised("in the backoff")

    fragile = msgspec.structs.replace(definition(), backoff=broken)
    decision = decide(msgspec.structs.replace(known(retries=1), definition=fragile), "raised")

    assert isinstance(decision, PutBack)
    assert decision.due_at == NOW + 500_000
    assert raised.__name__ in msgspec.json.decode(decision.data or "")["backoff_error"]


@pytest.mark.parametrize("silly", [-1, float("nan"), float("inf"), "soon", None, True, [1]])
def test_a_backoff_that_returns_no_duration_only_loses_its_say(silly: object) -> None:
    """What is no duration is as good as an error: the default backoff takes its place."""

    def nonsense(failures: int, error: BaseException | None) -> object:
        return silly

    odd = msgspec.structs.replace(definition(), backoff=nonsense)
    decision = decide(msgspec.structs.replace(known(retries=1), definition=odd), "raised")

    assert isinstance(decision, PutBack)
    assert decision.due_at == NOW + 500_000


LOSSES: Final = [
    Lost(7, 2, cancelling, losses, allowed, on_lost)
    for cancelling, (losses, allowed), on_lost in product(
        (False, True), ((0, 0), (0, 1), (1, 1), (2, 3)), OnLost
    )
]


@pytest.mark.parametrize("lost", LOSSES, ids=str)
def test_every_loss_is_resolved_by_its_kinds_own_rule(lost: Lost) -> None:
    """A job whose process died runs again, fails or is held as its kind says, within its budget;
    a cancellation that was under way is fulfilled. (R12, R65)"""
    decision = after_loss(lost)
    source = Status.CANCELLING if lost.cancelling else Status.RUNNING
    budget = lost.losses < lost.losses_allowed

    assert legal(source, decision.status)
    assert (decision.job_id, decision.fence, decision.losses) == (7, 2, 1)
    assert (decision.reason, decision.cause) == (Reason.LOST, Cause.RECOVERY)
    assert decision.failures == 0
    if lost.cancelling:
        assert decision.status is Status.CANCELLED
    elif lost.on_lost is OnLost.FAIL or not budget:
        assert decision.status is Status.FAILED
        assert isinstance(decision, Finish)
        assert decision.error is not None
    else:
        assert isinstance(decision, PutBack)
        assert decision.status is Status.PENDING
        assert decision.keep_ready_at
        assert decision.held is (Held.LOST if lost.on_lost is OnLost.HOLD else None)
