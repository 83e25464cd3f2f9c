"""Drafts: files are attached, then they are released; or they are given up, and their files go."""

from __future__ import annotations

import msgspec

from overseen_storage.lifecycle import (
    CAUSE_CODES,
    REASON_CODES,
    STATUS_CODES,
    Cause,
    EventType,
    Reason,
    Status,
)
from overseen_storage.orders import (
    Attach,
    Declined,
    Discard,
    KeepDraft,
    Obeyed,
    OrderAnswer,
    Release,
)
from overseen_storage.sqlite.rows import document
from overseen_storage.sqlite.safe_text import make_safe, safe
from overseen_storage.sqlite.writer import REASON_OF, STATUS_OF, Writer, is_storable

_decode_ids = msgspec.json.Decoder(list[int]).decode
_decode_names = msgspec.json.Decoder(list[str]).decode


class _Draft(msgspec.Struct, frozen=True, array_like=True):
    """As much of a draft as decides what its release means."""

    queue: str
    due_at: int | None
    due_wall_at: int | None


def attach(writer: Writer, order: Attach) -> OrderAnswer:
    """A file belongs to a draft."""
    draft = _read(writer, order.job_id)
    if isinstance(draft, Declined):
        return draft
    order = make_safe(order)
    if writer.one("attachment_taken", id=order.job_id, name=order.name) is not None:
        return Declined(why="name_taken", status=Status.DRAFT)
    at = writer.event(
        EventType.ATTACHED,
        Cause.CALLER,
        job_id=order.job_id,
        data=document(_told(order.name, order.size_bytes, order.digest)),
    )
    writer.run(
        "attach",
        id=order.job_id,
        name=order.name,
        digest=order.digest,
        size_bytes=order.size_bytes,
        stored_name=order.stored_name,
        at=at,
    )
    writer.run("count_attachment", id=order.job_id, at=at, expires_at=order.expires_at)
    return Obeyed()


def keep(writer: Writer, order: KeepDraft) -> OrderAnswer:
    """A draft expires later."""
    draft = _read(writer, order.job_id)
    if isinstance(draft, Declined):
        return draft
    writer.run("keep_draft", id=order.job_id, expires_at=order.expires_at)
    return Obeyed()


def release(writer: Writer, order: Release) -> OrderAnswer:
    """RELEASE or RELEASE_LATER of a draft."""
    draft = _read(writer, order.job_id)
    if isinstance(draft, Declined):
        return draft
    files = writer.all("attachments", job_id=order.job_id)
    names = {name for _, name, *_ in files}
    missing = tuple(name for name in map(safe, order.required) if name not in names)
    if missing:
        return Declined(why="missing", status=Status.DRAFT, missing=missing)
    status = Status.SCHEDULED if _is_later(writer, draft, order) else Status.PENDING
    reason = Reason.OPERATOR if order.cause is Cause.OPERATOR else None
    listed = [_told(name, size, digest) for _, name, digest, size, *_ in files]
    at = writer.event(
        EventType.READY,
        order.cause,
        job_id=order.job_id,
        status=status,
        reason=reason,
        data=document({"attachments": listed}),
    )
    writer.run(
        "release",
        id=order.job_id,
        at=at,
        status=STATUS_CODES[status],
        reason=None if reason is None else REASON_CODES[reason],
        cause=CAUSE_CODES[order.cause],
    )
    return Obeyed(status=status, queue=draft.queue if status is Status.PENDING else None)


def discard(writer: Writer, order: Discard) -> OrderAnswer:
    """CANCEL of a draft, and of nothing else."""
    draft = _read(writer, order.job_id)
    if isinstance(draft, Declined):
        return draft
    with_files = drafts_with_files(writer, document([order.job_id]))
    at = writer.event(
        EventType.CANCELLED,
        order.cause,
        job_id=order.job_id,
        status=Status.CANCELLED,
        reason=Reason.DRAFT_DISCARDED,
        data=order.data,
    )
    writer.run("discard", id=order.job_id, at=at, cause=CAUSE_CODES[order.cause])
    drop_files(writer, with_files)
    return Obeyed(status=Status.CANCELLED)


def _read(writer: Writer, job_id: int) -> _Draft | Declined:
    row = writer.one("draft", id=job_id) if is_storable(job_id) else None
    if row is None:
        return Declined(why="no_job")
    code, reason, *draft = row
    assert isinstance(code, int)
    status = STATUS_OF[code]
    if status is not Status.DRAFT:
        why = REASON_OF[reason] if isinstance(reason, int) else None
        return Declined(why="not_draft", status=status, reason=why)
    return msgspec.convert(draft, _Draft)


def _is_later(writer: Writer, draft: _Draft, order: Release) -> bool:
    """Whether it has a time, and every one that it has is to come: the earlier one counts."""
    times = ((draft.due_at, writer.at), (draft.due_wall_at, order.now_wall))
    given = [due > now for due, now in times if due is not None]
    return bool(given) and all(given)


def _told(name: object, size_bytes: object, digest: object) -> dict[str, object]:
    """A file on the ledger."""
    return {"name": name, "size_bytes": size_bytes, "digest": digest}


def drafts_with_files(writer: Writer, ids: str) -> list[int]:
    """Those among `ids` (a JSON array) that are drafts and have files."""
    return _decode_ids(writer.text("drafts_with_files", ids=ids))


def drop_files(writer: Writer, ids: list[int]) -> None:
    """These drafts have ended: they have no files any more, and those that nobody else has are
    free to go."""
    if not ids:
        return
    text = document(ids)
    writer.freed_files.extend(_decode_names(writer.text("freed_files", ids=text)))
    writer.run("prune_attachments", ids=text)
