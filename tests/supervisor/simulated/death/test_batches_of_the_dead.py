"""Members whose process died: the batch ends all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.storage.batching import member
from tests.storage.driving import Writer, new_job
from tests.supervisor.simulated.conftest import Make

from overseen import BatchStatus, BatchSummary, Reason, job
from overseen.batches.callbacks import template_of
from overseen_storage.orders import OpenBatch, SealBatch
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore

pytestmark = pytest.mark.usefixtures("audited")


@job(on_lost="fail")
async def once_only(n: int) -> int:
    """What must not be repeated."""
    return n


@job
async def report(summary: BatchSummary) -> str:
    """The callback."""
    return f"{summary.failed} of {summary.total}"


async def die_with_its_members(path: Path, template: str) -> None:
    """A process seals a batch, starts its last member, and dies."""
    writer = Writer(SqliteStore(path, connector=InlineConnector(), owner_wait_seconds=0))
    await writer.open()
    await writer.commit(orders=[OpenBatch(name="b", on_finish=template)])
    await writer.submit(member(1, new_job("once_only")))
    await writer.commit(orders=[SealBatch(1)])
    assert len(await writer.claim(limit=1)) == 1
    await writer.crash()


async def test_a_members_death_does_not_keep_the_callback_from_coming(
    make: Make, database: Path
) -> None:
    """The recovery of the next start ends the last member as lost; the batch is finalized at once,
    without a sweep's interval, and its callback runs. (R46)"""
    template = template_of("finish", report, make(report).registry)
    await die_with_its_members(database, template)

    async with make(once_only, report, sweep_interval="1h") as supervisor:
        summary = await supervisor.find_batch(1).summary("10s")
        (callback,) = await supervisor.jobs(job=report)
        outcome = await supervisor.handle(callback.id, report).wait()

    assert summary.status is BatchStatus.COMPLETED_WITH_ERRORS
    assert [(one.reason, one.count) for one in summary.failures] == [(Reason.LOST, 1)]
    assert outcome.value == "1 of 1"
