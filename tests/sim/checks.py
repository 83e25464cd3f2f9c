"""The oracle: what must hold of every disk, by the names of the invariants.

It looks while nothing runs, before any client can repair by trying again what was lost.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from tests.sim.bodies import threaded
from tests.sim.book import Book, Stream
from tests.sim.disk import Disk, tag_of
from tests.storage.checkers import Broken, check_prefix, check_successor
from tests.supervisor.batch_checks import check_callbacks, check_history, check_summary

from overseen import Event, EventType, JobRecord, Status
from overseen_storage.audit import Findings, Recorded, Severity, audit
from overseen_storage.lifecycle import LIVE, TERMINAL

TOLD_WITHIN_US = 5_000_000


def check_disk(book: Book, disk: Disk, before: Disk | None, *, was_running: bool) -> Disk:
    """Look at the disk between two lives; returns it."""
    for complaint in disk.complaints:
        book.broken("I20 the database is sound", complaint)
    _audit(book, disk)
    if before is not None:
        _guarded(book, lambda: _check_successor(before, disk))
    _check_batches(book, disk)
    _check_bodies(book, disk)
    if was_running:
        _check_live(book, disk)
    _check_stopped(book, disk)
    for promise in book.promises:
        if not promise.holds(disk):
            book.broken(promise.name, promise.what)
    for stream in book.streams:
        _check_stream(book, stream, disk)
    _check_idempotency(book, disk)
    _check_files_are_there(book, disk)
    book.sometimes.read_rows(disk.rows.values())
    if before is not None and disk.events_pruned > before.events_pruned:
        book.sometimes.reach("a job was pruned")
    return disk


def _guarded(book: Book, check: object) -> None:
    assert callable(check)
    try:
        check()
    except Broken as broken:
        name, _, evidence = str(broken).partition(": ")
        book.broken(name, evidence)


def _audit(book: Book, disk: Disk) -> None:
    """What ``overseen verify`` finds: I1 to I12, I15, I18, I21 to I24, I28 to I30."""
    recorded = Recorded(
        rows=list(disk.rows.values()),
        ledger=disk.events,
        recorded_batches=list(disk.batches.values()),
        files=[file for files in disk.attachments.values() for file in files],
        lives=disk.epochs,
        paused=list(disk.queues.values()),
        pruned=disk.events_pruned,
        height=disk.height,
    )
    findings = Findings()
    audit(recorded, findings, owned=False)
    for finding in findings:
        if finding.severity is Severity.PROBLEM:
            what = f"{finding.about}: expected {finding.expected}, found {finding.found}"
            book.broken(f"audit: {finding.check}", what)


def _check_successor(before: Disk, disk: Disk) -> None:
    """I2, I5, I6, I17 between two looks: what ended or was written once is as it was."""
    kept = {
        job_id: row for job_id, row in before.rows.items() if job_id in disk.rows or not disk.prunes
    }
    check_successor(kept, disk.rows)
    if not disk.prunes:
        check_prefix(before.events, disk.events)


def _check_batches(book: Book, disk: Disk) -> None:
    """I28, I30 for every batch that is finalized; a second opinion on its summary."""
    members: dict[int, list[JobRecord]] = defaultdict(list)
    callbacks: dict[int, list[JobRecord]] = defaultdict(list)
    history: dict[int, list[Event]] = defaultdict(list)
    for row in disk.rows.values():
        if row.batch_id is not None:
            members[row.batch_id].append(row)
        if row.callback_of is not None:
            callbacks[row.callback_of].append(row)
    for event in disk.events:
        if event.batch_id is not None:
            history[event.batch_id].append(event)
    for one in disk.batches.values():
        if one.ended and not disk.prunes:
            ids = {row.id for row in members[one.id]}
            _guarded(book, lambda: check_history(one, history[one.id], ids))  # noqa: B023
            _guarded(book, lambda: check_callbacks(one, callbacks[one.id]))  # noqa: B023
            _guarded(book, lambda: check_summary(one, members[one.id]))  # noqa: B023


def _check_bodies(book: Book, disk: Disk) -> None:
    """Store first: no body began, and no job completed, but as the disk says."""
    started = {
        (event.job_id, event.fence) for event in disk.events if event.type is EventType.STARTED
    }
    for job_id, attempt in book.begun:
        if (job_id, attempt) not in started and job_id in disk.rows:
            book.broken("I26 no body begins before its start is stored", f"{job_id}, {attempt}")
        if disk.lacks(job_id):
            book.broken("I26 no body begins before its job is stored", f"job {job_id}")
    for row in disk.rows.values():
        tag = tag_of(row)
        if row.status is not Status.COMPLETED or tag is None or row.kind == threaded.kind:
            continue
        if book.returned.get((row.id, row.fence)) != tag or row.result != str(tag):
            book.broken("I8 a completed job's body returned that", f"{row}")


def _check_stopped(book: Book, disk: Disk) -> None:
    """A life that says it ended in order has left nothing that runs."""
    if disk.epochs[-1].stopped_at is not None:
        for row in disk.rows.values():
            if row.status in LIVE:
                book.broken("L4 who stops in order leaves nothing running", f"{row}")


def _check_live(book: Book, disk: Disk) -> None:
    """I21: once a start has recovered, what runs belongs to the last life."""
    last = disk.epochs[-1].id
    for row in disk.rows.values():
        if row.status in LIVE and row.epoch != last:
            book.broken("I21 a dead life's rows are resolved", f"epoch {last}: {row}")


def _check_stream(book: Book, stream: Stream, disk: Disk) -> None:
    """I25, I26: every event once, in order, and none that is not on the disk."""
    given = [event.seq for event in stream.events]
    for one, two in pairwise(given):
        if one >= two:
            book.broken("I25 events come once and in order", f"{stream.name}: {one}, then {two}")
    on_disk = {event.seq: event for event in disk.events}
    _check_told_in_time(book, stream, disk)
    if not given:
        return
    for event in stream.events:
        found = on_disk.get(event.seq)
        if found is None and not disk.prunes:
            book.broken("I26 no event is told before its commit", f"{stream.name}: {event}")
        if found is not None and not _same(found, event):
            book.broken("I26 an event is told as it is stored", f"{found} told as {event}")
    expected = [
        seq
        for seq, event in on_disk.items()
        if stream.after < seq <= given[-1] and stream.wants(event)
    ]
    missed = sorted(set(expected) - set(given))
    if missed:
        book.broken("I25 no event is skipped", f"{stream.name} missed {missed}")
    strange = [event for event in stream.events if not stream.wants(event)]
    if strange:
        book.broken("I25 only what was asked for", f"{stream.name}: {strange[0]}")


def _check_told_in_time(book: Book, stream: Stream, disk: Disk) -> None:
    """L1: who waits for events is given them soon, when nothing keeps anybody from it."""
    if stream.left_at is None or any(name.startswith("fault ") for name in book.counts):
        return
    latest = stream.left_at - TOLD_WITHIN_US
    if stream.joined_at is None or stream.joined_at > latest:
        return  # it gave up before it could be told
    last = max((event.seq for event in stream.events), default=stream.after)
    for event in disk.events:
        if event.seq > last and event.at < latest and stream.wants(event):
            book.broken("L1 events are told soon", f"{stream.name} was not told of {event}")


def _same(one: Event, two: Event) -> bool:
    return (one.seq, one.at, one.type, one.job_id, one.status, one.fence, one.reason, one.data) == (
        *(two.seq, two.at, two.type, two.job_id, two.status, two.fence, two.reason, two.data),
    )


def _check_idempotency(book: Book, disk: Disk) -> None:
    """I18: whatever was asked, a tag is one job at most."""
    for tag, ids in disk.by_tag.items():
        if tag in book.tags and len(ids) > 1:
            book.broken("I18 one submit is one job", f"tag {tag} is jobs {ids}")


def _check_files_are_there(book: Book, disk: Disk) -> None:
    """A row that names a file is written after it, and goes before it."""
    for files in disk.attachments.values():
        for file in files:
            if disk.files.get(file.stored_name) != file.size_bytes:
                book.broken("a file that a job has is there", f"{file}")


def check_last(book: Book, disk: Disk, sweep_interval: float) -> None:
    """After healing, everything has ended."""
    left = [f"{row.id} {row.status}" for row in disk.rows.values() if row.status not in TERMINAL]
    if left:
        book.broken("L2 every job ends", f"{left}")
    open_batches = [one.id for one in disk.batches.values() if not one.ended]
    if open_batches:
        book.broken("I29 every batch ends", f"{open_batches}")
    _check_files(book, disk)
    if disk.epochs[-1].stopped_at is None:
        book.broken("L4 the last life ended in order", f"{disk.epochs[-1]}")
    _check_finalizing(book, disk, sweep_interval)


def _check_files(book: Book, disk: Disk) -> None:
    """No file without a job. One whose attaching was answered `unknown` stays until the next start,
    which looks for what no row has; so those of the last life may be there."""
    used = {file.stored_name for files in disk.attachments.values() for file in files}
    last = str(disk.epochs[-1].id)
    left = [name for name in set(disk.files) - used if name.split("-")[1] != last]
    if left:
        book.broken("no file is left that no job has", f"{sorted(left)}")


def _check_finalizing(book: Book, disk: Disk, sweep_interval: float) -> None:
    """I29: in a life without faults a batch is finalized within a sweep of its last end."""
    began = disk.epochs[-1].started_at
    last_ends: dict[int, int] = defaultdict(int)
    for row in disk.rows.values():
        if row.batch_id is not None and row.completed_at is not None:
            last_ends[row.batch_id] = max(last_ends[row.batch_id], row.completed_at)
    for one in disk.batches.values():
        if one.finalized_at is None or one.sealed_at is None or disk.prunes:
            continue
        could = max(one.sealed_at, last_ends[one.id], began)
        late = (one.finalized_at - could) / 1e6
        if one.finalized_at > began and late > sweep_interval + 20:
            book.broken("I29 a batch is finalized in time", f"batch {one.id} after {late} s")
