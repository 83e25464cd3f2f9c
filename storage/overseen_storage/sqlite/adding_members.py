"""Jobs that are to be members of a batch: it must be there, and open."""

from __future__ import annotations

import msgspec

from overseen_storage.answers import Refused
from overseen_storage.batch_lifecycle import BATCH_STATUS_CODES, BatchStatus
from overseen_storage.items import NewJob, Submission
from overseen_storage.lifecycle import Status
from overseen_storage.sqlite.rows import document
from overseen_storage.sqlite.writer import Writer, is_storable

_STATUS_OF = {code: status for status, code in BATCH_STATUS_CODES.items()}

_decode_closed = msgspec.json.Decoder(list[tuple[int, int | None]]).decode


def batches_of(items: list[Submission]) -> set[int]:
    """The batches that jobs of `items` are to be members of."""
    return {job.batch_id for item in items for job in item.jobs if job.batch_id is not None}


def refuse_closed(
    writer: Writer, items: list[Submission], batch_ids: set[int]
) -> dict[int, Refused]:
    """By index, the submissions one of whose jobs names a batch that takes no members."""
    asked = document(sorted(filter(is_storable, batch_ids)))
    closed = dict(_decode_closed(writer.text("closed_batches", ids=asked)))
    closed.update((batch_id, None) for batch_id in batch_ids if not is_storable(batch_id))
    if not closed:
        return {}
    refused: dict[int, Refused] = {}
    for number, item in enumerate(items):
        for index, job in enumerate(item.jobs):
            if job.batch_id in closed:
                refused[number] = _refused(index, job.batch_id, closed[job.batch_id])
                break
    return refused


def _refused(index: int, batch_id: int, code: int | None) -> Refused:
    if code is None:
        message = f"There is no batch {batch_id}: open one, and submit its members to that."
        return Refused(index, "no_batch", message)
    status = _STATUS_OF[code]
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
