"""Submissions: jobs that are created together or not at all, and the two kinds of keys.

`key` is unique among jobs that have not ended, `idempotency_key` while the row is kept. Whether
keys collide is asked once for a whole group; submissions without a collision are created in bulk,
the others one by one, in order, each within a savepoint of its own.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import msgspec

from overseen_storage.answers import Accepted, Refused
from overseen_storage.items import NewJob, OnConflict, Submission
from overseen_storage.lifecycle import (
    CAUSE_CODES,
    LIVE,
    Cause,
    EventType,
    Reason,
    Status,
)
from overseen_storage.sqlite.adding_members import (
    batches_of,
    closed_batches,
    first_refused,
    refuse_holder,
    refused_member,
)
from overseen_storage.sqlite.drafts import drop_files
from overseen_storage.sqlite.inserting import Inserts, insert
from overseen_storage.sqlite.rows import document
from overseen_storage.sqlite.safe_text import is_safe, make_safe
from overseen_storage.sqlite.sharing import (
    files_to_share,
    need_care,
    refuse_files,
    share_files,
)
from overseen_storage.sqlite.translate_errors import is_about_a_row
from overseen_storage.sqlite.writer import STATUS_OF, Writer

Answer = Accepted | Refused

_decode_keys = msgspec.json.Decoder(list[str]).decode
NONE_CLOSED: Final[Mapping[int, int | None]] = MappingProxyType({})


class Submissions:
    """A group's submissions and, where they can be created in one go, how."""

    __slots__ = ("batch_ids", "bulk", "cause", "items", "keyed", "retried")

    def __init__(self, items: list[Submission]) -> None:
        causes = {item.cause for item in items}
        self.keyed = any(
            job.key is not None or job.idempotency_key is not None
            for item in items
            for job in item.jobs
        )
        self.batch_ids = batches_of(items)
        self.retried = {
            job.retried_from for item in items for job in item.jobs if job.retried_from is not None
        }
        self.items = [_with_safe_keys(item) for item in items] if self.keyed else items
        self.cause = items[0].cause if len(causes) == 1 else None
        self.bulk: Inserts | None = None
        if self.cause is not None:
            # With keys too: they seldom collide. What refuses is met again, and named, when each is
            # applied with care.
            with contextlib.suppress(ValueError, OverflowError):
                self.bulk = Inserts([job for item in self.items for job in item.jobs])


def _with_safe_keys(submission: Submission) -> Submission:
    keys = [key for job in submission.jobs for key in (job.key, job.idempotency_key) if key]
    if all(map(is_safe, keys)):
        return submission
    try:
        jobs = [make_safe(job) for job in submission.jobs]
    except ValueError:
        return submission  # refused where it is applied
    return Submission(jobs, submission.cause)


def submit(writer: Writer, submissions: Submissions) -> list[Answer]:
    """Apply all submissions; an answer to each, in order."""
    items = submissions.items
    if not submissions.batch_ids:
        return _submit(writer, submissions)
    closed = closed_batches(writer, submissions.batch_ids)
    if not closed:
        return _submit(writer, submissions)
    answers: list[Answer] = []
    waiting: list[Submission] = []
    for item in items:
        refused = first_refused(item, closed)
        if refused is None:
            waiting.append(item)
            continue
        answers += _submit(writer, Submissions(waiting))  # keys go by the order of submission
        waiting = []
        answers.append(_submit_late(writer, item, refused, closed))
    return answers + _submit(writer, Submissions(waiting))


def _submit_late(
    writer: Writer, item: Submission, refused: Refused, closed: Mapping[int, int | None]
) -> Answer:
    """A batch of it takes no members any more. With keys it may all be there already."""
    if all(job.key is None and job.idempotency_key is None for job in item.jobs):
        return refused
    return _submit_with_care(writer, _with_safe_keys(item), closed)


def _submit(writer: Writer, submissions: Submissions) -> list[Answer]:
    items = submissions.items
    if not items:
        return []
    colliding = _colliding(writer, items) if submissions.keyed else set[int]()
    if submissions.retried:
        colliding |= _sharing(items, need_care(writer, submissions.retried))
    bulk, cause = submissions.bulk, submissions.cause
    if bulk is not None and cause is not None and not colliding and not writer.careful:
        return _split(items, insert(writer, bulk, cause))
    answers: list[Answer] = []
    for stretch in _stretches(items, colliding):
        if stretch.colliding:
            answers.append(_submit_with_care(writer, stretch.items[0]))
        elif writer.careful:
            answers.extend(_insert_with_care(writer, stretch.items))
        else:
            answers.extend(_insert_all(writer, stretch.items))
    return answers


