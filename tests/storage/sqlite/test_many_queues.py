"""Claiming from a thousand queues reads little more than what it claims."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from tests.storage.driving import Writer, new_job

from overseen_storage.items import ClaimFrom, Submission
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.statements import statement
from overseen_storage.sqlite.store import SqliteStore

QUEUES = 300
CLAIMED = 60


class Counting(sqlite3.Connection):
    """A connection that counts the candidates it was asked for."""

    candidates = 0

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        if sql == statement("claimable_ranked"):
            type(self).candidates += parameters["limit"]
        return super().execute(sql, parameters)


async def test_many_full_queues_are_not_read_deeper_than_needed(tmp_path: Path) -> None:
    """The jobs that go first are claimed, whichever queues they are in, and few others are looked
    at: not the number of queues times the number of jobs."""
    connector = InlineConnector(factory=Counting)
    store = SqliteStore(tmp_path / "jobs.db", connector=connector, owner_wait_seconds=0)
    async with Writer(store) as writer:
        queues = [f"q{number}" for number in range(QUEUES)]
        jobs = [new_job(queue=queue) for queue in queues for _ in range(3)]
        urgent = [new_job(queue="q7", priority=1)] * (CLAIMED - 10)
        await writer.commit(submissions=[Submission(jobs), Submission(urgent)])
        claims = [ClaimFrom(queue, CLAIMED) for queue in queues]
        done = await writer.commit(claims=claims, claim_limit=CLAIMED)
        expected = [len(jobs) + n for n in range(1, len(urgent) + 1)] + list(range(1, 11))
        assert [one.id for one in done.claimed] == expected
        assert Counting.candidates < 4 * QUEUES
        assert done.short_queues == ["q0", "q1", "q2"]
