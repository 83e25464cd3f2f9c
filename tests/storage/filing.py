"""What the tests do with drafts and their files."""

from __future__ import annotations

import hashlib

import msgspec
from tests.storage.driving import SECOND, Writer, finish, new_job

from overseen_storage.answers import Committed
from overseen_storage.items import NewJob
from overseen_storage.lifecycle import Cause, Status
from overseen_storage.orders import Attach, Order, OrderAnswer, Release

HOUR = 3_600 * SECOND


def new_draft(
    job: NewJob | None = None,
    *,
    expires_at: int | None = None,
    retried_from: int | None = None,
) -> NewJob:
    """A draft of `job`."""
    return msgspec.structs.replace(
        job or new_job(), status=Status.DRAFT, expires_at=expires_at, retried_from=retried_from
    )


def new_retry(job_id: int, job: NewJob | None = None) -> NewJob:
    """A retry of an ended job."""
    return msgspec.structs.replace(job or new_job(), retried_from=job_id)


def attach(
    job_id: int, name: str, stored_name: str | None = None, *, expires_at: int = 10**17
) -> Attach:
    """A file whose content is its name; without `stored_name`, one that tells whose it is."""
    return Attach(
        job_id=job_id,
        name=name,
        digest=hashlib.sha256(name.encode("utf-8", "replace")).hexdigest(),
        size_bytes=len(name),
        stored_name=stored_name or f"{job_id}-{name}",
        expires_at=expires_at,
    )


def release(job_id: int, *required: str, now_wall: int = 0, cause: Cause = Cause.CALLER) -> Release:
    """Release a draft that has these files."""
    return Release(job_id=job_id, required=required, now_wall=now_wall, cause=cause)


async def order(writer: Writer, *orders: Order) -> list[OrderAnswer]:
    """Give orders in one group; an answer to each."""
    return (await give(writer, *orders)).orders


async def give(writer: Writer, *orders: Order) -> Committed:
    """Give orders in one group; all it did."""
    done = await writer.commit(orders=orders)
    assert len(done.orders) == len(orders)
    return done


async def draft(writer: Writer, *names: str, job: NewJob | None = None) -> int:
    """A draft with these files."""
    (job_id,) = await writer.submit(new_draft(job, expires_at=writer.next + HOUR))
    await order(writer, *[attach(job_id, name) for name in names])
    return job_id


async def released(writer: Writer, *names: str, job: NewJob | None = None) -> int:
    """A pending job with these files."""
    job_id = await draft(writer, *names, job=job)
    await order(writer, release(job_id))
    return job_id


async def ended(writer: Writer, *names: str) -> int:
    """A failed job with these files; nothing else may wait in its queue."""
    job_id = await draft(writer, *names)
    await end(writer, job_id)
    return job_id


async def end(writer: Writer, job_id: int) -> None:
    """Bring a draft, or a pending job, to its end as failed; nothing else may wait."""
    if (await writer.row(job_id)).status is Status.DRAFT:
        await order(writer, release(job_id))
    (claimed,) = await writer.claim()
    assert claimed.id == job_id
    await writer.commit(finishes=[finish(claimed, Status.FAILED)])


async def files_of(writer: Writer, job_id: int) -> dict[str, str]:
    """The stored names of a job's files, by name."""
    return {one.name: one.stored_name for one in await writer.store.attachments(job_id)}
