"""Jobs with thousands of events: nobody waits long behind their pruning."""

from __future__ import annotations

from pathlib import Path

from tests.storage.checkers import check_everything
from tests.storage.driving import Writer, finish, new_job

from overseen_storage.groups import PruneRequest
from overseen_storage.items import Note
from overseen_storage.lifecycle import EventType
from overseen_storage.records import LogLine
from overseen_storage.sqlite.store import SqliteStore


async def end_with_events(writer: Writer, count: int) -> None:
    """Bring a job to its end, with so many events on the way."""
    claimed = await writer.start()
    late = Note(EventType.LATE_SUCCESS, job_id=claimed.id, fence=claimed.fence)
    await writer.commit(notes=[late] * count)
    await writer.commit(finishes=[finish(claimed)])


async def test_jobs_with_long_histories_go_in_smaller_chunks(tmp_path: Path) -> None:
    """A chunk ends before its events and log lines pass 20,000, and says that more remains; a job
    that alone has more goes alone."""
    async with Writer(SqliteStore(tmp_path / "jobs.db", owner_wait_seconds=0)) as writer:
        for count in (100, 14_000, 5_000, 25_000):
            await end_with_events(writer, count)
        line = LogLine(1, 1, writer.next, "info", "line")
        await writer.store.write_logs([line] * 4_900, keep_per_job=5_000)
        await writer.submit(new_job("stays"))
        request = PruneRequest(completed_before=writer.next, limit=100)
        chunks = [await writer.store.prune(request) for _ in range(3)]
        assert [(one.jobs, one.remaining) for one in chunks] == [(2, True), (1, True), (1, False)]
        pruned = sum(one.events for one in chunks)
        check_everything(await writer.rows(), await writer.ledger(), pruned=pruned)
