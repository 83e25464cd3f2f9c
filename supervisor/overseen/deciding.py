"""What follows the end of an attempt. Pure: (what is known, how it ended, now) -> one move.

Every line of the table in ``docs/lifecycle.md`` under "after an attempt" is a branch here, and
nothing else in the product decides a move of a running job.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TypeAlias, assert_never

import msgspec

from overseen.ended import Cancelled, Ended, GaveUp, Invalid, Raised, Returned, Snoozed
from overseen.job_options import JobDefinition, OnLost
from overseen.retry_policy import Backoff, delay_seconds, should_retry
from overseen_storage.items import Finish, PutBack
from overseen_storage.lifecycle import Cause, Held, Reason, Status
from overseen_storage.records import JobError

__all__ = ["Decision", "Known", "Lost", "after_attempt", "after_loss", "error_of_stop"]

Decision: TypeAlias = Finish | PutBack


class Known(msgspec.Struct, frozen=True, gc=False):
    """What the supervisor knows of an attempt when it ends."""

    job_id: int
    fence: int
    failures: int
    """Before this attempt."""
    retries: int
    definition: JobDefinition
    cancelling: bool
    """A cancel request for it is committed."""
    stop_reason: Reason | None
    """`timeout` or `silent`, once committed."""
    interrupted: bool
    """A shutdown has told it to stop."""
    cancel_reason: Reason = Reason.REQUESTED
    cancel_cause: Cause = Cause.CALLER


class Lost(msgspec.Struct, frozen=True):
    """What is known of a job whose process died."""

    job_id: int
    fence: int
    cancelling: bool
    losses: int
    """Before this one."""
    losses_allowed: int
    on_lost: OnLost


def after_attempt(known: Known, ended: Ended, now: int, random: Callable[[], float]) -> Decision:
    """Decide the move that follows `ended`.

    `now` is the stamp from which delays count, `random` draws from [0, 1) for the jitter.
    """
    if known.cancelling:
        return _after_cancelling(known, ended)
    if known.stop_reason is not None:
        return _failed(
            known, known.stop_reason, Cause.WATCHDOG, *_stopped_error(known), now, random
        )
    match ended:
        case Returned():
            return Finish(known.job_id, known.fence, Status.COMPLETED, ended.result)
        case Raised():
            return _failed(
                known, Reason.ERROR, Cause.BODY, ended.error, ended.exception, now, random
            )
        case Cancelled() if known.interrupted:
            return PutBack(
                known.job_id,
                known.fence,
                Status.PENDING,
                Reason.SHUTDOWN,
                Cause.SUPERVISOR,
                interruptions=1,
            )
        case Cancelled():
            exception = asyncio.CancelledError("raised by the body itself; nobody had asked")
            return _failed(known, Reason.ERROR, Cause.BODY, ended.error, exception, now, random)
        case Invalid():
            return _final(known, Reason.INVALID, Cause.BODY, ended.error)
        case GaveUp():
            return _final(known, Reason.ABANDONED, Cause.BODY, ended.error)
        case Snoozed():
            return PutBack(
                known.job_id,
                known.fence,
                Status.SCHEDULED,
                Reason.SNOOZED,
                Cause.BODY,
                due_at=now + int(ended.delay_seconds * 1_000_000),
                snoozes=1,
                data=_evidence(delay_seconds=ended.delay_seconds),
            )
        case _:
            assert_never(ended)


def after_loss(lost: Lost) -> Decision:
    """Decide what becomes of a job whose process died, by its kind's `on_lost`."""
    if lost.cancelling:
        # The body is dead, so the wish is fulfilled.
        return Finish(
            lost.job_id,
            lost.fence,
            Status.CANCELLED,
            reason=Reason.LOST,
            cause=Cause.RECOVERY,
            losses=1,
        )
    losses = lost.losses + 1
    evidence = _evidence(losses=losses, losses_allowed=lost.losses_allowed)
    error = JobError(
        "ProcessLost", f"the process that ran attempt {lost.fence} ended without reporting"
    )
    if lost.on_lost is OnLost.FAIL or losses > lost.losses_allowed:
        return Finish(
            lost.job_id,
            lost.fence,
            Status.FAILED,
            reason=Reason.LOST,
            cause=Cause.RECOVERY,
            error=error,
            losses=1,
            data=evidence,
        )
    held = Held.LOST if lost.on_lost is OnLost.HOLD else None
    return PutBack(
        lost.job_id,
        lost.fence,
        Status.PENDING,
        Reason.LOST,
        Cause.RECOVERY,
        held=held,
        error=error,
        losses=1,
        data=evidence,
    )


