"""From calls to rows: checks everything that can be checked before anything is stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from overseen.attachments.draft_errors import NeedsAttachments
from overseen.errors import TooManyCalls
from overseen.face_checks import check_call
from overseen.jobs import Call
from overseen.registry import Registry
from overseen.settings import Settings
from overseen_actors.clock import Clock, Stamper
from overseen_storage.items import NewJob
from overseen_storage.lifecycle import Status
from overseen_storage.records import JobRecord

__all__ = ["Origin", "Prepared", "again", "prepare", "size_bytes"]

CALLS_MAX: Final = 10_000
BYTES_MAX: Final = 64 << 20


class Origin(msgspec.Struct, frozen=True):
    """Where jobs come from, and how they begin."""

    parent_id: int | None = None
    """The job whose body submits them."""
    batch_id: int | None = None
    """The batch they join."""
    draft_expires_at: int | None = None
    """They begin as drafts, which expire then."""


class Prepared(msgspec.Struct):
    """Rows to be inserted together, and the size of their payloads."""

    jobs: list[NewJob]
    size: int


def prepare(
    calls: Iterable[Call[Any]],
    *,
    registry: Registry,
    settings: Settings,
    stamper: Stamper,
    clock: Clock,
    origin: Origin,
) -> Prepared:
    """Turn calls into rows.

    Raises `UnknownJob`, `InvalidArguments`, `PayloadTooLarge`, `NeedsAttachments` and
    `TooManyCalls`.
    """
    jobs: list[NewJob] = []
    size = 0
    for call in calls:
        check_call(call)
        job = _row(call, registry, settings, stamper, clock, origin)
        size += size_bytes(job.arguments)
        jobs.append(job)
        if len(jobs) > CALLS_MAX or size > BYTES_MAX:
            raise TooManyCalls(calls=len(jobs), calls_max=CALLS_MAX, size=size, size_max=BYTES_MAX)
    return Prepared(jobs, size)


def size_bytes(text: str) -> int:
    """Return the bytes of a text as it is stored."""
    return len(text) if text.isascii() else len(text.encode())


def _row(
    call: Call[Any],
    registry: Registry,
    settings: Settings,
    stamper: Stamper,
    clock: Clock,
    origin: Origin,
) -> NewJob:
    job = registry.known(call.job)
    is_draft = origin.draft_expires_at is not None
    if job.definition.attachments and not is_draft:
        raise NeedsAttachments(job.kind, job.definition.attachments)
    codec = job.prepare().arguments
    arguments = codec.encode(call.args, call.kwargs, settings.arguments_limit)
    said, definition = job.overrides, job.effective
    if said.idempotency_key is not None:
        arguments = codec.in_order(arguments)  # compared as text with those of another process
    due_at, due_wall_at = _due(said.delay_us, said.at_us, stamper, clock)
    status = Status.PENDING if due_at is None and due_wall_at is None else Status.SCHEDULED
    return NewJob(
        kind=definition.kind,
        queue=definition.queue,
        priority=definition.priority,
        status=Status.DRAFT if is_draft else status,
        arguments=arguments,
        retries=definition.retries,
        losses_allowed=definition.losses,
        due_at=due_at,
        due_wall_at=due_wall_at,
        timeout_us=said.timeout_us,
        heartbeat_us=said.heartbeat_us,
        grace_us=said.grace_us,
        queue_timeout_us=definition.queue_timeout_us,
        key=said.key,
        on_conflict=said.on_conflict,
        idempotency_key=said.idempotency_key,
        labels=said.labels,
        headers=said.headers,
        parent_id=origin.parent_id,
        batch_id=origin.batch_id,
        expires_at=origin.draft_expires_at,
    )


def _due(
    delay_us: int | None, at_us: int | None, stamper: Stamper, clock: Clock
) -> tuple[int | None, int | None]:
    """A delay counts in stamp time, a moment in wall time; what is over means now."""
    due_at = stamper.now() + delay_us if delay_us else None
    due_wall_at = at_us if at_us is not None and at_us > clock.wall_us() else None
    return due_at, due_wall_at


def again(ended: JobRecord) -> NewJob:
    """Return the row of an operator's retry: the same work, fresh budgets, no keys.

    It goes on from the last checkpoint of the job it repeats.
    """
    return NewJob(
        kind=ended.kind,
        queue=ended.queue,
        priority=ended.priority,
        arguments=ended.arguments,
        retries=ended.retries,
        losses_allowed=ended.losses_allowed,
        timeout_us=ended.timeout_us,
        heartbeat_us=ended.heartbeat_us,
        grace_us=ended.grace_us,
        queue_timeout_us=ended.queue_timeout_us,
        labels=ended.labels,
        headers=ended.headers,
        parent_id=ended.parent_id,
        retried_from=ended.id,
        checkpoint=ended.checkpoint,
    )
