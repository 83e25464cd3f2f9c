"""Jobs that are to be members of a batch: it must be there, and open."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from overseen_storage.answers import Refused
from overseen_storage.batch_lifecycle import BatchStatus
from overseen_storage.items import NewJob, Submission
from overseen_storage.lifecycle import Status
from overseen_storage.sqlite.rows import document
from overseen_storage.sqlite.writer import BATCH_STATUS_OF, Writer, is_storable

_decode_closed = msgspec.json.Decoder(list[tuple[int, int | None]]).decode


def batches_of(items: list[Submission]) -> set[int]:
    """The batches that jobs of `items` are to be members of."""
    return {job.batch_id for item in items for job in item.jobs if job.batch_id is not None}


def closed_batches(writer: Writer, batch_ids: set[int]) -> dict[int, int | None]:
    """Those that take no members, with the codes of their statuses (None: there is no such)."""
    asked = document(sorted(filter(is_storable, batch_ids)))
    closed = dict(_decode_closed(writer.text("closed_batches", ids=asked)))
    closed.update((batch_id, None) for batch_id in batch_ids if not is_storable(batch_id))
    return closed


def first_refused(item: Submission, closed: Mapping[int, int | None]) -> Refused | None:
    """The answer to a submission one of whose jobs names a batch that takes no members."""
    found = (refused_member(index, job, closed) for index, job in enumerate(item.jobs))
    return next(filter(None, found), None)


def refused_member(index: int, job: NewJob, closed: Mapping[int, int | None]) -> Refused | None:
    """The answer to a job that cannot join its batch; None if it can, or names none."""
    batch_id = job.batch_id
    if batch_id is None or batch_id not in closed:
        return None
    code = closed[batch_id]
    if code is None:
        message = f"There is no batch {batch_id}: open one, and submit its members to that."
        return Refused(index, "no_batch", message)
    status = BATCH_STATUS_OF[code]
    how = "was sealed" if status is BatchStatus.PROCESSING else f"is {status}"
    message = (
        f"Batch {batch_id} {how}: it takes no more members. Submit the job without a batch, or "
        "open another one."
    )
    return Refused(index, "batch_sealed", message)


def refuse_holder(
    index: int, job: NewJob, holder: int, status: Status, its_batch: object
) -> Refused:
    """The answer to a job that is to be a member, when the job that has its key is not one."""
    key = job.idempotency_key if job.key is None else job.key
    where = "no member of a batch" if its_batch is None else f"a member of batch {its_batch}"
    message = (
        f"Key {key!r} is held by job {holder}, which is {where}, not of batch {job.batch_id}: the "
        "batch would not wait for it. Use another key, or submit the job without the batch."
    )
    return Refused(index, "key_batch", message, holder, status)