def _split(items: list[Submission], ids: range) -> list[Answer]:
    answers: list[Answer] = []
    start = 0
    for item in items:
        stop = start + len(item.jobs)
        answers.append(Accepted(ids[start:stop]))
        start = stop
    return answers


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Submissions in a row that are created in the same way."""

    items: list[Submission]
    colliding: bool


def _stretches(items: list[Submission], colliding: set[int]) -> Iterator[_Stretch]:
    start = 0
    for index, item in enumerate(items):
        if index in colliding:
            if index > start:
                yield _Stretch(items[start:index], False)
            yield _Stretch([item], True)
            start = index + 1
        elif index > start and item.cause is not items[start].cause:
            yield _Stretch(items[start:index], False)
            start = index
    if start < len(items):
        yield _Stretch(items[start:], False)


def _colliding(writer: Writer, items: list[Submission]) -> set[int]:
    """Indexes of the submissions one of whose keys is taken, or used twice in this group."""
    used: Counter[str] = Counter()
    used_idempotent: Counter[str] = Counter()
    for item in items:
        used.update(job.key for job in item.jobs if job.key is not None)
        used_idempotent.update(
            job.idempotency_key for job in item.jobs if job.idempotency_key is not None
        )
    if not used and not used_idempotent:
        return set()
    taken = _taken(writer, "keys_taken", used)
    taken_idempotent = _taken(writer, "idempotency_keys_taken", used_idempotent)
    return {
        index
        for index, item in enumerate(items)
        if any(job.key in taken or job.idempotency_key in taken_idempotent for job in item.jobs)
    }


def _sharing(items: list[Submission], retried: set[int]) -> set[int]:
    """Indexes of the submissions with a retry of one of `retried`: its files are looked at."""
    return {
        index
        for index, item in enumerate(items)
        if any(job.retried_from in retried for job in item.jobs)
    }


def _taken(writer: Writer, name: str, used: Counter[str]) -> set[str]:
    storable = [key for key in used if is_safe(key)]
    if not storable:
        return set()
    taken = set(_decode_keys(writer.text(name, keys=document(storable))))
    return taken | {key for key, times in used.items() if times > 1}


def _insert_all(writer: Writer, items: list[Submission]) -> list[Answer]:
    jobs = [job for item in items for job in item.jobs]
    return _split(items, insert(writer, Inserts(jobs), items[0].cause))


def _insert_with_care(writer: Writer, items: list[Submission]) -> list[Answer]:
    """As `_insert_all`, halved until a submission that the schema refuses stands alone."""
    try:
        with writer.savepoint():
            return _insert_all(writer, items)
    except Exception as error:
        if not is_about_a_row(error):
            raise
        if len(items) == 1:
            return [_refuse_row(writer, items[0], error)]
    middle = len(items) // 2
    left = _insert_with_care(writer, items[:middle])
    return left + _insert_with_care(writer, items[middle:])


class _Undo(Exception):
    """Leaves a savepoint, so that what was tried in it is undone."""


def _refuse_row(writer: Writer, submission: Submission, error: BaseException) -> Refused:
    """Say which of the submission's jobs the schema refuses: the first, found by halving."""
    start, stop = 0, len(submission.jobs)
    while stop - start > 1:
        middle = (start + stop) // 2
        failure = _try(writer, submission.jobs[start:middle], submission.cause)
        if failure is None:
            start = middle
        else:
            stop, error = middle, failure
    return Refused(start, "row", f"Job {start} of this submission cannot be stored: {error}")


def _try(writer: Writer, jobs: list[NewJob], cause: Cause) -> BaseException | None:
    try:
        with writer.savepoint():
            insert(writer, Inserts(jobs), cause)
            raise _Undo
    except _Undo:
        return None
    except Exception as error:
        if not is_about_a_row(error):
            raise
        return error


