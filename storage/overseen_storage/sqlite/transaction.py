"""A group, as one transaction: the plain functions that run in production and in simulation.

`Prepared` is made on the loop's side, `apply_group` runs with the connection, `committed` turns
its raw answer into records on the loop's side again: what holds the interpreter lock stays out
of the thread of the database.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

import msgspec

from overseen_storage.answers import Accepted, Claimed, Committed, Missed, Refused
from overseen_storage.groups import Group
from overseen_storage.items import (
    CancelWaiting,
    ChangeWaiting,
    Finish,
    MarkStopping,
    Note,
    PutBack,
    RequestCancel,
    SetQueue,
)
from overseen_storage.orders import OrderAnswer
from overseen_storage.sqlite.changes import Changer, set_queues
from overseen_storage.sqlite.claims import ClaimedText, Claims, claim
from overseen_storage.sqlite.moves import (
    Completions,
    Expired,
    cancel_waiting,
    complete,
    expire,
    finish,
    make_due,
    mark_stopping,
    put_back,
    request_cancel,
)
from overseen_storage.sqlite.notes import write_notes
from overseen_storage.sqlite.ordering import obey
from overseen_storage.sqlite.rows import Rows
from overseen_storage.sqlite.safe_text import make_safe, needs_shortening
from overseen_storage.sqlite.settling import Settled, settle
from overseen_storage.sqlite.submissions import Submissions, submit
from overseen_storage.sqlite.writer import Heights, Writer

Long = TypeVar("Long", Finish, PutBack, Note)

_decode_claimed = msgspec.json.Decoder(list[Claimed]).decode


class Prepared:
    """A group whose JSON documents are made."""

    __slots__ = (
        *("group", "submissions", "completions", "finishes", "put_backs", "cancel_requests"),
        *("stoppings", "cancels", "changes", "notes", "queues", "claims"),
    )

    def __init__(self, group: Group) -> None:
        self.group = group
        self.submissions = Submissions(group.submissions)
        self.completions = Completions.of(group.finishes)
        self.finishes: Rows[Finish] = Rows(_shortened(group.finishes))
        if self.completions is None:
            self.finishes.prepare()
        self.put_backs: Rows[PutBack] = Rows(_shortened(group.put_backs)).prepare()
        self.cancel_requests: Rows[RequestCancel] = Rows(group.cancel_requests).prepare()
        self.stoppings: Rows[MarkStopping] = Rows(group.stoppings).prepare()
        self.cancels: Rows[CancelWaiting] = Rows(group.cancels).prepare()
        self.changes: Rows[ChangeWaiting] = Rows(group.changes)
        self.notes: Rows[Note] = Rows(_shortened(group.notes)).prepare()
        self.queues: Rows[SetQueue] = Rows(group.queues)
        self.claims = Claims.of(group)


def _shortened(items: list[Long]) -> list[Long]:
    if any(map(needs_shortening, items)):
        return [_safe_or_same(item) for item in items]
    return items


def _safe_or_same(item: Long) -> Long:
    try:
        return make_safe(item)
    except ValueError:
        return item  # refused where it is applied


@dataclass(slots=True)
class Applied:
    """What a transaction did, as it comes from the database's thread."""

    first_seq: int
    events: int = 0
    answers: list[Accepted | Refused] = field(default_factory=list[Accepted | Refused])
    finishes: dict[int, Missed] = field(default_factory=dict[int, Missed])
    put_backs: dict[int, Missed] = field(default_factory=dict[int, Missed])
    cancel_requests: dict[int, Missed] = field(default_factory=dict[int, Missed])
    stoppings: dict[int, Missed] = field(default_factory=dict[int, Missed])
    cancels: dict[int, Missed] = field(default_factory=dict[int, Missed])
    changes: dict[int, Missed] = field(default_factory=dict[int, Missed])
    notes: dict[int, Missed] = field(default_factory=dict[int, Missed])
    refused: dict[str, dict[int, str]] = field(default_factory=dict[str, dict[int, str]])
    made_due: dict[str, int] = field(default_factory=dict[str, int])
    expired: Expired = field(default_factory=Expired)
    due_remaining: bool = False
    unheld: int = 0
    orders: list[OrderAnswer] = field(default_factory=list[OrderAnswer])
    batches: Settled = field(default_factory=Settled)
    freed_files: list[str] = field(default_factory=list[str])
    claimed: ClaimedText = field(default_factory=ClaimedText)
    heights: Heights = field(default_factory=lambda: Heights(0, 0, 0))


