"""The five incidents that this program was written for, as mutants: the guard against each taken
away, and how it shows."""

from __future__ import annotations

from dataclasses import dataclass

from tests.sim.mutants.of_batches import DRAFTS_CLAIMABLE
from tests.sim.mutants.planting import Change, code, sql

from overseen import subscribing
from overseen.watchdog import Watchdog


@dataclass(frozen=True, slots=True)
class Incident:
    """What went wrong once, with all guards against it gone."""

    name: str
    happened: str
    symptom: str
    """How the name of the invariant begins that tells of the incident itself."""
    shown_by: str
    """A part of the evidence: the incident in its own words."""
    changes: tuple[Change, ...]

    def __str__(self) -> str:
        return self.name


_SWEEP = "        self._post(Tick(due=True, expire=True))\n"
_CLEANER = """\
        from overseen_storage.groups import Group
        from overseen_storage.items import Finish
        from overseen_storage.lifecycle import Cause, Reason, Status
        live, lost = self._committing._accounting._live, []
        for row in await self._store.orphans(epoch=0, after_id=0, limit=1000):
            attempt = live.get(row.id)
            if attempt is None or attempt.ended is not None:
                lost.append(Finish(row.id, row.fence, Status.FAILED, None, Reason.LOST))
        await asyncio.sleep(0.01)
        if lost:
            at = self._committing._stamper.take(2 * len(lost))
            await self._store.commit(Group(at=at, finishes=lost))
"""
"""Whatever runs on paper and not in memory is dead. It acts a little later than it looks."""

INCIDENTS: tuple[Incident, ...] = (
    Incident(
        "Crawl jobs",
        "a completed job was marked failed, by a cleaner that acted on what it had read before",
        "audit: ends",
        "after completed",
        (
            sql("finish", "    AND job.fence = entry.fence\n", ""),
            sql(
                "finish",
                """
    AND (
        job.status = 6 /* cancelling */
        OR (job.status = 5 /* running */ AND entry.status <> 10 /* cancelled */)
    )""",
                "",
            ),
            code(Watchdog, "_sweep", (_SWEEP, _SWEEP + _CLEANER)),
        ),
    ),
    Incident(
        "Upload jobs",
        "a worker picked a job up before its files were attached",
        "audit: path",
        "started",
        DRAFTS_CLAIMABLE,
    ),
    Incident(
        "Progress page",
        "a page that subscribed late missed the end, and hung",
        "I25",
        "missed",
        (
            code(
                subscribing,
                "follow_all",
                ("cursor = _cursor(after, height)", "cursor = feed.height"),
            ),
            code(
                subscribing,
                "follow_job",
                ("cursor = _cursor(after, snapshot.seq)", "cursor = feed.height"),
            ),
        ),
    ),
    Incident(
        "Fast jobs and retries",
        "`started_at` was overwritten, and stamps went back",
        "audit: times",
        "started_at",
        (sql("claim", "coalesce(job.started_at, :at + entry.key)", ":at + entry.key"),),
    ),
    Incident(
        "Batches",
        "the last batch waited for ever, because nothing was pulled any more",
        "L2 everything ends in bounded time",
        "batch",
        (
            sql("mark_batch_due", "AND due = 0", "AND 0"),
            code(
                Watchdog,
                "_look_at_batches",
                ("    self._batches_due(to_do.due)", "    pass"),
            ),
        ),
    ),
)
