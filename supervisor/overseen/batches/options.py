"""What can be said about a batch, checked where it is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from overseen.batches.callbacks import CallbackEvent, template_of
from overseen.errors import InvalidOption
from overseen.face_checks import check_id, check_limit, labels_of, text_or_none
from overseen.job_options import LABELS_BYTES_MAX
from overseen.jobs import Job
from overseen.option_checks import check_mapping, check_text
from overseen.registry import Registry
from overseen_storage.batch_lifecycle import BatchPolicy, BatchStatus
from overseen_storage.groups import BatchQuery
from overseen_storage.orders import OpenBatch

__all__ = ["batch_order", "batch_query"]

NAME_CHARACTERS_MAX: Final = 200
FAILURES_MAX: Final = 1 << 53


def batch_order(
    registry: Registry,
    *,
    name: str,
    on_finish: Job[..., Any] | None,
    on_failure: Job[..., Any] | None,
    aggregate: Job[..., Any] | None,
    policy: BatchPolicy | str,
    threshold: float | None,
    labels: Mapping[str, str] | None,
) -> OpenBatch:
    """Return the order that opens the batch. Raises `InvalidOption` and `UnknownJob`."""
    chosen = _policy(policy)
    return OpenBatch(
        name=check_text("name", name, NAME_CHARACTERS_MAX),
        policy=chosen,
        threshold=_threshold(chosen, threshold),
        on_finish=_template("finish", on_finish, registry),
        on_failure=_template("failure", on_failure, registry),
        aggregate=_template("aggregate", aggregate, registry),
        labels=None if labels is None else check_mapping("labels", labels, LABELS_BYTES_MAX),
    )


def _template(event: CallbackEvent, job: Job[..., Any] | None, registry: Registry) -> str | None:
    return None if job is None else template_of(event, job, registry)


def _policy(value: BatchPolicy | str) -> BatchPolicy:
    try:
        return BatchPolicy(value)
    except ValueError:
        known = ", ".join(policy.value for policy in BatchPolicy)
        raise InvalidOption("policy", value, f"one of {known}") from None


def _threshold(policy: BatchPolicy, value: object) -> float | None:
    if policy is not BatchPolicy.THRESHOLD:
        if value is not None:
            raise InvalidOption("threshold", value, 'given with policy="threshold" only')
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        is_share = 0 < value < 1
        if is_share or (1 <= value <= FAILURES_MAX and value == int(value)):
            return float(value)
    bound = "a number of failures (1 or more, whole), or a share of all members between 0 and 1"
    raise InvalidOption("threshold", value, bound)


def batch_query(
    *,
    status: BatchStatus | str | Iterable[BatchStatus | str] | None,
    name: str | None,
    labels: Mapping[str, str] | None,
    before_id: int | None,
    limit: int,
) -> BatchQuery:
    """Return the query for a page of batches. Raises `InvalidOption`."""
    check_limit(limit)
    return BatchQuery(
        status=None if status is None else _statuses(status),
        name=text_or_none("name", name),
        labels=labels_of(labels),
        before_id=None if before_id is None else check_id(before_id, "batch"),
        limit=limit,
    )


def _statuses(
    value: BatchStatus | str | Iterable[BatchStatus | str],
) -> frozenset[BatchStatus]:
    try:
        return frozenset(map(BatchStatus, [value] if isinstance(value, str) else value))
    except (ValueError, TypeError):
        known = ", ".join(status.value for status in BatchStatus)
        raise InvalidOption("status", value, f"one or more of {known}") from None
