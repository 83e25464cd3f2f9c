"""docs/reference/schema.md: tables, views and their columns, read from a database just made."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Generator
from types import MappingProxyType
from typing import Final

from docs.generating.markdown import block, code, inline, sections, table
from docs.generating.source import fields

from overseen_storage.batch_records import BatchRecord
from overseen_storage.lifecycle import (
    CAUSE_CODES,
    EVENT_CODES,
    HELD_CODES,
    REASON_CODES,
    STATUS_CODES,
)
from overseen_storage.records import EpochRecord, Event, JobRecord, LogLine, QueueRecord
from overseen_storage.sqlite.migrations import commands, migrations

INTRODUCTION = """
# The database

One SQLite file (and, while it is open, its `-wal` and `-shm` beside it). It is yours to read: open
it with the `sqlite3` shell, also while the program runs, and look at the views, which say words
where the tables hold small integers. Do not write to it: the program that owns it keeps some of it
in memory.

```console
sqlite3 -readonly jobs.db "select id, kind, status, reason from job_view order by id desc limit 9"
sqlite3 -readonly jobs.db "select seq, time, type, status, data from ledger_view where job_id = 7"
sqlite3 -readonly jobs.db "select * from attempt where job_id = 7"
sqlite3 -readonly jobs.db "select * from batch_status order by id desc limit 9"
sqlite3 -readonly jobs.db "select * from stuck_batches"
```

Columns that end in `_at` are microseconds since the Unix epoch, those that end in `_us` are
durations in microseconds. Times in views are UTC. Reserved tables and columns are there because
SQLite cannot add to a CHECK later; nothing writes them yet.
"""

WORDS = """
## Words

A number, once given, keeps its meaning for ever. The table `word` holds the same.
"""

RECORDS: Final = MappingProxyType[str, type](
    {
        "job": JobRecord,
        "ledger": Event,
        "log_line": LogLine,
        "queue": QueueRecord,
        "epoch": EpochRecord,
        "batch": BatchRecord,
    }
)
"""Where the columns of a table are explained."""

IN_THE_ROW_OF_THE_JOB: Final = frozenset({("ledger", "queue"), ("ledger", "batch_id")})
"""Columns that hold less than the field of the record: its value may come from the job's row."""

VIEWS: Final = MappingProxyType[str, str](
    {
        "job_view": "The jobs, in words.",
        "ledger_view": "The events, in words, with the kind and queue of their job.",
        "attachment_view": "The files of jobs, with the kind and status of their job.",
        "batch_status": "The batches, in words, and how many of their members are where.",
        "stuck_batches": "Batches that do not go on by themselves now, and why.",
        "attempt": "Every attempt with its start and end; `live` while its body runs.",
    }
)


def render() -> str:
    """The page."""
    with migrated() as connection:
        return sections(
            [
                INTRODUCTION,
                f"Schema version {len(migrations())}.",
                "## Views",
                *(_view(connection, name) for name in names(connection, "view")),
                "## Tables",
                *(_table(connection, name) for name in names(connection, "table")),
                WORDS,
                _words(),
            ]
        )


@contextlib.contextmanager
def migrated() -> Generator[sqlite3.Connection]:
    """A database in memory that has been through every migration."""
    connection = sqlite3.connect(":memory:")
    try:
        for migration in migrations():
            for command in commands(migration.text):
                connection.execute(command)
        yield connection
    finally:
        connection.close()


def names(connection: sqlite3.Connection, kind: str) -> list[str]:
    """The tables, or views, in the order of their creation."""
    query = "SELECT name FROM sqlite_schema WHERE type = ? AND name NOT LIKE 'sqlite_%'"
    return [str(row[0]) for row in connection.execute(f"{query} ORDER BY rowid", (kind,))]


def columns(connection: sqlite3.Connection, name: str) -> list[tuple[str, str, bool]]:
    """Name, type, and whether it has to be there, of the columns of a table or view."""
    rows = connection.execute(f"PRAGMA table_info({name})")
    return [(str(row[1]), str(row[2]), bool(row[3] or row[5])) for row in rows]


def _view(connection: sqlite3.Connection, name: str) -> str:
    listed = ", ".join(code(column) for column, _, _ in columns(connection, name))
    return sections([f"### {name}", VIEWS[name], f"Columns: {listed}."])


def _table(connection: sqlite3.Connection, name: str) -> str:
    sql = _sql(connection, name)
    remarks = dict(re.findall(r"^ {4}(\w+) [A-Z].*?-- (.+)$", sql, re.MULTILINE))
    record = RECORDS.get(name)
    docs = fields(record) if record else {}

    def meaning(column: str) -> str:
        own = "" if (name, column) in IN_THE_ROW_OF_THE_JOB else docs.get(column, "")
        return own or remarks.get(column, "")

    rows = [
        (
            code(column),
            code(type_.lower()),
            "" if needed else "may be null",
            inline(meaning(column)),
        )
        for column, type_, needed in columns(connection, name)
    ]
    parts = [f"### {name}", about(name), table(["column", "type", "", "meaning"], rows)]
    rules = constraints(sql)
    if rules:
        parts.append(table(["constraint", "rule"], [(code(n), code(rule)) for n, rule in rules]))
    indexes = _indexes(connection, name)
    if indexes:
        parts.append(block("\n".join(indexes), "sql"))
    return sections(parts)


def about(name: str) -> str:
    """The comment in front of the table in its migration; empty if there is none."""
    for migration in migrations():
        found = re.search(rf"((?:^-- .*\n)+)CREATE TABLE {name} ", migration.text, re.MULTILINE)
        if found:
            return re.sub(r"^-- ", "", found[1], flags=re.MULTILINE)
    return ""


def constraints(sql: str) -> list[tuple[str, str]]:
    """The named constraints of a table, with their rules."""
    found: list[tuple[str, str]] = []
    for match in re.finditer(r"CONSTRAINT (\w+) CHECK \(", sql):
        depth, end = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
            end += 1
        found.append((match[1], " ".join(sql[match.end() : end - 1].split())))
    return found


def _sql(connection: sqlite3.Connection, name: str) -> str:
    query = "SELECT sql FROM sqlite_schema WHERE name = ?"
    return str(connection.execute(query, (name,)).fetchone()[0])


def _indexes(connection: sqlite3.Connection, name: str) -> list[str]:
    query = (
        "SELECT sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
    )
    return [" ".join(str(row[0]).split()) for row in connection.execute(query, (name,))]


def _words() -> str:
    families = {
        "status": STATUS_CODES,
        "reason": REASON_CODES,
        "cause": CAUSE_CODES,
        "held": HELD_CODES,
        "event": EVENT_CODES,
    }
    rows = [
        (code(family), ", ".join(f"{number} {word}" for word, number in codes.items()))
        for family, codes in families.items()
    ]
    return table(["family", "numbers"], rows)
