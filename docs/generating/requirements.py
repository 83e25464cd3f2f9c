"""What users of other systems complain about, turned into what must hold here, in our own words.

The numbers are kept for ever; tests name them at the end of their docstrings, as ``(R3)`` or
``(R3, R47)``. What belongs to a part that is not built yet says which: ``[later: workflows]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["INCIDENTS", "Chapter", "Requirement", "chapters"]

LATER: Final = MappingProxyType(
    {
        "hosts": "submitting inside the host's own transaction is not built yet",
        "workflows": "jobs that depend on each other are not built yet",
        "blocking": "the monitor that names the code that blocks is not built yet",
    }
)

INCIDENTS: Final = MappingProxyType(
    {
        "Crawl jobs": "A completed job was marked failed by a cleaner.",
        "Upload jobs": "A worker picked the job up before its files were attached.",
        "Progress page": "A page subscribed too late, missed the end of a fast job and hung.",
        "Fast jobs and retries": "Start times were overwritten, constraints violated.",
        "Batches": "The last batch waited for ever: it was finalized only when a job was pulled.",
    }
)

TEXT: Final = """
## A status is never a lie

R1: A job ends once: the write compares status and fence, and whoever comes second is told so
    and changes nothing.
R2: A sign of life for an attempt that has ended is dropped, and arms no deadline again.
R3: Nothing leaves a final status; a late success is a note on the ledger.
R4: Claiming, recovering and finishing are conditional writes; nothing is done because of a list
    that was read before.
R5: A claim and its change of status are one transaction, so a sweep sees whole states only.
R6: A status is one read of one row; what submit returned can be read at once, until its
    retention is over.
R7: Cancel against completion has one winner; both sides get an answer, nobody an exception.
R8: Whether a member of a batch has ended is read from its row, never from a second counter.
R9: The end of a job is written until it is on disk; a result is not forgotten because the disk
    was not there.
R10: A row that runs without a body is found and resolved, also when the write of its end
    failed.

## Death is known, not guessed

R11: Recovery is part of the core, is on by default, and is tested with `kill -9`.
R12: Age alone never makes a job lost; what a loss means is said per kind: retry, fail or hold.
R13: An owner is known by boot, process and start time, not by a name or a pid that comes again.
R14: Deadlines come from the attempt: copied from the kind or the submit when it is claimed.
R15: Recovery goes by pages; a page full of difficult rows does not keep the others from it.
R16: The watchdog is no job: it is an actor that is restarted when it fails, and holds no job's
    lock.
R17: A start resolves every attempt of a dead process before it accepts work.
R18: After a restart orphans run again at once, not after some timeout.
R19: There is no visibility timeout: a long job is not given out twice.
R20: There is one clock of silence per attempt, and whatever the body says winds it.
R21: What runs in this process is never taken for lost; losses have a budget of their own.
R22: A kind that must not run twice is held, or fails, when its process dies, and is not
    repeated.
R23: Recovery can be repeated without harm, and a trouble with the disk during it loses nothing.
R24: Any report of a body is a sign of life, whichever way it comes.

## A blocked event loop, heartbeats

R25: Nobody is failed because the loop stood still: deadlines are extended by that time.
R26: Blocking code is named, with the job and the stack that blocked. [later: blocking]
R27: A blocked loop is an event of its own, with duration and culprit. [later: blocking]
R28: Signs of life of thread and process jobs do not go through the loop they wait for. [later:
    blocking]
R29: A thread that waits for the loop that waits for it is shown with its stack. [later:
    blocking]
R30: Cancelling works for kinds that declare no heartbeat.
R31: An attempt whose time is up is really cancelled, and is not ended before its body stops.

## Nothing is picked up too early

R32: A job whose inputs are not there yet cannot be claimed.
R33: Submitting fits the caller's own transaction, or comes safely after its commit. [later:
    hosts]
R34: A batch is not done before all of its members are known.

## Nobody waits for an event that was

R35: A subscriber first gets a snapshot, then what follows it.
R36: Between history and the live events there is no gap and nothing twice.
R37: Every subscriber has a cursor of his own; events are kept as long as their job.
R38: It works the same for a job that has ended.
R39: Waiting for a result cannot hang: not for fast jobs, not for ended ones, not for deleted
    ones.
R40: Events are made from the table of transitions, so that their documentation is true.

## Batches end

R41: A batch that is complete is finalized by whoever looks, also after a crash.
R42: A member's end and the look at its batch are one transaction.
R43: A callback is submitted exactly once.
R44: A member that waits, runs, retries or is a draft is not over.
R45: Every dependency says what happens when the other end fails. [later: workflows]
R46: No member's death can keep a callback from coming.

## Times and attempts

R47: Each attempt has its own times, and deadlines are computed from the current one.
R48: Created, started, ended: in that order or refused; durations come from a monotonic clock.
R49: How long it waited is known per attempt; what is written once is not overwritten.
R50: One injected clock writes every column.

## SQLite

R51: One writer; signs of life are not writes.
R52: A hundred jobs at once never see “database is locked”.
R53: Write transactions begin as such, WAL is checked, and network file systems are refused.
R54: Trouble of the infrastructure is never a job's outcome.
R55: No cursor stays open while something is awaited, and every job runs once.
R56: Log lines may be lost, changes of status may not; a full disk is a declared state.
R57: The database file is opened by SQLite only: no second descriptor drops its locks.

## Stopping and cancelling

R58: A stop has phases with deadlines: quiet, drain, cancel, persist.
R59: A job that a stop interrupts goes back to the front and loses no attempt.
R60: A job that a stop interrupts is not failed, whatever its body makes of it.
R61: A job is never called cancelled while its code still runs: it is stuck.
R62: Cancelling answers how it went: ended so, ended before, or stuck.
R63: A stop always ends.
R64: After a stop no attempt of this process is left running on paper.
R65: What happens to a job whose process died is documented, and happens.

## Tests and time

R66: In simulated time nothing really sleeps; a real sleep is an error, not a slow test.
R67: A test can run everything until nothing is left to do.
R68: The clock is a parameter everywhere.
R69: Nothing polls inside the process.
R70: Tests run the actors and the SQL of production.
"""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that must hold."""

    number: int
    promise: str
    later: str
    """Why it needs no test yet; empty if it needs one."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """Requirements that belong together."""

    title: str
    requirements: tuple[Requirement, ...]


def chapters() -> list[Chapter]:
    """All requirements, in order."""
    return [_chapter(part) for part in TEXT.split("## ")[1:]]


def _chapter(text: str) -> Chapter:
    title, _, entries = text.partition("\n")
    numbered = re.findall(r"^R(\d+): (.+?)(?=^R\d|\Z)", entries, flags=re.MULTILINE | re.DOTALL)
    return Chapter(title.strip(), tuple(_requirement(int(n), entry) for n, entry in numbered))


def _requirement(number: int, entry: str) -> Requirement:
    promise, _, later = " ".join(entry.split()).partition(" [later: ")
    return Requirement(number, promise, LATER[later.rstrip("]")] if later else "")
