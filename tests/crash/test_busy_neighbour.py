"""A second process writes to the same file: nobody ever sees that a database is locked."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from tests.crash.children import Child

from overseen import Context, Supervisor, job


@job
async def chatty(ctx: Context, value: int) -> int:
    for step in range(5):
        ctx.progress(step, 5)
        ctx.log("a step")
        await asyncio.sleep(0)
    return value


async def test_no_lock_error_with_a_hundred_jobs_and_a_busy_neighbour(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With 100 concurrent jobs and another process that writes all the time, every job completes
    at its first attempt and nothing is degraded. (R51, R52, R53, R54, R55)"""
    database = tmp_path / "jobs.db"
    async with Supervisor(database, jobs=[chatty], concurrency=100) as supervisor:
        with Child("busy_neighbour.py", database) as neighbour:
            neighbour.hear_word("writing")
            with caplog.at_level(logging.WARNING):
                handles = [await supervisor.submit(chatty, n) for n in range(20)]
                handles += await supervisor.submit_many(chatty.call(n) for n in range(20, 400))
                results = [await handle.result() for handle in handles]
            outcomes = [await handle.wait() for handle in handles]

    assert results == list(range(400))
    assert {outcome.attempts for outcome in outcomes} == {1}
    assert "lock" not in caplog.text
    assert "degraded" not in caplog.text
