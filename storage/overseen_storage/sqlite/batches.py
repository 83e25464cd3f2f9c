"""Batches: opened, sealed, stopped, finalized. `settling` tells what the ends of members mean."""

from __future__ import annotations

import msgspec

from overseen_storage.batch_lifecycle import (
    BATCH_ENDED,
    BATCH_POLICY_CODES,
    BATCH_STATUS_CODES,
    BatchStatus,
)
from overseen_storage.lifecycle import (
    REASON_CODES,
    Cause,
    EventType,
    Reason,
)
from overseen_storage.orders import (
    Callback,
    CancelMembers,
    Declined,
    FinalizeBatch,
    Obeyed,
    OpenBatch,
    OrderAnswer,
    SealBatch,
    StopBatch,
)
from overseen_storage.sqlite.drafts import drafts_with_files, drop_files
from overseen_storage.sqlite.inserting import Inserts, insert
from overseen_storage.sqlite.rows import document
from overseen_storage.sqlite.safe_text import make_safe
from overseen_storage.sqlite.writer import BATCH_STATUS_OF, REASON_OF, Writer, is_storable


class _Frozen(msgspec.Struct, frozen=True):
    """As much of a summary as must fit the batch's row."""

    reason: Reason | None = None


_decode_frozen = msgspec.json.Decoder(_Frozen).decode
_decode_ids = msgspec.json.Decoder(list[int]).decode


class _State(msgspec.Struct, frozen=True):
    """As much of a batch as decides about an order."""

    status: BatchStatus
    stopped: Reason | None

    def declined(self, why: str) -> Declined:
        """The answer to an order that does not fit it."""
        return Declined(why=why, batch_status=self.status, reason=self.stopped)


def _read(writer: Writer, batch_id: int) -> _State | Declined:
    row = writer.one("batch_state", id=batch_id) if is_storable(batch_id) else None
    if row is None:
        return Declined(why="no_batch")
    status, stopped = row
    assert isinstance(status, int)
    return _State(BATCH_STATUS_OF[status], REASON_OF[stopped] if isinstance(stopped, int) else None)


def open_batch(writer: Writer, order: OpenBatch) -> OrderAnswer:
    """A new batch."""
    order = make_safe(order)
    batch_id = writer.insert(
        "open_batch",
        name=order.name,
        policy=BATCH_POLICY_CODES[order.policy],
        threshold=order.threshold,
        at=writer.at,
        on_finish=order.on_finish,
        on_failure=order.on_failure,
        aggregate=order.aggregate,
        labels=order.labels,
    )
    data = document({"name": order.name})
    writer.event(EventType.BATCH_OPENED, order.cause, batch_id=batch_id, data=data)
    writer.batches_changed()
    return Obeyed(batch_id=batch_id)


def seal(writer: Writer, order: SealBatch) -> OrderAnswer:
    """No more members."""
    state = _read(writer, order.batch_id)
    if isinstance(state, Declined):
        return state
    if state.status is not BatchStatus.OPEN:
        return state.declined("finalized" if state.status in BATCH_ENDED else "sealed")
    _seal(writer, order.batch_id, order.cause)
    return Obeyed(batch_id=order.batch_id)


def _seal(writer: Writer, batch_id: int, cause: Cause) -> None:
    writer.run("seal_batch", id=batch_id, at=writer.at)
    row = writer.one("batch_total", id=batch_id)
    assert row is not None
    data = document({"total": row[0]})
    writer.event(EventType.BATCH_SEALED, cause, batch_id=batch_id, data=data)
    writer.touched_batches.add(batch_id)


def stop(writer: Writer, order: StopBatch) -> OrderAnswer:
    """Somebody wants it to end: that overrides the policy."""
    state = _read(writer, order.batch_id)
    if isinstance(state, Declined):
        return state
    if state.status in BATCH_ENDED:
        return state.declined("finalized")
    if state.stopped is Reason.REQUESTED:
        return state.declined("stopped")
    was_open = state.status is BatchStatus.OPEN
    if was_open:
        _seal(writer, order.batch_id, order.cause)
    writer.run("stop_batch", id=order.batch_id, reason=REASON_CODES[Reason.REQUESTED])
    writer.event(
        EventType.BATCH_CANCELLING,
        order.cause,
        batch_id=order.batch_id,
        reason=Reason.REQUESTED,
        data=make_safe(order).data,
    )
    writer.batches_changed()
    return Obeyed(batch_id=order.batch_id, sealed=was_open)


def cancel_members(writer: Writer, order: CancelMembers) -> OrderAnswer:
    """CANCEL of waiting members of a stopped batch."""
    state = _read(writer, order.batch_id)
    if isinstance(state, Declined):
        return state
    if state.status in BATCH_ENDED:
        return state.declined("finalized")
    if state.stopped is None:
        return state.declined("not_stopped")
    found = _decode_ids(writer.text("waiting_members", id=order.batch_id, limit=order.limit + 1))
    ids = found[: order.limit]
    if ids:
        _cancel(writer, ids, state.stopped)
    return Obeyed(batch_id=order.batch_id, cancelled=tuple(ids), remaining=len(found) > len(ids))


def _cancel(writer: Writer, ids: list[int], reason: Reason) -> None:
    text = document(ids)
    drafts = drafts_with_files(writer, text)
    writer.run("cancel_members", ids=text, at=writer.at, reason=REASON_CODES[reason])
    writer.run("moved_events", ids=text, seq=writer.seq, type=None, of_attempt=False)
    writer.seq += len(ids)
    writer.at += len(ids)
    drop_files(writer, drafts)


def finalize(writer: Writer, order: FinalizeBatch) -> OrderAnswer:
    """Freeze the summary and submit the callbacks: once, whoever asks again."""
    state = _read(writer, order.batch_id)
    if isinstance(state, Declined):
        return state
    if state.status is not BatchStatus.PROCESSING:
        return state.declined("finalized" if state.status in BATCH_ENDED else "not_sealed")
    if _decode_frozen(order.summary).reason != state.stopped:
        return state.declined("stopped")  # after it was summed up: it is to be summed up again
    order = make_safe(order)
    changed = writer.run(
        "finalize_batch",
        id=order.batch_id,
        at=writer.at,
        status=BATCH_STATUS_CODES[order.status],
        summary=order.summary,
    )
    if not changed:
        return state.declined("open_members")
    writer.event(
        EventType.BATCH_FINALIZED,
        Cause.BATCH,
        batch_id=order.batch_id,
        reason=state.stopped,
        data=order.data,
    )
    writer.batches_changed()
    callbacks = tuple(_call_back(writer, order.batch_id, one) for one in order.callbacks)
    return Obeyed(batch_id=order.batch_id, callbacks=callbacks)


def _call_back(writer: Writer, batch_id: int, callback: Callback) -> int:
    """Submit a callback: a job that is no member, and whose only key is the batch's event."""
    job = msgspec.structs.replace(callback.job, batch_id=None, key=None, idempotency_key=None)
    job_id = insert(writer, Inserts([job]), Cause.BATCH)[0]
    writer.run("mark_callback", id=job_id, batch_id=batch_id, event=callback.event)
    return job_id
