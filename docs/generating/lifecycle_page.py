"""docs/lifecycle.md: the picture, the table of moves, and every word with its meaning."""

from __future__ import annotations

from enum import Enum

from docs.generating import after_attempt
from docs.generating.events_page import event_words
from docs.generating.markdown import block, code, inline, sections, table
from docs.generating.source import words

from overseen.job_options import OnLost
from overseen_storage.batch_lifecycle import (
    BATCH_ENDED,
    BATCH_MOVES,
    BatchPolicy,
    BatchStatus,
)
from overseen_storage.lifecycle import (
    MOVES,
    TERMINAL,
    Cause,
    EventType,
    Held,
    Move,
    Reason,
    Status,
    event_of,
)

INTRODUCTION = """
# The life of a job

A job is always in exactly one status, and there is one table of what may follow what:
[`MOVES`](../storage/overseen_storage/lifecycle.py). The guards of the SQL statements, the
constraints of the database, the audit and this page are made from it or compared with it by a
test.

Every move is one guarded write. It holds only if the row is in the status it starts from and,
where an attempt is meant, carries the number of that attempt (its *fence*, which rises with every
start). It is stored together with one event on the ledger, with its reason and with who caused it.

Workflows come later. Their status, `blocked`, is here already, for SQLite cannot add it to a CHECK
afterwards: nothing makes a blocked job yet.
"""

TABLE = """
## Moves

What is not in this table cannot happen. A move from nothing creates the job.
"""

STATUSES = """
## Statuses

The three in which a job ends are absorbing: nothing leads out of them. To *retry* an ended job
makes a new job that points back to it.
"""

REASONS = """
## Reasons

Why a move was made: on the job's row until the next move, on the ledger for ever. Moves that need
no reason (submitted, due, started, completed) have none.
"""

CAUSES = """
## Causes

Who made the move.
"""

HELD = """
## Held

A pending job may be held: it keeps its place, and is not claimed until somebody or something
releases it.
"""

EVENTS = """
## Events

Each move writes one event; annotations tell of other things and change no status. After an end
there are annotations only. Their fields are in [reference/events.md](reference/events.md).
"""

ON_LOST = """
### When its process died

Found at the next start, before any new work. `on_lost=` is said in `@job`:
"""


BATCHES = """
## Batches

A batch has a life of its own, with a table of its own:
[`BATCH_MOVES`](../storage/overseen_storage/batch_lifecycle.py). What its members mean for it is a
condition that is looked at in the transaction of each end of a member, by every sweep of the
watchdog, and whenever somebody asks for the summary: *sealed, and no member is open*.
"""

POLICIES = """
What the failure of a member means for the others, `policy=`:
"""


def render() -> str:
    """The page."""
    return sections(
        [
            INTRODUCTION,
            block(picture(), "mermaid"),
            TABLE,
            moves_table(),
            STATUSES,
            _paragraphs(Status),
            after_attempt.AFTER_ATTEMPT,
            after_attempt.attempt_table(),
            after_attempt.COSTS,
            after_attempt.costs_table(),
            ON_LOST,
            _paragraphs(OnLost),
            after_attempt.loss_table(),
            REASONS,
            _paragraphs(Reason),
            CAUSES,
            _paragraphs(Cause),
            HELD,
            _paragraphs(Held),
            EVENTS,
            _events(),
            BATCHES,
            block(batch_picture(), "mermaid"),
            _paragraphs(BatchStatus),
            POLICIES,
            _paragraphs(BatchPolicy),
        ]
    )


def picture() -> str:
    """The state diagram; moves between the same two statuses share one arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (source, move), target in MOVES.items():
        arrows.setdefault((source or "[*]", target), []).append(move)
    lines = [
        f"    {source} --> {target}: {' / '.join(moves)}"
        for (source, target), moves in arrows.items()
    ]
    ends = [f"    {status} --> [*]" for status in Status if status in TERMINAL]
    return "\n".join(["stateDiagram-v2", "    direction LR", *lines, *ends])


def batch_picture() -> str:
    """The state diagram of a batch."""
    lines = [
        f"    {source or '[*]'} --> {target}: {move}"
        for (source, move), targets in BATCH_MOVES.items()
        for target in BatchStatus
        if target in targets
    ]
    ends = [f"    {status} --> [*]" for status in BatchStatus if status in BATCH_ENDED]
    return "\n".join(["stateDiagram-v2", "    direction LR", *lines, *ends])


def moves_table() -> str:
    """Status, move, status, event."""
    meanings = words(Move)
    rows = [
        (
            code(source) if source else "(nothing)",
            code(move),
            code(target),
            code(event_of(move)),
            inline(meanings[move]),
        )
        for (source, move), target in MOVES.items()
    ]
    return table(["from", "move", "to", "event", "meaning"], rows)


def _paragraphs(enum: type[Enum]) -> str:
    return "\n".join(f"* `{word}`: {inline(doc)}" for word, doc in words(enum).items())


def _events() -> str:
    meanings = event_words()
    return "\n".join(f"* `{one}`: {inline(meanings[one])}" for one in EventType)
