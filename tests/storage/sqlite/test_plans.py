"""What the hot statements walk: an index or a rowid, never a table, whatever its size."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

import pytest

from overseen_storage.sqlite.migrations import commands, migrations
from overseen_storage.sqlite.statements import statement


@pytest.fixture
def schema() -> Iterator[sqlite3.Connection]:
    """An empty database: the planner knows nothing about sizes, as in production."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for migration in migrations():
        for command in commands(migration.text):
            connection.execute(command)
    yield connection
    connection.close()


def plan(connection: sqlite3.Connection, name: str) -> list[str]:
    """The steps of a statement's query plan."""
    text = statement(name)
    parameters = dict.fromkeys(re.findall(r":(\w+)", text))
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters)]


WALKS = {
    "claimable": "job_claimable (queue=?)",
    "claimable_ranked": "job_claimable (queue=?)",
    "claimable_unstopped": "job_claimable (queue=?)",
    "claimable_ranked_unstopped": "job_claimable (queue=?)",
    "touched_batches": "job_ended (status=? AND completed_at>?)",
    "finalize_batch": "job_batch_open (batch_id=?)",
    "seal_batch": "job_batch (batch_id=?)",
    "batch_failures": "job_batch_spoiled (batch_id=? AND status=?)",
    "waiting_members": "job_batch_open (batch_id=?)",
    "cancel_members": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "mark_callback": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "closed_batches": "SEARCH batch USING INTEGER PRIMARY KEY (rowid=?)",
    "batches_due": "job_batch_open (batch_id=?)",
    "batches_stopped": "job_batch_open (batch_id=?)",
    "batch_has_open": "job_batch_open (batch_id=?)",
    "batch_counts": "job_batch_open (batch_id=?)",
    "batch_sums": "job_batch (batch_id=?)",
    "batch_durations": "job_batch (batch_id=?)",
    "batch_failure_groups": "job_batch_spoiled (batch_id=? AND status=?)",
    "batch_began": "ledger_batch (batch_id=?)",
    "members": "job_batch (batch_id=? AND id>?)",
    "claim": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "claimed": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "complete": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "finish": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "put_back": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "request_cancel": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "cancel_waiting": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "mark_stopping": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "apply_notes": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "note_events": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "moved_events": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "moved_events_among": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "inserted_events": "SEARCH job USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "due": "job_due (due_at",
    "make_due": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "expiring": "job_expiring (expires_at",
    "expire": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "keys_taken": "job_key (key=?)",
    "key_holder": "job_key (key=?)",
    "idempotency_keys_taken": "job_idempotency (idempotency_key=?)",
    "idempotency_holder": "job_idempotency (idempotency_key=?)",
    "events": "SEARCH ledger USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "events_of_job": "ledger_job (job_id=?",
    "events_among": "SEARCH ledger USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "orphans": "job_live (id>?)",
    "held_of_kinds": "job_held (held=? AND kind=?)",
    "prunable": "job_ended (status=?",
    "prune_heights": "ledger_job (job_id=?)",
    "prune_ledger": "ledger_job (job_id=?)",
    "prune_sizes": "ledger_job (job_id=?)",
    "prune_jobs": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "logs": "log_line_job (job_id=?)",
    "missed": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "draft": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "attachment_taken": "SEARCH attachment USING PRIMARY KEY (job_id=? AND name=?)",
    "count_attachment": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "keep_draft": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "release": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "attachments": "SEARCH attachment USING PRIMARY KEY (job_id=?)",
    "drafts_with_files": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "freed_files": "attachment_stored (stored_name=?)",
    "prune_attachments": "SEARCH attachment USING PRIMARY KEY (job_id=?)",
    "retried_with_care": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
    "files_left": "SEARCH attachment USING PRIMARY KEY (job_id=?)",
    "share_attachments": "SEARCH attachment USING PRIMARY KEY (job_id=?)",
    "by_queue": "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
}


@pytest.mark.parametrize("name", sorted(WALKS))
def test_a_hot_statement_finds_its_rows(schema: sqlite3.Connection, name: str) -> None:
    """Its plan names the index or rowid that leads to the rows, and scans no table."""
    steps = plan(schema, name)
    assert any(WALKS[name] in step for step in steps), steps
    scans = [step for step in steps if re.match(r"SCAN (job|ledger|log_line|attachment)\b", step)]
    assert [step for step in scans if "job_live" not in step] == [], steps


@pytest.mark.parametrize(
    "name",
    [
        "claimable",
        "claimable_ranked",
        "orphans",
        "events",
        "expiring",
        "held_of_kinds",
        "attachments",
    ],
)
def test_order_comes_from_the_index(schema: sqlite3.Connection, name: str) -> None:
    """What is read in order, or in pieces, is not sorted: no temporary B-tree."""
    assert [step for step in plan(schema, name) if "TEMP B-TREE" in step] == []


@pytest.mark.parametrize("name", ["ready_queues", "deadlines", "count_live", "batch_counts"])
def test_a_look_at_the_first_row_uses_a_partial_index(
    schema: sqlite3.Connection, name: str
) -> None:
    """What looks for the first entry walks a partial index, whose size is what is live."""
    scans = [step for step in plan(schema, name) if re.match(r"(SCAN|SEARCH) job\b", step)]
    assert scans
    assert all("INDEX job_" in step for step in scans), scans


@pytest.mark.parametrize("name", ["batch_marks", "batches_due", "batches_stopped"])
def test_batches_to_look_after_are_found_without_the_others(
    schema: sqlite3.Connection, name: str
) -> None:
    """What looks for unfinalized batches walks their partial index: old ones cost nothing."""
    scans = [step for step in plan(schema, name) if re.match(r"(SCAN|SEARCH) batch\b", step)]
    assert scans
    assert all("INDEX batch_" in step for step in scans), scans


def test_numbers_of_a_batch_come_from_indexes(schema: sqlite3.Connection) -> None:
    """Members that failed are counted without a look at their rows."""
    for name in ("batch_failures", "batch_counts"):
        spoiled = [step for step in plan(schema, name) if "job_batch_spoiled" in step]
        assert spoiled
        assert all("COVERING" in step for step in spoiled), spoiled