def error_of_stop(reason: Reason, definition: JobDefinition) -> JobError:
    """What a timed out or silent attempt died of, in words."""
    if reason is Reason.SILENT:
        text = "no progress and no heartbeat for longer than the heartbeat it promised"
    else:
        text = "it ran longer than its timeout"
    return JobError("TimeoutError", f"{definition.kind}: {text}")


def _after_cancelling(known: Known, ended: Ended) -> Finish:
    match ended:
        case Returned() if known.stop_reason is None:
            return Finish(known.job_id, known.fence, Status.COMPLETED, ended.result)
        case Returned() | Cancelled() | Snoozed():
            return Finish(
                known.job_id,
                known.fence,
                Status.CANCELLED,
                reason=known.cancel_reason,
                cause=known.cancel_cause,
            )
        case Raised():
            return _final(known, Reason.ERROR, Cause.BODY, ended.error)
        case Invalid():
            return _final(known, Reason.INVALID, Cause.BODY, ended.error)
        case GaveUp():
            return _final(known, Reason.ABANDONED, Cause.BODY, ended.error)
        case _:
            assert_never(ended)


def _failed(
    known: Known,
    reason: Reason,
    cause: Cause,
    error: JobError,
    exception: BaseException,
    now: int,
    random: Callable[[], float],
) -> Decision:
    """The attempt failed by its own fault: again, if the kind allows it and the budget lasts."""
    failures = known.failures + 1
    retriable = should_retry(exception, known.definition.retry_on)
    if not retriable or failures > known.retries:
        why = "no failures left" if retriable else "not an error to retry"
        data = _evidence(failures=failures, retries=known.retries, decision=why)
        return _final(known, reason, cause, error, data)
    delay, trouble = _delay(known.definition, failures, exception, random)
    return PutBack(
        known.job_id,
        known.fence,
        Status.RETRYING,
        reason,
        cause,
        due_at=now + int(delay * 1_000_000),
        error=error,
        failures=1,
        data=_evidence(
            failures=failures,
            retries=known.retries,
            delay_seconds=delay,
            error=error.type,
            **trouble,
        ),
    )


def _final(
    known: Known, reason: Reason, cause: Cause, error: JobError, data: str | None = None
) -> Finish:
    return Finish(
        known.job_id,
        known.fence,
        Status.FAILED,
        reason=reason,
        cause=cause,
        error=error,
        failures=1,
        data=data,
    )


def _stopped_error(known: Known) -> tuple[JobError, BaseException]:
    assert known.stop_reason is not None
    error = error_of_stop(known.stop_reason, known.definition)
    return error, TimeoutError(error.message)


def _delay(
    definition: JobDefinition,
    failures: int,
    exception: BaseException,
    random: Callable[[], float],
) -> tuple[float, dict[str, str]]:
    """Return the delay, and what the ledger should know of the user's backoff if it is broken."""
    try:
        return delay_seconds(definition.backoff, failures, exception, random), {}
    except BaseException as error:
        # The user's backoff raised, or returned nonsense: a bug in a delay must not become the
        # job's outcome. Not even SystemExit: it is raised inside the supervisor here.
        trouble = {"backoff_error": _words(error)}
        return delay_seconds(Backoff(), failures, exception, random), trouble


def _words(error: BaseException) -> str:
    """The error in words that are safe in JSON; it is the user's, and so is its text."""
    try:
        return f"{type(error).__name__}: {str(error)[:200]!r}"
    except BaseException:
        return "an error without text"


def _evidence(**facts: object) -> str:
    return json.dumps(facts, separators=(",", ":"))
