"""What is submitted when a batch ends: checked when the batch is opened, filled in at its end.

A callback is kept as a template: a whole row, except for its arguments. So it can be submitted by
any later process, whether or not that one knows the kind; a kind nobody knows is held, as all are.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, cast

import msgspec

from overseen.errors import InvalidArguments, InvalidOption
from overseen.face_checks import check_job
from overseen.jobs import Job
from overseen.registry import Registry
from overseen_storage.batch_lifecycle import BatchStatus
from overseen_storage.batch_records import BatchRecord, BatchSummary
from overseen_storage.items import NewJob
from overseen_storage.lifecycle import Status
from overseen_storage.orders import Callback

__all__ = ["CallbackEvent", "callbacks_of", "template_of"]

CallbackEvent: TypeAlias = Literal["finish", "failure", "aggregate"]

_NO_JOB: Final = dict(
    zip(
        NewJob.__struct_fields__,
        msgspec.to_builtins(NewJob(kind="", queue="", arguments="{}")),
        strict=True,
    )
)
"""The fields of a job about which nothing is said."""
_SAMPLE: Final = BatchSummary(
    batch_id=1,
    name="sample",
    status=BatchStatus.COMPLETED,
    total=0,
    completed=0,
    completed_with_warnings=0,
    failed=0,
    cancelled=0,
    warnings=0,
    attempts=0,
    retried=0,
    created_at=1,
    sealed_at=2,
)


class _Template(msgspec.Struct, frozen=True):
    """A job that waits for its one argument."""

    parameter: str
    """Name of the parameter that takes it."""
    job: dict[str, Any]
    """Everything else that differs from a `NewJob` without options, by the names of its fields:
    templates are kept for long, and read by later versions."""


_decode: Final = msgspec.json.Decoder(_Template).decode


def template_of(event: CallbackEvent, job: Job[..., Any], registry: Registry) -> str:
    """Return `job` as the callback for `event`, as it is kept.

    Raises `UnknownJob` if it is not registered, and `InvalidOption` if it does not take what it
    will be given: ``report(summary: BatchSummary)``.
    """
    check_job(job)
    registry.known(job)
    option = "aggregate" if event == "aggregate" else f"on_{event}"
    said = job.overrides
    if said.delay_us is not None or said.at_us is not None or said.key or said.idempotency_key:
        bound = (
            "a job without delay, at, key or idempotency_key: it is submitted when the batch ends"
        )
        raise InvalidOption(option, job.kind, bound)
    definition = job.effective
    if definition.attachments:
        raise InvalidOption(option, job.kind, "a job that needs no attachments")
    template = _Template(
        _parameter(option, job, 1 if event == "aggregate" else _SAMPLE),
        {
            "kind": definition.kind,
            "queue": definition.queue,
            "priority": definition.priority,
            "retries": definition.retries,
            "losses_allowed": definition.losses,
            "timeout_us": said.timeout_us,
            "heartbeat_us": said.heartbeat_us,
            "grace_us": said.grace_us,
            "queue_timeout_us": definition.queue_timeout_us,
            "labels": said.labels,
            "headers": said.headers,
        },
    )
    return msgspec.json.encode(template).decode()


def _parameter(option: str, job: Job[..., Any], sample: object) -> str:
    """The name of the one parameter that takes `sample`."""
    try:
        encoded = job.prepare().arguments.encode((sample,), {})
    except InvalidArguments as error:
        bound = "a job with the signature report(summary: BatchSummary), a Context before it or not"
        raise InvalidOption(option, job.kind, f"{bound} ({error.reason})") from error
    return next(iter(cast("dict[str, object]", msgspec.json.decode(encoded))))


def callbacks_of(batch: BatchRecord, summary: BatchSummary, frozen: str) -> tuple[Callback, ...]:
    """Return the jobs that the end of `batch` submits. `frozen` is the summary as JSON."""
    callbacks: list[Callback] = []
    if batch.aggregate is not None:
        callbacks.append(_filled("aggregate", batch.aggregate, str(batch.id)))
    if batch.on_finish is not None:
        callbacks.append(_filled("finish", batch.on_finish, frozen))
    if batch.on_failure is not None and summary.status is BatchStatus.COMPLETED_WITH_ERRORS:
        callbacks.append(_filled("failure", batch.on_failure, frozen))
    return tuple(callbacks)


def _filled(event: CallbackEvent, template: str, argument: str) -> Callback:
    """Raises `msgspec.MsgspecError` if the template is none that this version can read."""
    waiting = _decode(template)
    arguments = msgspec.json.encode({waiting.parameter: msgspec.Raw(argument.encode())}).decode()
    fields = {**waiting.job, "status": Status.PENDING, "arguments": arguments}
    in_order = [fields.get(name, _NO_JOB[name]) for name in NewJob.__struct_fields__]
    return Callback(event, msgspec.convert(in_order, NewJob))
