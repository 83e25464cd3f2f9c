"""What the tests do with batches in the supervisor's place."""

from __future__ import annotations

import msgspec
from tests.storage.driving import PAGE, Writer, finish, new_job

from overseen_storage.answers import Claimed, Committed
from overseen_storage.batch_lifecycle import BatchPolicy
from overseen_storage.batch_records import BatchRecord, BatchSummary
from overseen_storage.items import Finish, NewJob
from overseen_storage.lifecycle import Reason, Status
from overseen_storage.orders import (
    Callback,
    CancelMembers,
    Declined,
    FinalizeBatch,
    Obeyed,
    OpenBatch,
    Order,
    SealBatch,
    StopBatch,
)
from overseen_storage.records import Event, JobError
from overseen_storage.store import Store


async def obeyed(writer: Writer, order: Order) -> Obeyed:
    """Give one order, which is carried out."""
    (answer,) = (await writer.commit(orders=[order])).orders
    assert isinstance(answer, Obeyed), answer
    return answer


async def declined(writer: Writer, order: Order) -> Declined:
    """Give one order, which is declined and changes nothing."""
    height = await writer.store.last_seq()
    (answer,) = (await writer.commit(orders=[order])).orders
    assert isinstance(answer, Declined), answer
    assert await writer.store.last_seq() == height
    return answer


async def open_batch(
    writer: Writer,
    policy: BatchPolicy = BatchPolicy.CONTINUE,
    threshold: float | None = None,
    *,
    name: str = "nightly",
    labels: str | None = None,
) -> int:
    """Open a batch; its id."""
    order = OpenBatch(name=name, policy=policy, threshold=threshold, labels=labels)
    batch_id = (await obeyed(writer, order)).batch_id
    assert batch_id is not None
    return batch_id


async def seal(writer: Writer, batch_id: int) -> Committed:
    """Seal a batch; what its group did."""
    done = await writer.commit(orders=[SealBatch(batch_id)])
    assert isinstance(done.orders[0], Obeyed), done.orders
    return done


async def stop(writer: Writer, batch_id: int) -> Obeyed:
    """Somebody wants a batch to end."""
    return await obeyed(writer, StopBatch(batch_id))


async def cancel_members(writer: Writer, batch_id: int, limit: int = 100) -> Obeyed:
    """Cancel what waits of a stopped batch."""
    return await obeyed(writer, CancelMembers(batch_id, limit))


def member(batch_id: int, job: NewJob | None = None) -> NewJob:
    """A job that is to be a member."""
    return msgspec.structs.replace(job or new_job(), batch_id=batch_id)


async def add(
    writer: Writer, batch_id: int, count: int = 1, job: NewJob | None = None
) -> list[int]:
    """Submit members; their ids."""
    return await writer.submit(*[member(batch_id, job)] * count)


async def sealed_batch(
    writer: Writer,
    count: int,
    policy: BatchPolicy = BatchPolicy.CONTINUE,
    threshold: float | None = None,
) -> tuple[int, list[Claimed]]:
    """A sealed batch whose members all run; its id, and their attempts."""
    batch_id = await open_batch(writer, policy, threshold)
    if count:
        await add(writer, batch_id, count)
    await seal(writer, batch_id)
    return batch_id, await writer.claim(limit=count + 1)


async def end(writer: Writer, *claimed: Claimed, status: Status = Status.COMPLETED) -> Committed:
    """End attempts in one group."""
    done = await writer.commit(finishes=[finish(one, status) for one in claimed])
    assert not done.missed_finishes
    return done


def failure(
    claimed: Claimed, error: str, message: str = "no", reason: Reason = Reason.ERROR
) -> Finish:
    """An attempt that ends its job by an exception."""
    return Finish(
        claimed.id,
        claimed.fence,
        Status.FAILED,
        reason=reason,
        error=JobError(error, message, "a traceback"),
        failures=1,
    )


async def batch(store: Store, batch_id: int) -> BatchRecord:
    """A batch, which is there."""
    record = await store.batch(batch_id)
    assert record is not None, f"there is no batch {batch_id}"
    return record


async def summed_up(store: Store, batch_id: int) -> BatchSummary:
    """The summary of a batch that is due."""
    summary = await store.sum_up_batch(batch_id)
    assert summary is not None, await store.batch(batch_id)
    return summary


async def finalizing(store: Store, batch_id: int, *callbacks: Callback) -> FinalizeBatch:
    """The order that freezes a batch as its rows are now."""
    summary = await summed_up(store, batch_id)
    return FinalizeBatch(
        batch_id=batch_id,
        status=summary.status,
        summary=msgspec.json.encode(summary).decode(),
        callbacks=callbacks,
    )


async def finalize(writer: Writer, batch_id: int, *callbacks: Callback) -> Obeyed:
    """Freeze a batch."""
    return await obeyed(writer, await finalizing(writer.store, batch_id, *callbacks))


async def events_of(store: Store, batch_id: int) -> list[Event]:
    """Everything about a batch and its members, in order, read in pages."""
    events: list[Event] = []
    after, height = 0, await store.last_seq()
    while after < height:
        page = await store.events(after=after, limit=PAGE, batch_id=batch_id)
        events.extend(page.events)
        after = page.searched_to
    return events


async def told(store: Store, batch_id: int) -> list[str]:
    """What happened to a batch itself, as words."""
    return [one.type.value for one in await events_of(store, batch_id) if one.job_id is None]
