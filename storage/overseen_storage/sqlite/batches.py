"""Batches: opened, sealed, stopped, finalized; and what the ends of members mean for them."""

from __future__ import annotations

from dataclasses import dataclass, field

from overseen_storage.orders import (
    CancelMembers,
    FinalizeBatch,
    OpenBatch,
    OrderAnswer,
    SealBatch,
    StopBatch,
)
from overseen_storage.sqlite.writer import Writer


@dataclass(slots=True)
class Settled:
    """What the ends of members meant."""

    due: list[int] = field(default_factory=list[int])
    stopped: list[int] = field(default_factory=list[int])


def open_batch(writer: Writer, order: OpenBatch) -> OrderAnswer:
    """A new batch."""
    raise NotImplementedError


def seal(writer: Writer, order: SealBatch) -> OrderAnswer:
    """No more members."""
    raise NotImplementedError


def stop(writer: Writer, order: StopBatch) -> OrderAnswer:
    """Somebody wants it to end."""
    raise NotImplementedError


def cancel_members(writer: Writer, order: CancelMembers) -> OrderAnswer:
    """CANCEL of waiting members of a stopped batch."""
    raise NotImplementedError


def finalize(writer: Writer, order: FinalizeBatch) -> OrderAnswer:
    """Freeze the summary and submit the callbacks."""
    raise NotImplementedError


def settle(writer: Writer, since: int) -> Settled:
    """Batches whose members ended in this transaction (from the stamp `since` on): which of them
    became due, which were stopped by failures."""
    return Settled()
