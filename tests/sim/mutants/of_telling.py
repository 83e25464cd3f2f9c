"""Mutants of what is told: by the feed, by answers, and by rows and summaries."""

from __future__ import annotations

from tests.sim.mutants.mutant import Mutant, mutant
from tests.sim.mutants.planting import code, sql

from overseen import ring, subscribing
from overseen.effects import Effects
from overseen.feed import Feed
from overseen.ring import Page, Stretch
from overseen_storage.sqlite import batches
from overseen_storage.sqlite.changes import Changer

TELLING: tuple[Mutant, ...] = (
    mutant(
        "history not marked",
        "what the snapshot contains is marked as history",
        "I25 history is marked",
        code(
            Page,
            "marked",
            ("self._stretch.replayed(self._start, history_end)", "self.events[: history_end]"),
            ("        if history_end <= self._start:", "        if True:"),
        ),
    ),
    mutant(
        "everybody is told everything",
        "subscribers are given what they asked for",
        "I25 only what was asked for",
        code(
            vars(ring)["_Block"],
            "of",
            ("        if key is None:", "        if True:"),
        ),
    ),
    mutant(
        "a job's events break off",
        "the events of a job go on until its end",
        "I25 a job's events end",
        code(
            subscribing,
            "follow_job",
            ("event.status in TERMINAL", "event.status is not None"),
        ),
    ),
    mutant(
        "subscriber misses between snapshot and live",
        "live events begin at the number of the snapshot",
        "I25",
        code(
            subscribing,
            "follow_all",
            (
                "cursor = _cursor(after, height)",
                'cursor = feed.height if after == "now" else _cursor(after, height)',
            ),
        ),
    ),
    mutant(
        "duplicate at hand-over",
        "what follows a seq begins after it",
        "I25",
        code(
            Stretch,
            "first_after",
            (
                "bisect_right(self.events, seq, key=_seq)",
                "bisect_right(self.events, seq - 1, key=_seq)",
            ),
        ),
    ),
    mutant(
        "height one too high",
        "the feed's height is the last event that is committed",
        "L5",
        code(
            Effects,
            "act",
            (
                "committed.first_seq + committed.events - 1",
                "committed.first_seq + committed.events",
            ),
        ),
    ),
    mutant(
        "the tail forgets to look",
        "a commit wakes who waits for its events",
        "L",
        code(Feed, "advance", ("                self._tail_wanted.set()", "                pass")),
    ),
    mutant(
        "change without its event",
        "what an operator changes is on the ledger",
        "I17 acknowledged requests",
        code(
            Changer,
            "_change",
            ("elif _has_due(change) or change.priority is not None:", "elif False:"),
        ),
    ),
    mutant(
        "retry does not point back",
        "a retry by an operator points to the job that it repeats",
        "I17 acknowledged retries",
        sql("insert_alike", ":headers, :parent_id, :retried_from,", ":headers, :parent_id, NULL,"),
    ),
    mutant(
        "errors without types",
        "clients get typed errors",
        "R3 clients get typed errors",
        code(
            Effects,
            "_answer",
            (
                "refusal(result, message.submission.jobs[result.index])",
                "RuntimeError(result.message)",
            ),
        ),
    ),
    mutant(
        "a callback that fails",
        "nothing that the loop runs fails without an owner",
        "R3 nothing is left unhandled",
        code(
            Effects,
            "act",
            (
                "        self._answer(done)\n",
                "        self._answer(done)\n"
                "        asyncio.get_running_loop().call_soon(self._recent.nudge)\n",
            ),
        ),
    ),
    mutant(
        "created_at overwritten",
        "when a job was created is written once",
        "I5 created_at is kept",
        sql(
            "claim", "    expires_at = NULL,", "    expires_at = NULL, created_at = created_at + 1,"
        ),
    ),
    mutant(
        "finalized at another moment",
        "the row has the stamp of its event",
        "the row tells the same moment",
        sql("finalize_batch", "finalized_at = :at", "finalized_at = :at + 1"),
    ),
    mutant(
        "failures miscounted",
        "a summary groups failures and counts them",
        "I28 the summary's failures",
        sql("batch_failure_groups", "count(*) AS count", "count(*) + 1 AS count"),
    ),
    mutant(
        "another first failure",
        "a summary names the first failure of each sort",
        "I28 failures",
        sql("batch_failure_groups", "min(id) AS first", "min(id) - 1 AS first"),
    ),
    mutant(
        "another status than the summary's",
        "the row of a batch ends as its summary says",
        "its status is the row's",
        code(
            batches,
            "finalize",
            ("BATCH_STATUS_CODES[order.status]", "BATCH_STATUS_CODES[BatchStatus.CANCELLED]"),
        ),
    ),
    mutant(
        "shared files miscounted",
        "a retry has as many files as the job that it repeats",
        "audit: attachments",
        sql("set_attachments", "attachments = :attachments", "attachments = :attachments + 1"),
    ),
    mutant(
        "held, and said to be free",
        "who is released on the ledger is released on the row",
        "audit: holds",
        sql("release_held", "held = NULL, ", ""),
    ),
    mutant(
        "callbacks are members",
        "a callback is no member of the batch that it is told of",
        "callbacks are no members",
        code(batches, "_call_back", ("batch_id=None, key=None", "batch_id=batch_id, key=None")),
    ),
)
