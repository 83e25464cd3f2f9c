"""Mutants of the moves of jobs: guards by status and fence, stamps, numbers, keys."""

from __future__ import annotations

from tests.sim.mutants.indexes import not_unique
from tests.sim.mutants.mutant import Mutant, mutant
from tests.sim.mutants.planting import code, sql

from overseen_actors.clock import Stamper
from overseen_storage.sqlite import opening, submissions
from overseen_storage.sqlite.door import Door

_FENCE = "    AND job.fence = entry.fence\n"
_WAITING = "status IN (1 /* draft */, 3 /* scheduled */, 4 /* pending */, 7 /* retrying */)"

MOVES: tuple[Mutant, ...] = (
    mutant(
        "fence not checked at an end",
        "an end is written only by the attempt that holds the fence",
        "I11",
        sql("finish", _FENCE, ""),
        sql("complete", "    AND job.fence = json_extract(entry.value, '$[1]')\n", ""),
    ),
    mutant(
        "fence not checked at a retry",
        "a job is put back only by the attempt that holds the fence",
        "I11",
        sql("put_back", _FENCE, ""),
    ),
    mutant(
        "fence not checked in notes",
        "progress and checkpoints are taken only from the attempt that holds the fence",
        "I11",
        sql("apply_notes", _FENCE, ""),
    ),
    mutant(
        "guard on status dropped",
        "what is put back is running",
        "audit",
        sql("put_back", "    AND job.status = 5 /* running */\n", ""),
    ),
    mutant(
        "terminal overwritten",
        "only a job that waits is cancelled without its body",
        "audit: ends",
        sql("cancel_waiting", f"    AND job.{_WAITING}", ""),
    ),
    mutant(
        "ends written twice",
        "only a live job ends",
        "audit: ends",
        sql(
            "finish",
            """
    AND (
        job.status = 6 /* cancelling */
        OR (job.status = 5 /* running */ AND entry.status <> 10 /* cancelled */)
    )""",
            "",
        ),
        sql("complete", "    AND job.status IN (5 /* running */, 6 /* cancelling */)", ""),
    ),
    mutant(
        "started_at overwritten",
        "the first start is kept",
        "audit: times",
        sql("claim", "coalesce(job.started_at, :at + entry.key)", ":at + entry.key"),
    ),
    mutant(
        "event without its move",
        "only who has moved gets an event",
        "audit",
        sql("moved_events_among", "WHERE job.changed_at = :at + entry.key", ""),
    ),
    mutant(
        "move without its event",
        "every move is on the ledger",
        "audit",
        sql("cancel_members", "    AND job.status IN", "    AND job.id > 0 AND job.status IN"),
        sql(
            "moved_events",
            "FROM json_each(:ids) AS entry",
            "FROM (SELECT * FROM json_each(:ids) LIMIT 1) AS entry",
        ),
    ),
    mutant(
        "stamp from the wall",
        "the wall is read once in a life, then elapsed time is added",
        "L2",
        code(
            Stamper,
            "now",
            ("self._anchor_us + self.elapsed_us()", "self._clock.wall_us()"),
        ),
    ),
    mutant(
        "stamps begin anew",
        "the stamps of a life begin after those of the last one",
        "audit: stamps",
        code(
            Stamper,
            "__init__",
            ("max(clock.wall_us(), after_us)", "clock.wall_us()"),
            ("self._last = after_us", "self._last = 0"),
        ),
        code(
            opening,
            "begin_epoch",
            ("stamp = max(at, heights.stamp + 1)", "heights.stamp = 0; stamp = at"),
        ),
    ),
    mutant(
        "seq reused after restart",
        "a seq is never given out again, also not after pruning",
        "audit: sequence",
        sql(
            "heights",
            "(SELECT seq FROM sqlite_sequence WHERE name = 'ledger')",
            "(SELECT max(seq) FROM ledger)",
        ),
    ),
    mutant(
        "id reused after restart",
        "an id is never given out again, also not after pruning",
        "no id",
        sql(
            "heights",
            "(SELECT seq FROM sqlite_sequence WHERE name = 'job')",
            "(SELECT max(id) FROM job)",
        ),
    ),
    mutant(
        "due too early",
        "nothing is due before its time",
        "audit: due",
        sql("due", "due_at <= :now\n", "due_at <= :now + 3000000\n"),
    ),
    mutant(
        "key uniqueness dropped",
        "a key has one job that has not ended",
        "audit: keys",
        not_unique("job_key", "key", "key IS NOT NULL AND completed_at IS NULL"),
        sql("keys_taken", "job.completed_at IS NULL", "job.completed_at IS NULL AND job.id < 0"),
    ),
    mutant(
        "idempotency ignored",
        "an idempotency key has one job",
        "I18",
        not_unique("job_idempotency", "idempotency_key", "idempotency_key IS NOT NULL"),
        sql(
            "idempotency_keys_taken",
            "WHERE job.idempotency_key IS NOT NULL",
            "WHERE job.idempotency_key IS NOT NULL AND job.id < 0",
        ),
    ),
    mutant(
        "idempotency ignored after restart",
        "an idempotency key has one job, also in the next life",
        "I18",
        not_unique("job_idempotency", "idempotency_key", "idempotency_key IS NOT NULL"),
        sql(
            "idempotency_keys_taken",
            "WHERE job.idempotency_key IS NOT NULL",
            "WHERE job.idempotency_key IS NOT NULL\n"
            "    AND job.created_at > (SELECT max(started_at) FROM epoch)",
        ),
    ),
    mutant(
        "a submission's jobs one by one",
        "jobs that are submitted together are stored together",
        "I19",
        code(
            submissions,
            "_submit_with_care",
            ("        with writer.savepoint():", "        if True:"),
        ),
    ),
    mutant(
        "unknown commits taken for failed",
        "after a failed COMMIT the disk says whether it happened",
        "I19",
        code(
            Door,
            "settle",
            ("or session.found_seq == failed.before.seq", "or True"),
        ),
    ),
    mutant(
        "unknown commits taken for done",
        "after a failed COMMIT the disk says whether it happened",
        "I17",
        code(
            Door,
            "settle",
            ("or session.found_seq == failed.before.seq", "or False"),
        ),
    ),
)
