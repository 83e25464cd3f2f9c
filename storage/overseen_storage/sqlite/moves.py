"""Moves of jobs that exist: the end of attempts, requests, waiting jobs whose time has come.

Every move is one UPDATE, guarded by status and (where an attempt is meant) by fence, that writes
the move's own stamp into `changed_at`. Stamps are unique, so that column tells afterwards who has
really moved: only those get an event, the others are reported as missed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from overseen_storage.answers import Missed
from overseen_storage.items import (
    CancelWaiting,
    Expire,
    Finish,
    MakeDue,
    MarkStopping,
    PutBack,
    RequestCancel,
)
from overseen_storage.lifecycle import EVENT_CODES, Cause, EventType, Status
from overseen_storage.sqlite.drafts import drafts_with_files, drop_files
from overseen_storage.sqlite.rows import LARGE_BYTES, Rows, document
from overseen_storage.sqlite.writer import HELD_OF, STATUS_OF, Writer

MissedRow = tuple[int, int, int | None, int | None, int | None]
"""Index, job, and the row's status, fence and held."""

_decode_missed = msgspec.json.Decoder(list[MissedRow]).decode
_decode_ids = msgspec.json.Decoder(list[int]).decode
_decode_expiring = msgspec.json.Decoder(list[tuple[int, int, int]]).decode

Move = Finish | PutBack | RequestCancel | CancelWaiting


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one kind of move is written."""

    statement: str
    data: str
    """Where its data is in the row's array."""
    event: EventType | None
    """None: the status after it tells."""
    of_attempt: bool
    """Whether the event belongs to the attempt."""


_FINISH = _Kind("finish", "$[9]", None, True)
_PUT_BACK = _Kind("put_back", "$[13]", None, True)
_REQUEST_CANCEL = _Kind("request_cancel", "$[4]", EventType.CANCELLING, True)
_CANCEL_WAITING = _Kind("cancel_waiting", "$[3]", EventType.CANCELLED, False)


class Completions:
    """Finishes that are nothing but a returned value: the common case, with leaner statements."""

    __slots__ = ("ids", "rows")

    def __init__(self, finishes: list[Finish]) -> None:
        """Raises ValueError or OverflowError as `document` does."""
        self.ids = document([finish.job_id for finish in finishes])
        self.rows = document([(finish.job_id, finish.fence, finish.result) for finish in finishes])

    @classmethod
    def of(cls, finishes: list[Finish]) -> Completions | None:
        """All of `finishes` so, or None if one of them needs more."""
        if not finishes or not all(map(_is_plain, finishes)):
            return None
        try:
            completions = cls(finishes)
        except (ValueError, OverflowError):
            return None
        return None if "\\u0000" in completions.rows else completions


def _is_plain(finish: Finish) -> bool:
    return (
        finish.status is Status.COMPLETED
        and finish.cause is Cause.BODY
        and finish.reason is None
        and finish.error is None
        and finish.data is None
        and not finish.failures
        and not finish.losses
        and (finish.result is None or len(finish.result) <= LARGE_BYTES)
    )


def complete(writer: Writer, finishes: list[Finish], plain: Completions) -> dict[int, Missed]:
    """COMPLETE of many attempts."""
    changed = writer.run("complete", rows=plain.rows, at=writer.at)
    if changed == len(finishes):
        _tell(writer, plain.ids, changed, None, of_attempt=True)
        return {}
    return _tell_among(writer, Rows(finishes), plain.ids, changed, _FINISH)


def finish(writer: Writer, rows: Rows[Finish]) -> dict[int, Missed]:
    """COMPLETE, FAIL or CANCEL of live attempts."""
    missed: dict[int, Missed] = {}
    for part in rows.split_at(lambda item: len(item.result or "") > LARGE_BYTES):
        large = len(part) == 1 and len(part.items[0].result or "") > LARGE_BYTES
        if not large:
            missed.update(_move(writer, part, _FINISH, result=None))
            continue
        result = part.items[0].result
        assert result is not None
        slim = Rows([_without_result(part.items[0])], part.first)
        missed.update(_move(writer, slim, _FINISH, result=storable(result)))
    return missed


def _without_result(item: Finish) -> Finish:
    return msgspec.structs.replace(item, result="")


def storable(text: str) -> str:
    """`text`, if SQLite keeps it as it is; else ValueError."""
    text.encode("utf-8")
    if "\0" in text:
        raise ValueError("a NUL cannot be stored in JSON text")
    return text


def put_back(writer: Writer, rows: Rows[PutBack]) -> dict[int, Missed]:
    """RETRY, SNOOZE or REQUEUE of running attempts."""
    return _move(writer, rows, _PUT_BACK)


def request_cancel(writer: Writer, rows: Rows[RequestCancel]) -> dict[int, Missed]:
    """REQUEST_CANCEL of running attempts."""
    return _move(writer, rows, _REQUEST_CANCEL)


