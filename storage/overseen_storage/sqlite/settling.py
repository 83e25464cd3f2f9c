"""What the ends of members mean for their batches: judged in the transaction of those ends.

It is a condition, not an event: whatever ended members (a body, a deadline, an operator), and
whatever sealed the batch, the same look at the rows follows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import assert_never

import msgspec

from overseen_storage.batch_lifecycle import (
    BATCH_STATUS_CODES,
    BatchPolicy,
    BatchStatus,
)
from overseen_storage.lifecycle import REASON_CODES, Cause, EventType, Reason
from overseen_storage.sqlite.rows import document
from overseen_storage.sqlite.writer import BATCH_POLICY_OF, INTEGER_MAX, Writer

_PROCESSING = BATCH_STATUS_CODES[BatchStatus.PROCESSING]


@dataclass(slots=True)
class Settled:
    """What the ends of members meant."""

    due: list[int] = field(default_factory=list[int])
    stopped: list[int] = field(default_factory=list[int])


class _Touched(msgspec.Struct, frozen=True, array_like=True):
    """A batch whose members ended, or which was sealed."""

    id: int
    status: int
    policy: int
    threshold: float | None
    stopped: int | None
    total: int | None
    failed: int
    """Whether a failure may be new to it."""
    has_open: int


_decode_touched = msgspec.json.Decoder(list[_Touched]).decode


def settle(writer: Writer, since: int) -> Settled:
    """Batches whose members ended in this transaction (from the stamp `since` on), and those that
    were sealed in it: which of them became due, which were stopped by failures."""
    done = Settled()
    if not writer.batches.unfinalized:
        return done
    more = document(sorted(writer.touched_batches))
    for batch in _decode_touched(writer.text("touched_batches", since=since, more=more)):
        if batch.failed and batch.stopped is None and _trip(writer, batch):
            done.stopped.append(batch.id)
        complete = batch.status == _PROCESSING and not batch.has_open
        if complete and writer.run("mark_batch_due", id=batch.id):
            done.due.append(batch.id)
    return done


def _trip(writer: Writer, batch: _Touched) -> bool:
    """Stop the batch if its policy says so."""
    needed = _failures_that_stop(batch)
    if needed is None or _failures(writer, batch.id, needed) < needed:
        return False
    writer.run("stop_batch", id=batch.id, reason=REASON_CODES[Reason.BATCH_POLICY])
    failures = _failures(writer, batch.id, INTEGER_MAX)
    writer.event(
        EventType.BATCH_TRIPPED,
        Cause.BATCH,
        batch_id=batch.id,
        reason=Reason.BATCH_POLICY,
        data=document({"failures": failures}),
    )
    writer.batches_changed()
    return True


def _failures(writer: Writer, batch_id: int, limit: int) -> int:
    row = writer.one("batch_failures", id=batch_id, limit=limit)
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]


def _failures_that_stop(batch: _Touched) -> int | None:
    """How many failures stop it; None: none do, or it is not known yet."""
    policy = BATCH_POLICY_OF[batch.policy]
    match policy:
        case BatchPolicy.CONTINUE:
            return None
        case BatchPolicy.FAIL_FAST:
            return 1
        case BatchPolicy.THRESHOLD:
            assert batch.threshold is not None
            if batch.threshold >= 1:
                return math.ceil(batch.threshold)
            # Rounded first: 0.28 * 25 is a little more than 7.
            share = None if batch.total is None else batch.threshold * batch.total
            return None if share is None else max(1, math.ceil(round(share, 6)))
        case _:
            assert_never(policy)
