"""Each check of the audit sees what it is there for: one corruption is planted, and named."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from overseen.verifying.command import verify
from overseen_storage.audit import Check, Severity

Plant = str | Callable[[Path], None]

FIRST_COMPLETED = "(SELECT min(id) FROM job WHERE status = 8 AND kind = 'work')"


def truncate(files: Path) -> None:
    (file,) = files.iterdir()
    file.write_bytes(b"short")


def change_content(files: Path) -> None:
    (file,) = files.iterdir()
    file.write_bytes(b"CONTENT")


def remove(files: Path) -> None:
    (file,) = files.iterdir()
    file.unlink()


def leave_behind(files: Path) -> None:
    (files / "9-1-77").write_bytes(b"nobody's")


def corrupt_an_index(files: Path) -> None:
    """The index says one row less than the table."""
    with closing(sqlite3.connect(files.with_name("jobs.db"), isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'status IN (5, 6)', 'status IN (5, 8)')"
            " WHERE name = 'job_live'"
        )


PLANTS: list[tuple[Check, Plant]] = [
    (Check.INTEGRITY, corrupt_an_index),
    (Check.CONSTRAINTS, "UPDATE job SET priority = 5000 WHERE id = 1"),
    (Check.CONSTRAINTS, "UPDATE batch SET threshold = 5"),
    (Check.REFERENCES, "INSERT INTO log_line (job_id, fence, at, level, message)"
     " VALUES (999, 1, 1, 'info', 'nobody')"),
    (Check.SCHEMA, "DROP INDEX job_live"),
    (Check.SCHEMA, "DROP VIEW job_view; CREATE VIEW job_view AS SELECT 1"),
    (Check.WORDS, "UPDATE ledger SET type = 77 WHERE type = 105"),
    (Check.WORDS, "UPDATE job SET cause = 55 WHERE id = 1"),
    (Check.WORDS, "UPDATE batch SET policy = 55"),
    (Check.SEQUENCE, "DELETE FROM ledger WHERE type = 105"),
    (Check.SEQUENCE, "UPDATE meta SET value = 3 WHERE key = 'events_pruned'"),
    (Check.SEQUENCE, "UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = 'ledger'"),
    (Check.STAMPS, "UPDATE ledger SET at = at - 60000000 WHERE type = 105"),
    (Check.EPOCHS, "UPDATE epoch SET started_at = started_at + 1 WHERE id = 2"),
    (Check.EPOCHS, "UPDATE epoch SET stopped_at = NULL WHERE id = 1"),
    (Check.EPOCHS, "UPDATE job SET epoch = 9 WHERE id = 1"),
    (Check.PATH, "UPDATE ledger SET type = 5 WHERE type = 1 AND job_id = 1"),
    (Check.PATH, "DELETE FROM ledger WHERE type = 7 AND job_id = 1"),
    (Check.ENDS, "INSERT INTO ledger (at, type, cause, job_id, status, fence)"
     " SELECT max(at) + 1, 14, 2, 1, 9, 1 FROM ledger"),
    (Check.ENDS, "INSERT INTO ledger (at, type, cause, job_id, fence)"
     " SELECT max(at) + 1, 104, 2, 1, 1 FROM ledger"),
    (Check.ENDS, "UPDATE job SET status = 9 WHERE id = 1"),
    (Check.ENDS, "UPDATE job SET completed_at = completed_at + 1 WHERE id = 1"),
    (Check.ROWS, "UPDATE job SET cause = 3 WHERE id = 1"),
    (Check.ROWS, "UPDATE job SET warnings = warnings + 1 WHERE id = 1"),
    (Check.ROWS, "UPDATE job SET changed_at = changed_at + 1 WHERE id = 1"),
    (Check.ROWS, "DELETE FROM ledger WHERE job_id = 1"),
    (Check.ROWS, "DELETE FROM job WHERE id = 1"),
    (Check.TIMES, "UPDATE job SET started_at = started_at - 1 WHERE id = 1"),
    (Check.TIMES, "UPDATE job SET ready_at = ready_at + 1 WHERE id = 1"),
    (Check.TIMES, "UPDATE job SET created_at = created_at - 1 WHERE id = 1"),
    (Check.FENCES, "UPDATE ledger SET fence = 9 WHERE type = 8 AND job_id = 1"),
    (Check.FENCES, "UPDATE ledger SET fence = 9 WHERE type = 7 AND job_id = 1"),
    (Check.COUNTERS, "UPDATE job SET interruptions = 1 WHERE id = 1"),
    (Check.COUNTERS, "UPDATE job SET failures = 0 WHERE kind = 'fails_once'"),
    (Check.COUNTERS, "UPDATE job SET failures = 5, retries = 1 WHERE kind = 'fails_once'"),
    (Check.DUE, "UPDATE ledger SET data = json_set(data, '$.delay_seconds', 9999) WHERE type = 9"),
    (Check.HOLDS, "UPDATE job SET held = 3 WHERE status = 4"),
    (Check.PAUSES, "UPDATE job SET queue = 'paused' WHERE id = 1"),
    (Check.PAUSES, "UPDATE queue SET paused_at = NULL, paused_by = NULL"),
    (Check.KEYS, "DROP INDEX job_key; UPDATE job SET key = 'one' WHERE status = 4"),
    (Check.KEYS, "DROP INDEX job_idempotency;"
     " UPDATE job SET idempotency_key = 'once' WHERE id < 3"),
    (Check.LIVE, "UPDATE job SET status = 5, completed_at = NULL, result = NULL WHERE id = 1"),
    (Check.BATCH_STORY, "UPDATE batch SET finalized_at = finalized_at + 1"),
    (Check.BATCH_STORY, "DELETE FROM ledger WHERE type = 123"),
    (Check.BATCH_STORY, "INSERT INTO ledger (at, type, cause, batch_id)"
     " SELECT max(at) + 1, 123, 8, 1 FROM ledger"),
    (Check.BATCH_STORY, "UPDATE batch SET stopped = 8"),
    (Check.BATCH_STORY, "DELETE FROM batch"),
    (Check.BATCH_MEMBERS, "UPDATE job SET batch_id = 1 WHERE id = (SELECT max(id) FROM job)"),
    (Check.BATCH_MEMBERS, "UPDATE job SET batch_id = 7 WHERE id = 1"),
    (Check.BATCH_COUNTS, "UPDATE batch SET summary = json_set(summary, '$.completed', 2)"),
    (Check.BATCH_COUNTS, "UPDATE batch SET summary = json_set(summary, '$.attempts', 7)"),
    (Check.BATCH_COUNTS, "UPDATE batch SET total = 3"),
    (Check.BATCH_COUNTS, "UPDATE batch SET summary = '{}'"),
    (Check.BATCH_STUCK, "UPDATE batch SET status = 2, finalized_at = NULL, summary = NULL, due = 1;"
     "INSERT INTO ledger (at, type, cause) SELECT max(at) + 700000000, 117, 5 FROM ledger"),
    (Check.CALLBACKS, "UPDATE job SET callback_of = 1, callback_event = 'failure' WHERE id = 1"),
    (Check.CALLBACKS, "DROP INDEX job_callback; UPDATE job SET callback_of = 1,"
     " callback_event = 'finish' WHERE kind = 'snoozes'"),
    (Check.CALLBACKS, "UPDATE job SET callback_of = 9 WHERE callback_of = 1"),
    (Check.ATTACHMENTS, "DELETE FROM attachment"),
    (Check.ATTACHMENTS, "UPDATE job SET attachments = 2 WHERE kind = 'reads'"),
    (Check.ATTACHMENTS, "UPDATE attachment SET job_id = 999"),
    (Check.ATTACHMENTS, "UPDATE ledger SET data = '{\"attachments\":[]}' WHERE type = 4"),
    (Check.FILES, remove),
    (Check.FILES, truncate),
    (Check.FILES, change_content),
    (Check.FILES, "UPDATE attachment SET stored_name = '../jobs.db'"),
    (Check.ORPHANS, leave_behind),
]  # fmt: skip


def plant(database: Path, what: Plant) -> None:
    """Damage a database, past its constraints."""
    if not isinstance(what, str):
        what(database.with_name("jobs.db.files"))
        return
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("PRAGMA writable_schema = ON")
        before = connection.total_changes
        connection.executescript(what)
        assert connection.total_changes > before or "DROP" in what, "nothing was planted"


def test_a_database_in_which_everything_happened_is_clean(database: Path) -> None:
    """Whatever a supervisor does, two lives of it, leaves nothing to find."""
    audit = verify(database, deep=True)

    assert audit.findings == ()
    assert audit.looked is not None
    assert (audit.looked.jobs, audit.looked.batches, audit.looked.files) == (13, 1, 1)
    assert audit.looked.epochs == 2


@pytest.mark.parametrize(("check", "what"), PLANTS, ids=lambda one: getattr(one, "__name__", one))
def test_a_check_sees_what_was_planted(database: Path, check: Check, what: Plant) -> None:
    """A check that cannot fail proves nothing: each planted corruption is a problem of its name,
    with what was expected, what was found, and what to do."""
    plant(database, what)

    audit = verify(database, deep=True)

    found = [one for one in audit.findings if one.check is check]
    assert found, audit.findings
    assert {one.severity for one in found} == {Severity.PROBLEM}
    assert all(one.expected and one.found and one.next_step for one in found)


def test_every_check_is_tripped_by_a_plant() -> None:
    """No check is trusted that nothing trips."""
    assert {check for check, _ in PLANTS} == set(Check)


def test_a_finding_names_what_it_is_about(database: Path) -> None:
    """The job, the event, what should be and what is: enough to look at it by hand."""
    plant(database, "UPDATE ledger SET fence = 9 WHERE type = 8 AND job_id = 1")

    (found,) = verify(database).findings

    assert found.job_id == 1
    assert found.seq is not None
    assert found.about == f"job 1, event {found.seq}"
    assert found.expected == "attempt 1, the one under way"
    assert found.found == "completed of attempt 9"


def test_many_findings_are_counted_and_few_are_kept(database: Path) -> None:
    """A database full of faults costs no more memory than one with a few."""
    plant(database, "UPDATE job SET warnings = warnings + 1")

    audit = verify(database, keep=2)

    assert audit.problems > 10
    assert len([one for one in audit.findings if one.check is Check.ROWS]) == 2
    assert {one.check: one.count for one in audit.tallies}[Check.ROWS] == 13