class _Collision(Exception):
    """Leaves a submission's savepoint with the answer."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message)
        self.refused = refused


def _submit_with_care(
    writer: Writer, submission: Submission, closed: Mapping[int, int | None] = NONE_CLOSED
) -> Answer:
    """Create a submission's jobs one by one, each looking at what holds its keys."""
    ids: list[int] = []
    created: list[bool] = []
    replaced: list[int] = []
    index = 0
    try:
        with writer.savepoint():
            for index, item in enumerate(submission.jobs):
                job = make_safe(item)
                existing = _existing(writer, index, job, submission.cause, replaced)
                late = refused_member(index, job, closed)
                if existing is None and late is not None:
                    raise _Collision(late)
                created.append(existing is None)
                ids.append(
                    _create(writer, index, job, submission.cause) if existing is None else existing
                )
    except _Collision as collision:
        return collision.refused
    except Exception as error:
        if not is_about_a_row(error):
            raise
        message = f"Job {index} of this submission cannot be stored: {error}"
        return Refused(index, "row", message)
    return Accepted(ids, None if all(created) else created, replaced)


def _create(writer: Writer, index: int, job: NewJob, cause: Cause) -> int:
    """Create one job; a retry shares the files of the first."""
    retried, at = job.retried_from, writer.at
    if retried is None:
        return insert(writer, Inserts([job]), cause)[0]
    files = files_to_share(writer, retried)
    if files is None:
        raise _Collision(refuse_files(index, retried))
    job_id = insert(writer, Inserts([job]), cause)[0]
    if files:
        share_files(writer, retried, job_id, files, at)
    return job_id


def _existing(
    writer: Writer, index: int, job: NewJob, cause: Cause, replaced: list[int]
) -> int | None:
    """The job to attach to, or None if one is to be created; `_Collision` if neither may be."""
    if job.idempotency_key is not None:
        held = writer.one("idempotency_holder", key=job.idempotency_key)
        if held is not None:
            holder, status, kind = _int(held[0]), _status(held[1]), str(held[2])
            if kind == job.kind and held[3] == job.arguments:
                return _attach(index, job, holder, status, held[4])
            raise _Collision(
                Refused(
                    index,
                    "idempotency",
                    f"Idempotency key {job.idempotency_key!r} was used for job {holder} "
                    f"({kind}), with another kind or other arguments. A key stands for one "
                    "request: use a new one for a new request.",
                    holder,
                    status,
                )
            )
    if job.key is None:
        return None
    held = writer.one("key_holder", key=job.key)
    if held is None:
        return None
    holder, status, kind = _int(held[0]), _status(held[1]), str(held[2])
    if kind != job.kind:
        raise _Collision(_refuse_kind(index, job, holder, status, kind))
    if job.on_conflict is OnConflict.ATTACH:
        return _attach(index, job, holder, status, held[3])
    return _resolve(writer, index, job, cause, replaced, holder, status)


def _attach(index: int, job: NewJob, holder: int, status: Status, its_batch: object) -> int:
    """The job that has the key; if a batch is to wait for it, it must be a member."""
    if job.batch_id is None or job.batch_id == its_batch:
        return holder
    raise _Collision(refuse_holder(index, job, holder, status, its_batch))


def _resolve(
    writer: Writer,
    index: int,
    job: NewJob,
    cause: Cause,
    replaced: list[int],
    holder: int,
    status: Status,
) -> int | None:
    match job.on_conflict:
        case OnConflict.ATTACH:
            return holder
        case OnConflict.REJECT:
            message = (
                f"Key {job.key!r} is held by job {holder}, which is {status}. Wait for it, or "
                "submit with on_conflict='attach' or 'replace'."
            )
            raise _Collision(Refused(index, "key", message, holder, status))
        case OnConflict.REPLACE if status in LIVE:
            message = (
                f"Key {job.key!r} is held by job {holder}, which is {status} and cannot be "
                "replaced. Cancel it and wait, or submit with on_conflict='attach'."
            )
            raise _Collision(Refused(index, "key_running", message, holder, status))
        case OnConflict.REPLACE:
            writer.run("replace", id=holder, at=writer.at, cause=CAUSE_CODES[cause])
            writer.event(
                EventType.CANCELLED,
                cause,
                job_id=holder,
                status=Status.CANCELLED,
                reason=Reason.REPLACED,
            )
            if status is Status.DRAFT:
                drop_files(writer, [holder])
            replaced.append(holder)
            return None


def _refuse_kind(index: int, job: NewJob, holder: int, status: Status, kind: str) -> Refused:
    message = (
        f"Key {job.key!r} is held by job {holder}, which is of kind {kind!r}, not {job.kind!r}. "
        "Keys are shared by all kinds: put the kind's name into the key."
    )
    return Refused(index, "key_kind", message, holder, status)


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _status(code: object) -> Status:
    return STATUS_OF[_int(code)]
