"""Orders: the rarer requests, applied one by one, each with its own answer."""

from __future__ import annotations

from typing import assert_never

from overseen_storage.orders import (
    Attach,
    CancelMembers,
    Declined,
    Discard,
    FinalizeBatch,
    KeepDraft,
    OpenBatch,
    Order,
    OrderAnswer,
    Release,
    SealBatch,
    StopBatch,
)
from overseen_storage.sqlite import batches, drafts
from overseen_storage.sqlite.translate_errors import is_about_a_row
from overseen_storage.sqlite.writer import Writer


def obey(writer: Writer, orders: list[Order]) -> list[OrderAnswer]:
    """Apply all orders; an answer to each, in order."""
    return [_obey_one(writer, order) for order in orders]


def _obey_one(writer: Writer, order: Order) -> OrderAnswer:
    try:
        with writer.savepoint():
            return _apply(writer, order)
    except Exception as error:
        if not is_about_a_row(error):
            raise
        return Declined(why="row", message=str(error))


def _apply(writer: Writer, order: Order) -> OrderAnswer:
    match order:
        case Attach():
            return drafts.attach(writer, order)
        case KeepDraft():
            return drafts.keep(writer, order)
        case Release():
            return drafts.release(writer, order)
        case Discard():
            return drafts.discard(writer, order)
        case OpenBatch():
            return batches.open_batch(writer, order)
        case SealBatch():
            return batches.seal(writer, order)
        case StopBatch():
            return batches.stop(writer, order)
        case CancelMembers():
            return batches.cancel_members(writer, order)
        case FinalizeBatch():
            return batches.finalize(writer, order)
        case _:
            assert_never(order)