def apply_group(
    connection: sqlite3.Connection, prepared: Prepared, heights: Heights, *, careful: bool
) -> Applied:
    """Apply everything, in the order of the group's fields, inside a transaction that is open.

    With `careful`, an item that the schema refuses is found and left out; without, its error is
    raised and the whole transaction has to be undone.
    """
    group = prepared.group
    writer = Writer(connection, heights, group.at, careful=careful)
    done = Applied(writer.seq)
    done.answers = submit(writer, prepared.submissions)
    done.notes = writer.apply("notes", prepared.notes, lambda rows: write_notes(writer, rows))
    if prepared.completions is not None and not careful:
        done.finishes = complete(writer, group.finishes, prepared.completions)
    else:
        done.finishes = writer.apply(
            "finishes", prepared.finishes, lambda rows: finish(writer, rows)
        )
    done.put_backs = writer.apply(
        "put_backs", prepared.put_backs, lambda rows: put_back(writer, rows)
    )
    done.cancel_requests = writer.apply(
        "cancel_requests", prepared.cancel_requests, lambda rows: request_cancel(writer, rows)
    )
    done.stoppings = writer.apply(
        "stoppings", prepared.stoppings, lambda rows: mark_stopping(writer, rows)
    )
    done.cancels = writer.apply(
        "cancels", prepared.cancels, lambda rows: cancel_waiting(writer, rows)
    )
    changer = Changer(writer)
    done.changes = writer.apply("changes", prepared.changes, changer.apply)
    _apply_time(writer, group, done)
    done.unheld = changer.unheld
    for queue, count in Counter(changer.entered).items():
        done.made_due[queue] = done.made_due.get(queue, 0) + count
    writer.apply("queues", prepared.queues, lambda rows: set_queues(writer, rows))
    done.orders = obey(writer, group.orders)
    done.batches = settle(writer, group.at)
    done.freed_files = writer.freed_files
    done.claimed = claim(writer, prepared.claims)
    done.refused = writer.refused
    done.events = writer.seq - done.first_seq
    stamp = max(heights.stamp, writer.at - 1)
    done.heights = Heights(writer.seq - 1, writer.id - 1, stamp, writer.batches)
    return done


def _apply_time(writer: Writer, group: Group, done: Applied) -> None:
    if group.make_due is not None:
        done.made_due, due_remaining = make_due(writer, group.make_due)
        done.due_remaining |= due_remaining
    if group.expire is not None:
        done.expired = expire(writer, group.expire)
        done.due_remaining |= done.expired.remaining


def committed(done: Applied) -> Committed:
    """The answer to the caller."""
    claimed = done.claimed
    return Committed(
        first_seq=done.first_seq,
        events=done.events,
        last_stamp=done.heights.stamp,
        submissions=done.answers,
        missed_finishes=done.finishes,
        missed_put_backs=done.put_backs,
        missed_cancel_requests=done.cancel_requests,
        missed_stoppings=done.stoppings,
        missed_cancels=done.cancels,
        missed_changes=done.changes,
        missed_notes=done.notes,
        refused=done.refused,
        made_due=done.made_due,
        expired=done.expired.jobs,
        expired_drafts=done.expired.drafts,
        due_remaining=done.due_remaining,
        orders=done.orders,
        batches_due=done.batches.due,
        batches_stopped=done.batches.stopped,
        freed_files=done.freed_files,
        claimed=list(chain.from_iterable(map(_decode_claimed, claimed.rows))),
        held=claimed.held,
        unheld=done.unheld,
        short_queues=claimed.short_queues,
    )
