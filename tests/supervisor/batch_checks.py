"""What must hold for any batch that has ended, seen from its row, its members and the ledger.

The summary is computed here once more, in Python from the rows: a second opinion.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec
from tests.storage.checkers import check_everything, ensure
from tests.supervisor.ledger import whole_ledger

from overseen import (
    BatchRecord,
    BatchStatus,
    BatchSummary,
    Event,
    EventType,
    FailureGroup,
    JobRecord,
    Reason,
    Status,
    Supervisor,
)


async def audit(supervisor: Supervisor, batches: int = 1) -> None:
    """So many batches have ended, and rows, summaries and ledger tell the same story."""
    events = await whole_ledger(supervisor)
    rows = {row.id: row for row in await supervisor.jobs(limit=10_000)}
    check_everything(rows, events)
    assert await check_ended_batches(supervisor, events) == batches


async def check_ended_batches(supervisor: Supervisor, events: Sequence[Event]) -> int:
    """Check every batch that is finalized; how many there were."""
    rows = await supervisor.jobs(limit=10_000)
    ended = [one for one in await supervisor.batches(limit=10_000) if one.ended]
    members: dict[int, list[JobRecord]] = defaultdict(list)
    callbacks: dict[int, list[JobRecord]] = defaultdict(list)
    history: dict[int, list[Event]] = defaultdict(list)
    for row in rows:
        if row.batch_id is not None:
            members[row.batch_id].append(row)
        if row.callback_of is not None:
            callbacks[row.callback_of].append(row)
    for event in events:
        if event.batch_id is not None:
            history[event.batch_id].append(event)
    for batch in ended:
        check_history(batch, history[batch.id], {row.id for row in members[batch.id]})
        check_callbacks(batch, callbacks[batch.id])
        check_summary(batch, members[batch.id])
    return len(ended)


def summary_of(batch: BatchRecord) -> BatchSummary:
    """The frozen summary, as it is on disk."""
    assert batch.summary is not None, batch
    return msgspec.json.decode(batch.summary, type=BatchSummary)


def check_history(batch: BatchRecord, history: list[Event], members: set[int]) -> None:
    """I28, I30: finalized once, after the last member's end; nobody joins a sealed batch."""
    last_ends: dict[int, Event] = {}
    own = Counter(event.type for event in history if event.job_id is None)
    for once in (EventType.BATCH_OPENED, EventType.BATCH_SEALED, EventType.BATCH_FINALIZED):
        ensure(f"I28 one {once}", own[once] == 1, batch.id, own)
    sealed = next(one.seq for one in history if one.type is EventType.BATCH_SEALED)
    finalized = next(one for one in history if one.type is EventType.BATCH_FINALIZED)
    for event in history:
        if event.job_id is None or event.status is None:
            continue
        ensure("I28 nothing moves after the end", event.seq < finalized.seq, event)
        if event.type in (EventType.SUBMITTED, EventType.DRAFTED, EventType.SCHEDULED):
            ensure("I30 nobody joins a sealed batch", event.seq < sealed, event)
        if event.status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED):
            last_ends[event.job_id] = event
    ensure("I28 every member has ended", last_ends.keys() == members, batch.id, members)
    ensure("the row tells the same moment", finalized.at == batch.finalized_at, finalized, batch)


def check_callbacks(batch: BatchRecord, callbacks: list[JobRecord]) -> None:
    """One job for each event that was asked for, and none of them is a member."""
    expected = Counter[str | None]()
    expected["finish"] = int(batch.on_finish is not None)
    expected["aggregate"] = int(batch.aggregate is not None)
    spoiled = batch.status is BatchStatus.COMPLETED_WITH_ERRORS
    expected["failure"] = int(batch.on_failure is not None and spoiled)
    found = Counter(row.callback_event for row in callbacks)
    ensure("one callback for each event", found == expected, batch.id, found)
    ensure("callbacks are no members", not any(row.batch_id for row in callbacks), callbacks)


def check_summary(batch: BatchRecord, rows: Iterable[JobRecord]) -> None:
    """The frozen summary is what its members' rows add up to."""
    expected = second_opinion(batch, sorted(rows, key=lambda row: row.id))
    frozen = summary_of(batch)
    for name in frozen.__struct_fields__:
        if name != "failures":
            one, two = getattr(frozen, name), getattr(expected, name)
            ensure(f"I28 the summary's {name}", one == two, batch.id, one, two)
    ensure("its status is the row's", frozen.status is batch.status, batch)
    ensure("I28 failures", failures(frozen) == failures(expected), frozen, expected)
    groups = [group.count for group in frozen.failures]
    ensure("most frequent first", groups == sorted(groups, reverse=True), groups)


def failures(summary: BatchSummary) -> dict[tuple[str, Reason, str | None], tuple[int, int]]:
    """How many of each sort, and the first."""
    return {
        (group.kind, group.reason, group.error_type): (group.count, group.first_job_id)
        for group in summary.failures
    }


def second_opinion(batch: BatchRecord, rows: list[JobRecord]) -> BatchSummary:
    """The summary, computed from the rows in Python."""
    by_status = Counter(row.status for row in rows)
    spoiled = [row for row in rows if row.status is Status.FAILED]
    groups: dict[tuple[str, Reason | None, str | None], list[JobRecord]] = defaultdict(list)
    for row in spoiled:
        groups[row.kind, row.reason, row.error.type if row.error else None].append(row)
    took = sorted(
        row.completed_at - row.started_at
        for row in rows
        if row.completed_at is not None and row.started_at is not None
    )
    assert batch.sealed_at is not None
    return BatchSummary(
        batch_id=batch.id,
        name=batch.name,
        status=expected_status(batch, by_status),
        reason=batch.stopped,
        total=len(rows),
        completed=by_status[Status.COMPLETED],
        completed_with_warnings=sum(
            row.status is Status.COMPLETED and row.warnings > 0 for row in rows
        ),
        failed=by_status[Status.FAILED],
        cancelled=by_status[Status.CANCELLED],
        warnings=sum(row.warnings for row in rows),
        attempts=sum(row.fence for row in rows),
        retried=sum(row.fence > 1 for row in rows),
        created_at=batch.created_at,
        sealed_at=batch.sealed_at,
        first_started_at=min((row.started_at for row in rows if row.started_at), default=None),
        last_ended_at=max((row.completed_at for row in rows if row.completed_at), default=None),
        duration_p50_us=rank(took, 0.5),
        duration_p95_us=rank(took, 0.95),
        duration_max_us=took[-1] if took else None,
        failures=tuple(
            FailureGroup(kind, reason or Reason.ERROR, error, len(some), some[0].id, None)
            for (kind, reason, error), some in groups.items()
        ),
    )


def rank(took: list[int], share: float) -> int | None:
    """The nearest rank: the smallest that so many do not exceed."""
    return took[math.ceil(round(share * len(took), 6)) - 1] if took else None


def expected_status(batch: BatchRecord, by_status: Counter[Status]) -> BatchStatus:
    """How a batch with these members ends."""
    total = by_status.total()
    if batch.stopped is Reason.REQUESTED and (by_status[Status.CANCELLED] or not total):
        return BatchStatus.CANCELLED
    if by_status[Status.COMPLETED] < total:
        return BatchStatus.COMPLETED_WITH_ERRORS
    return BatchStatus.COMPLETED
