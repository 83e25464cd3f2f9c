"""The checks of an audit, by name: what each proves, and what to do when it finds something."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Check(StrEnum):
    """A promise that is looked after; its number in the list of invariants beside it."""

    INTEGRITY = "integrity"
    CONSTRAINTS = "constraints"
    REFERENCES = "references"
    SCHEMA = "schema"
    WORDS = "words"
    SEQUENCE = "sequence"  # I23
    STAMPS = "stamps"  # I24
    EPOCHS = "epochs"
    PATH = "path"  # I1
    ENDS = "ends"  # I2, I3, I8
    ROWS = "rows"  # I22
    TIMES = "times"  # I4, I5
    FENCES = "fences"  # I9-I11
    COUNTERS = "counters"  # I6
    DUE = "due"  # I7
    HOLDS = "holds"
    PAUSES = "pauses"  # I15
    KEYS = "keys"  # I12, I18
    LIVE = "live"  # I21
    BATCH_STORY = "batch_story"  # I28
    BATCH_MEMBERS = "batch_members"  # I30
    BATCH_COUNTS = "batch_counts"  # I28
    BATCH_STUCK = "batch_stuck"  # I29
    CALLBACKS = "callbacks"
    ATTACHMENTS = "attachments"
    FILES = "files"
    ORPHANS = "orphans"


PROVES: Final = MappingProxyType(
    {
        Check.INTEGRITY: "SQLite finds its own pages and indexes in order",
        Check.CONSTRAINTS: "every row keeps the constraints of its table",
        Check.REFERENCES: "log lines and files belong to jobs that exist",
        Check.SCHEMA: "the schema is one this program knows, made by the migrations it knows",
        Check.WORDS: "every number that stands for a word stands for a known one",
        Check.SEQUENCE: "the ledger has no gap but those that pruning accounts for",
        Check.STAMPS: "stamps rise with the sequence, across restarts and clock steps",
        Check.EPOCHS: "every life of a process is on the ledger as in its row, one after the other",
        Check.PATH: "the history of every job is a path through the lifecycle",
        Check.ENDS: "one end at most, nothing but annotations after it",
        Check.ROWS: "the ledger, folded from nothing, gives exactly the rows",
        Check.TIMES: "stamps of rows are those of their events, in order; the first start is kept",
        Check.FENCES: "each start has the next fence, only its holder reports and ends",
        Check.COUNTERS: "every attempt is counted, and no budget was exceeded",
        Check.DUE: "nothing became due, or was started, before its time",
        Check.HOLDS: "a held job is not started, and a hold on the ledger is one on the row",
        Check.PAUSES: "nothing was started from a paused queue",
        Check.KEYS: "a key has one job that has not ended, an idempotency key one job",
        Check.LIVE: "what runs on paper belongs to the life that runs it",
        Check.BATCH_STORY: "a batch is opened, sealed and finalized once, in this order",
        Check.BATCH_MEMBERS: "nobody joins after the seal, starts after a stop, or ends after "
        "the finalization",
        Check.BATCH_COUNTS: "totals and frozen summaries equal the members",
        Check.BATCH_STUCK: "no batch waits for a finalization or a cancellation that is due",
        Check.CALLBACKS: "one job for each event of a batch, and none before its end",
        Check.ATTACHMENTS: "every job has the files it was given, and no others",
        Check.FILES: "every file is there, with its size (and, if asked, its content)",
        Check.ORPHANS: "no file lies in the folder that no job has",
    }
)
"""What each check proves, in a sentence."""

_REPORT: Final = (
    "Keep a copy of the database and its -wal. If nobody edited it, this is a bug of overseen: "
    "report it with this finding and `overseen explain`."
)
_DISK: Final = (
    "The disk, or a program that wrote to the file, damaged it. Keep a copy, then restore a backup "
    "or try `sqlite3 FILE .recover`."
)
_EDITED: Final = (
    "It was edited by hand, or written by another version of overseen: `overseen version` says "
    "which one this is."
)
_NEXT_STEPS: Final = MappingProxyType(
    {
        Check.INTEGRITY: _DISK,
        Check.CONSTRAINTS: _EDITED,
        Check.REFERENCES: _DISK,
        Check.WORDS: _EDITED,
        Check.SCHEMA: "Use the version of overseen that wrote it, or another database.",
        Check.BATCH_STUCK: "Start the program that owns the database; if it runs, ask for the "
        "batch's summary() and report this.",
        Check.FILES: "Bring the file back from a backup; a job that needs it fails as `invalid`.",
        Check.ORPHANS: "The next start of the program removes it; nothing uses it.",
    }
)
_NEXT_STEPS_OF_NOTES: Final = MappingProxyType(
    {
        Check.LIVE: "Nothing to do: the next start of the program resolves it before any new work.",
        Check.BATCH_STUCK: "Nothing to do: the program does it within its sweep interval, or at "
        "its next start.",
        Check.ORPHANS: "Nothing to do: the next start of the program removes it.",
    }
)


def next_step_of(check: Check, *, is_problem: bool = True) -> str:
    """What to do about a finding of `check`."""
    steps = _NEXT_STEPS if is_problem else _NEXT_STEPS_OF_NOTES
    return steps.get(check, _REPORT)
