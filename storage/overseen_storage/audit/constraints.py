"""The CHECK constraints of the schema, asked of every row.

SQLite's own `integrity_check` asks them, too, but not of a database that is opened to be read only:
there it does not even parse them (seen with 3.40; `sqlite3AddCheckConstraint` says so).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Final

from overseen_storage.audit.checks import Check
from overseen_storage.audit.findings import Findings

_CHECK: Final = re.compile(r"(?:CONSTRAINT\s+(\w+)\s+)?CHECK\s*(?=\()")
_COMMENT: Final = re.compile(r"--[^\n]*")


def check_constraints(connection: sqlite3.Connection, findings: Findings) -> None:
    """Every row of every table keeps the constraints that the table declares."""
    tables: list[tuple[str, str]] = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    for table, text in tables:
        constraints = list(constraints_of(text))
        if not constraints:
            continue
        broken = " ".join(
            f"WHEN NOT ({rule}) THEN {number}" for number, (_, rule) in enumerate(constraints)
        )
        has_id = table in ("job", "batch", "epoch", "log_line")
        rows = connection.execute(
            f"SELECT broken, number FROM (SELECT CASE {broken} END AS broken,"
            f" {'id' if has_id else 'NULL'} AS number FROM {table}) WHERE broken IS NOT NULL"
        )
        for number, row_id in rows:
            broken_one: int = number
            name, rule = constraints[broken_one]
            findings.problem(
                Check.CONSTRAINTS,
                job=row_id if table == "job" else None,
                batch=row_id if table == "batch" else None,
                expected=f"{name}: {' '.join(rule.split())}",
                found=f"a row of {table} that breaks it",
            )


def constraints_of(text: str) -> Iterator[tuple[str, str]]:
    """The name and the rule of each CHECK in the text of a table.

    >>> list(constraints_of("CREATE TABLE t (a INTEGER, CONSTRAINT few CHECK (a < (2 + 1)))"))
    [('few', 'a < (2 + 1)')]
    """
    text = _COMMENT.sub("", text)
    for found in _CHECK.finditer(text):
        rule = _in_brackets(text, found.end())
        name: str | None = found[1]
        yield name or f"CHECK ({rule})", rule


def _in_brackets(text: str, start: int) -> str:
    """What stands between the bracket at `start` and the one that closes it."""
    depth = 0
    quoted = False
    for position in range(start, len(text)):
        character = text[position]
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return text[start + 1 : position]
    raise ValueError(f"a bracket is not closed in: {text[start : start + 80]}")
