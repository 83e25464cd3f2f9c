"""docs/reference/events.md: every type of event, what it tells, and what is in its `data`."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from docs.generating.markdown import code, inline, sections, table
from docs.generating.source import members, words

from overseen_storage.lifecycle import (
    EVENT_CODES,
    FRAMES,
    MOVES,
    EventType,
    Move,
    event_of,
)
from overseen_storage.records import Event

INTRODUCTION = """
# Events

Everything that happens to a job is a row of the ledger, written in the transaction that made it
happen. `seq` rises in the order of commits and is never used again. What a job's status may be
after which event is in [lifecycle.md](../lifecycle.md); how to follow events in
[guide/events-and-progress.md](../guide/events-and-progress.md).

## Fields of an event
"""

CHANGES = """
## Changes of status

One for each move. `status` is the job's status after it. The number is what the column `type` of
the ledger holds; it never changes its meaning.
"""

ANNOTATIONS = """
## Annotations

They change no status, so their `status` is empty. Those marked *reserved* are in the schema
already, and nothing writes them yet.
"""

DELIVERED = """
## Made for subscribers

Never on the ledger.
"""

DATA: Final = MappingProxyType[EventType, str](
    {
        EventType.PROMOTED: "`priority`, if that was changed too",
        EventType.RETRYING: "`failures`, `retries`, `delay_seconds`, `error` (its type)",
        EventType.SNOOZED: "`delay_seconds`",
        EventType.REQUEUED: "after a loss: `losses`, `losses_allowed`",
        EventType.CANCELLING: "`message`, if a reason was given in words",
        EventType.CANCELLED: "of a job that waited: `message`, if a reason was given in words",
        EventType.FAILED: "`failures`, `retries`, `decision`; "
        "after a loss `losses`, `losses_allowed`",
        EventType.PROGRESS: "`done`, `total`, `message`, `stage`: those that were given",
        EventType.WARNING: "`message` and the fields given with it",
        EventType.HELD: "`held`: why",
        EventType.CHANGED: "`priority`, `due_at`, `due_wall_at`: those that were changed",
        EventType.DEGRADED: "`error`",
        EventType.RECOVERED: "`error`: what it recovered from",
        EventType.EPOCH_STARTED: "`epoch`",
        EventType.EPOCH_STOPPED: "`epoch`",
        EventType.BATCH_OPENED: "`name`",
        EventType.BATCH_SEALED: "`total`: how many members it has",
        EventType.BATCH_TRIPPED: "`failures`: how many members failed",
        EventType.BATCH_CANCELLING: "`message`, if a reason was given in words",
        EventType.SNAPSHOT: "of a job: `status`, `attempt`, `progress`, `warnings`, `error`",
    }
)
"""What is in `data`, a JSON object. A test compares it with what real runs write."""

UNDESCRIBED: Final = MappingProxyType[EventType, str](
    {
        EventType.QUEUE_PAUSED: "Nothing is started from the queue any more, until it is resumed.",
        EventType.QUEUE_RESUMED: "The queue is started from again.",
        EventType.EPOCH_STARTED: "A process took the database over.",
        EventType.EPOCH_STOPPED: "It closed the database. Missing when it died.",
        EventType.DEGRADED: "The store did not work for a while: written when it worked again.",
        EventType.RECOVERED: "The store works again.",
        EventType.BATCH_OPENED: "A batch was begun.",
    }
)
"""For types whose member has no docstring of its own."""

RESERVED: Final = frozenset({EventType.LOOP_STALLED})
"""In the schema, and written by nothing yet. A test looks for code that writes them."""


def render() -> str:
    """The page."""
    changes = [one for one in EventType if one in _moves_of()]
    annotations = [one for one in EventType if one not in _moves_of() and one not in FRAMES]
    return sections(
        [
            INTRODUCTION,
            _fields(),
            CHANGES,
            _table(changes),
            ANNOTATIONS,
            _table(annotations),
            DELIVERED,
            table(
                ["type", "meaning", "`data`"],
                [
                    (code(one), inline(event_words()[one]), DATA.get(one, ""))
                    for one in EventType
                    if one in FRAMES
                ],
            ),
        ]
    )


def event_words() -> dict[EventType, str]:
    """What each type tells: its own docstring, the moves it stands for, or the text above."""
    own = words(EventType)
    moves = words(Move)
    found: dict[EventType, str] = {}
    for one in EventType:
        of_moves = " ".join(moves[move] for move in _moves_of().get(one, []))
        found[one] = own[one] or of_moves or UNDESCRIBED.get(one, "")
    return found


def _moves_of() -> dict[EventType, list[Move]]:
    found: dict[EventType, list[Move]] = {}
    for move in Move:
        found.setdefault(event_of(move), []).append(move)
    return found


def _statuses(event: EventType) -> str:
    moves = _moves_of().get(event, [])
    return ", ".join(dict.fromkeys(code(to) for (_, move), to in MOVES.items() if move in moves))


def _table(events: list[EventType]) -> str:
    meanings = event_words()
    rows = [
        (
            code(one) + (" *reserved*" if one in RESERVED else ""),
            str(EVENT_CODES[one]),
            _statuses(one),
            inline(meanings[one]),
            DATA.get(one, ""),
        )
        for one in events
    ]
    return table(["type", "number", "status", "meaning", "`data`"], rows)


def _fields() -> str:
    rows = [(code(one.name), code(one.annotation), inline(one.doc)) for one in members(Event)]
    return table(["field", "type", "meaning"], rows)
