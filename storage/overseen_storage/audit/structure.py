"""The file itself: SQLite's own checks, and the schema."""

from __future__ import annotations

import sqlite3
from typing import Final

from overseen_storage.audit.checks import Check
from overseen_storage.audit.constraints import check_constraints
from overseen_storage.audit.findings import Findings
from overseen_storage.sqlite.migrations import migrations

STRUCTURAL: Final = frozenset({Check.INTEGRITY, Check.CONSTRAINTS, Check.REFERENCES, Check.SCHEMA})
"""The checks that are made here."""

_FAULTS_ASKED: Final = 1_000


def check_structure(connection: sqlite3.Connection, findings: Findings) -> None:
    """I20: pages, indexes, constraints and references are in order, the schema is complete."""
    _check_schema(connection, findings)
    for (fault,) in connection.execute(f"PRAGMA integrity_check({_FAULTS_ASKED:d})"):
        if fault != "ok":
            findings.problem(Check.INTEGRITY, expected="ok", found=fault)
    check_constraints(connection, findings)
    for table, row_id, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        where = f"row {row_id} of {table}" if row_id is not None else f"a row of {table}"
        findings.problem(
            Check.REFERENCES, expected=f"a row of {parent} for each of {table}", found=where
        )


def _check_schema(connection: sqlite3.Connection, findings: Findings) -> None:
    """Every table, index and view of the migrations is there, with the migrations' text."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    known = sqlite3.connect(":memory:")
    try:
        for migration in migrations()[:version]:
            known.executescript(migration.text)
        expected = _objects(known)
    finally:
        known.close()
    found = _objects(connection)
    for (kind, name), text in expected.items():
        there = found.get((kind, name))
        if there is None:
            findings.problem(Check.SCHEMA, expected=f"{kind} {name}", found="none")
        elif there != text:
            wanted = f"{kind} {name} as its migration makes it"
            findings.problem(Check.SCHEMA, expected=wanted, found="another definition")


def _objects(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    rows = connection.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"
    )
    return {(kind, name): sql for kind, name, sql in rows}
