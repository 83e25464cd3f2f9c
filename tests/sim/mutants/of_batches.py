"""Mutants of batches, drafts, their files, and of pruning."""

from __future__ import annotations

from tests.sim.mutants.indexes import not_unique
from tests.sim.mutants.mutant import Mutant, mutant
from tests.sim.mutants.planting import Change, code, sql

from overseen.attachments.tidying import Tidier
from overseen.order_accounting import OrderAccounting
from overseen.watchdog import Watchdog
from overseen_storage.sqlite import batch_reading, batches, drafts, settling
from overseen_storage.sqlite.writer import Writer

_CLAIMABLE = (
    "claimable",
    "claimable_unstopped",
    "claimable_ranked",
    "claimable_ranked_unstopped",
)


def _drafts_claimable() -> tuple[Change, ...]:
    """Every claim sees drafts."""
    found: list[Change] = [sql("claim", "job.status = 4 /* pending */", "job.status IN (1, 4)")]
    for name in _CLAIMABLE:
        found.append(sql(name, "FROM job INDEXED BY job_claimable", "FROM job"))
        found.append(sql(name, "status = 4", "status IN (1, 4)"))
    return tuple(found)


DRAFTS_CLAIMABLE = _drafts_claimable()

BATCHES: tuple[Mutant, ...] = (
    mutant(
        "draft claimable",
        "a draft is invisible to claims",
        "audit: path",
        *DRAFTS_CLAIMABLE,
    ),
    mutant(
        "release without checking files",
        "a draft is released when it has the files that it needs",
        "I17 a released job has its file",
        code(drafts, "release", ("    if missing:", "    if missing and False:")),
    ),
    mutant(
        "draft never expires",
        "a draft that nobody releases is given up",
        "L2",
        sql(
            "expiring",
            "status IN (1 /* draft */, 4 /* pending */)",
            "status IN (1, 4) AND status = 4",
        ),
    ),
    mutant(
        "file removed while shared",
        "a file is freed when no job names it",
        "a file that a job has is there",
        sql("freed_files", "WHERE NOT EXISTS (", "WHERE 1 OR NOT EXISTS ("),
    ),
    mutant(
        "orphan cleaner takes living files",
        "only files that no job has are orphans",
        "a file that a job has is there",
        code(
            Tidier,
            "_look_for_orphans",
            ("used = await self._store.stored_files()", "used = set()"),
        ),
    ),
    mutant(
        "orphaned files stay",
        "a start removes files that no job has",
        "no file is left",
        code(Tidier, "_look_for_orphans", ("if orphans:", "if False:")),
    ),
    mutant(
        "freed files stay",
        "files of jobs that are gone are removed",
        "no file is left",
        code(Tidier, "freed", ("            self._freed[name] = None", "            pass")),
        code(Tidier, "_look_for_orphans", ("if orphans:", "if False:")),
    ),
    mutant(
        "member added after seal",
        "a sealed batch takes no members",
        "I30",
        sql("closed_batches", "batch.status <> 1 /* open */", "0"),
    ),
    mutant(
        "tripped batch still claimed",
        "members of a stopped batch are not started",
        "audit: batch_members",
        sql(
            "claimable_unstopped",
            "stopped IS NOT NULL AND finalized_at IS NULL",
            "stopped IS NOT NULL AND finalized_at IS NULL AND id < 0",
        ),
        sql(
            "claimable_ranked_unstopped",
            "stopped IS NOT NULL AND finalized_at IS NULL",
            "stopped IS NOT NULL AND finalized_at IS NULL AND id < 0",
        ),
    ),
    mutant(
        "policy ignored",
        "a batch that fails fast is stopped by its first failure",
        "a batch is stopped as its policy says",
        code(
            settling,
            "settle",
            ("if batch.failed and batch.stopped is None", "if False and batch.failed"),
        ),
    ),
    mutant(
        "waiting members of a stopped batch stay",
        "a stopped batch cancels those who wait",
        "L2",
        code(
            OrderAccounting,
            "_stop",
            ("        self._backlog.append(StopMembers(batch_id, reason))", "        pass"),
        ),
        code(
            Watchdog,
            "_look_at_batches",
            ("            self._post(StopMembers(batch_id, reason))", "            pass"),
        ),
    ),
    mutant(
        "due mark not set and sweep blind",
        "a batch is finalized whoever ends its last member, by the sweep at the latest",
        "I29",
        sql("mark_batch_due", "AND due = 0", "AND 0"),
        code(
            Watchdog,
            "_look_at_batches",
            ("    self._batches_due(to_do.due)", "    pass"),
        ),
    ),
    mutant(
        "finalized with open members",
        "every member has ended before its batch does",
        "audit: batch_members",
        code(settling, "settle", (" and not batch.has_open", "")),
        code(batch_reading, "sum_up", ("None if has_open else ", "")),
        sql(
            "finalize_batch",
            "AND job.completed_at IS NULL",
            "AND job.completed_at IS NULL AND job.id < 0",
        ),
    ),
    mutant(
        "double finalization",
        "a batch that has ended is not finalized again",
        "audit: batch_story",
        code(
            batch_reading,
            "sum_up",
            ("batch is None or batch.status is not BatchStatus.PROCESSING", "batch is None"),
            (
                "        (has_open,)",
                "        if batch.sealed_at is None:\n            return None\n        (has_open,)",
            ),
        ),
        code(
            batches,
            "finalize",
            (
                "if state.status is not BatchStatus.PROCESSING:",
                "if state.status is BatchStatus.OPEN:",
            ),
        ),
        sql("finalize_batch", "AND status = 2 /* processing */", ""),
    ),
    mutant(
        "callback twice",
        "each event of a batch has one job",
        "one callback",
        code(
            batches,
            "finalize",
            ("for one in order.callbacks)", "for one in (*order.callbacks, *order.callbacks))"),
        ),
        not_unique("job_callback", "callback_of, callback_event", "callback_of IS NOT NULL"),
    ),
    mutant(
        "no callback",
        "the end of a batch submits its callbacks, in one transaction",
        "one callback",
        code(batches, "finalize", ("for one in order.callbacks)", "for one in ())")),
    ),
    mutant(
        "summary counts wrong",
        "a frozen summary equals the members",
        "audit: batch_counts",
        sql("batch_sums", "coalesce(sum(fence), 0)", "count(fence)"),
    ),
    mutant(
        "total counted too early",
        "the total is that of the seal",
        "audit: batch_counts",
        sql("seal_batch", "SELECT count(*) FROM job", "SELECT max(count(*) - 1, 0) FROM job"),
    ),
    mutant(
        "pruning of open batch members",
        "members of a batch that is not finalized are not pruned",
        "audit: batch_counts",
        sql(
            "prunable",
            "AND batch.finalized_at IS NULL",
            "AND batch.finalized_at IS NULL AND batch.id < 0",
        ),
    ),
    mutant(
        "pruning forgets to count",
        "what is pruned is counted",
        "audit: sequence",
        sql("prune_meta", "value + :events", "value"),
    ),
    mutant(
        "batch marks forgotten",
        "after a stop is known that there are stopped batches",
        "a batch is stopped as its policy says",
        code(Writer, "batches_changed", ("        self._batches = None", "        pass")),
    ),
)