def cancel_waiting(writer: Writer, rows: Rows[CancelWaiting]) -> dict[int, Missed]:
    """CANCEL of jobs no body of which runs. Drafts lose their files."""
    drafts = drafts_with_files(writer, document([item.job_id for item in rows.items]))
    missed = _move(writer, rows, _CANCEL_WAITING)
    drop_files(writer, drafts)
    return missed


def mark_stopping(writer: Writer, rows: Rows[MarkStopping]) -> dict[int, Missed]:
    """Write down why running attempts are told to stop."""
    ids = document([item.job_id for item in rows.items])
    changed = writer.run("mark_stopping", rows=rows.document, at=writer.at)
    writer.run("stopping_events", rows=rows.document, seq=writer.seq, at=writer.at)
    missed = _missed(writer, rows.first, ids) if changed < len(rows) else {}
    writer.seq += changed
    writer.at += len(rows)
    return missed


def _move(writer: Writer, rows: Rows[Move], kind: _Kind, **more: str | None) -> dict[int, Missed]:
    ids = document([item.job_id for item in rows.items])
    changed = writer.run(kind.statement, rows=rows.document, at=writer.at, **more)
    if changed == len(rows) and all(item.data is None for item in rows.items):
        _tell(writer, ids, changed, kind.event, of_attempt=kind.of_attempt)
        return {}
    return _tell_among(writer, rows, ids, changed, kind)


def _tell(
    writer: Writer, ids: str, count: int, event: EventType | None, *, of_attempt: bool
) -> None:
    """Write an event for each of `ids`, all of which have moved."""
    code = None if event is None else EVENT_CODES[event]
    writer.run("moved_events", ids=ids, seq=writer.seq, type=code, of_attempt=of_attempt)
    writer.seq += count
    writer.at += count


def _tell_among(
    writer: Writer, rows: Rows[Move], ids: str, changed: int, kind: _Kind
) -> dict[int, Missed]:
    """Write an event for each that has moved; who has not."""
    code = None if kind.event is None else EVENT_CODES[kind.event]
    writer.run(
        "moved_events_among",
        rows=rows.document,
        seq=writer.seq,
        at=writer.at,
        type=code,
        of_attempt=kind.of_attempt,
        data=kind.data,
    )
    missed = _missed(writer, rows.first, ids) if changed < len(rows) else {}
    writer.seq += changed
    writer.at += len(rows)
    return missed


def _missed(writer: Writer, first: int, ids: str) -> dict[int, Missed]:
    return missed_of(writer.text("missed", ids=ids, at=writer.at), first)


def missed_of(rows: str, first: int) -> dict[int, Missed]:
    """The answer of a statement that tells who was missed."""
    return {
        first + index: Missed(
            job_id,
            None if status is None else STATUS_OF[status],
            fence,
            None if held is None else HELD_OF[held],
        )
        for index, job_id, status, fence, held in _decode_missed(rows)
    }


def make_due(writer: Writer, wanted: MakeDue) -> tuple[dict[str, int], bool]:
    """MAKE_DUE of what is due: how many by queue, and whether more is."""
    found = writer.text("due", now=wanted.now, now_wall=wanted.now_wall, limit=wanted.limit + 1)
    ids, remaining = _limited(found, wanted.limit)
    if not ids:
        return {}, remaining
    text = document(ids)
    writer.run("make_due", ids=text, at=writer.at)
    _tell(writer, text, len(ids), EventType.DUE, of_attempt=False)
    return count_by_queue(writer, ids), remaining


@dataclass(slots=True)
class Expired:
    """What had no more time."""

    jobs: list[int] = field(default_factory=list[int])
    drafts: list[int] = field(default_factory=list[int])
    remaining: bool = False
    """Whether there is more."""


def expire(writer: Writer, wanted: Expire) -> Expired:
    """FAIL of jobs that have waited too long, CANCEL of drafts that nobody released in time."""
    found = _decode_expiring(writer.text("expiring", now=wanted.now, limit=wanted.limit + 1))
    done = Expired(remaining=len(found) > wanted.limit)
    found = found[: wanted.limit]
    if not found:
        return done
    text = document([job_id for job_id, _, _ in found])
    writer.run("expire", ids=text, at=writer.at)
    _tell(writer, text, len(found), None, of_attempt=False)
    for job_id, is_draft, _ in found:
        (done.drafts if is_draft else done.jobs).append(job_id)
    drop_files(writer, [job_id for job_id, is_draft, has_files in found if is_draft and has_files])
    return done


def _limited(found: str, limit: int) -> tuple[list[int], bool]:
    ids = _decode_ids(found)
    return ids[:limit], len(ids) > limit


def count_by_queue(writer: Writer, ids: list[int]) -> dict[str, int]:
    """How many of `ids` are in each queue."""
    counted = writer.all("by_queue", ids=document(ids))
    return {str(queue): int(count) for queue, count in counted if isinstance(count, int)}
