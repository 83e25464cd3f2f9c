"""Log lines: a bounded number for each job."""

from __future__ import annotations

import sqlite3

from overseen_storage.records import LogLine
from overseen_storage.sqlite.rows import document
from overseen_storage.sqlite.safe_text import safe_log_line
from overseen_storage.sqlite.statements import statement


def write_logs(connection: sqlite3.Connection, lines: list[LogLine], keep_per_job: int) -> None:
    """Store the lines of jobs that are still there, then drop the oldest of each above its bound.

    Runs inside the transaction that is open.
    """
    safe = [safe_log_line(line) for line in lines]
    rows = [
        (line.job_id, line.fence, line.at, line.level, line.message, line.data) for line in safe
    ]
    connection.execute(statement("write_logs"), {"rows": document(rows)})
    ids = document(sorted({line.job_id for line in safe}))
    connection.execute(statement("trim_logs"), {"ids": ids, "keep": keep_per_job})
