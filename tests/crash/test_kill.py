"""kill -9 under load, again and again, on one database: what was acknowledged is there."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.crash.acknowledged import Acknowledged, find
from tests.crash.nursery import Nursery
from tests.storage.checkers import Rows, check_prefix, check_successor

from overseen_storage.lifecycle import EventType, Reason, Status
from overseen_storage.records import Event, JobRecord

KILLS = 20


@dataclass
class Witness:
    """What the killed program was told, and what its database looked like after each death."""

    acknowledged: set[int] = field(default_factory=set[int])
    told: Acknowledged = field(default_factory=Acknowledged)
    """All but what is submitted many at once."""
    rows: Rows = field(default_factory=dict[int, JobRecord])
    ledger: list[Event] = field(default_factory=list[Event])
    orphans: int = 0
    deaths_with_orphans: int = 0

    def hear(self, words: list[str]) -> None:
        match words:
            case ["submitted", first, last]:
                self.acknowledged.update(range(int(first), int(last) + 1))
            case ["recovered", count]:
                assert int(count) == self.orphans, "recovery finds exactly what ran at the death"
            case _:
                self.told.hear(words)

    async def inspect(self, database: Path) -> None:
        """Look at the database of a dead process, as the next owner would find it."""
        found = await find(database)
        rows, ledger = found.rows, found.ledger
        assert self.acknowledged <= rows.keys(), self.acknowledged - rows.keys()
        self.told.check(found)
        check_successor(self.rows, rows)
        check_prefix(self.ledger, ledger)
        check_orphans_ran_first(ledger)
        live = [row for row in rows.values() if row.status in (Status.RUNNING, Status.CANCELLING)]
        self.rows, self.ledger, self.orphans = rows, ledger, len(live)
        self.deaths_with_orphans += bool(live)


def check_orphans_ran_first(ledger: list[Event]) -> None:
    """In each life, everything that a death left running is resolved before anything starts."""
    running: set[int] = set()
    orphans: set[int] = set()
    for event in ledger:
        if event.type is EventType.EPOCH_STARTED:
            orphans = set(running)
        elif event.job_id is not None and event.status is not None:
            if event.type is EventType.STARTED:
                assert not orphans, f"{event} before {orphans} were resolved"
                running.add(event.job_id)
            elif event.status not in (Status.RUNNING, Status.CANCELLING):
                running.discard(event.job_id)
                orphans.discard(event.job_id)


async def test_nothing_acknowledged_is_lost_by_kill_9(nursery: Nursery, tmp_path: Path) -> None:
    """After each of 20 kills at random moments under load: every acknowledged job is there, what
    completed is unchanged, what ran is resolved before any new work and runs again, the first
    start is kept, rows, ledger, batches and files agree; in the end every job has completed.
    (R11, R17, R18, R23)"""
    database = tmp_path / "jobs.db"
    random = Random(20)
    witness = Witness()
    for kill in range(KILLS):
        with nursery.child("under_load", database, kill) as child:
            child.go()
            lines = random.randrange(1, 120)
            for _, words in zip(range(lines), child.lines(), strict=False):
                witness.hear(words)
            child.signal(signal.SIGKILL)
            for words in child.lines():  # what it managed to say before it died counts too
                witness.hear(words)
            child.wait()
        await witness.inspect(database)

    assert witness.deaths_with_orphans >= KILLS // 4, "the kills hit it at work"
    told = witness.told
    assert min(map(len, (told.attached, told.released, told.summed))) > 0, "a bit of everything"
    with nursery.child("under_load", database, 0, "finish") as child:
        child.go()
        for words in child.lines():
            witness.hear(words)
    assert told.over, "everything came to its end"
    witness.orphans = 0
    await witness.inspect(database)
    for row in witness.rows.values():
        given_up = row.status is Status.CANCELLED and row.reason is Reason.DRAFT_DISCARDED
        assert row.status is Status.COMPLETED or given_up, row
    again = [row for row in witness.rows.values() if row.losses]
    assert again
    assert all(row.started_at < (row.attempt_started_at or 0) for row in again if row.started_at)
