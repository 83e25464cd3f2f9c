"""Every checker of the oracle by name, read off its source, and those that no mutant trips."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from overseen_storage.audit import Check

TESTS = Path(__file__).resolve().parents[2]
_SOURCES = (
    *(TESTS / "sim").glob("*.py"),
    TESTS / "supervisor" / "batch_checks.py",
)
_NAMED = re.compile(r'(?:broken|promise|_promise_batch|ensure)\(\s*(?:[a-z_.]+,\s*)?f?"([^"{]+)')
_DEFAULT = re.compile(r'name: str = "(I[^"]+)"')
_LOOKS = frozenset(
    {
        *("I2 no column of an ended row changes", "I5 created_at is kept", "I5 started_at is kept"),
        *("I6 the fence never falls", "I17 the ledger only grows"),
    }
)
"""Between two looks; tests/storage/checkers has them, with others that are not asked here."""

NEVER_IN_A_HISTORY = frozenset(
    {
        *("audit: integrity", "audit: constraints", "audit: references", "audit: schema"),
        *("audit: words", "audit: files", "audit: orphans", "I20 the database is sound"),
    }
)
"""Damage that SQLite refuses to write for any program: tests/storage plants it into the file."""


NOT_TRIPPED = frozenset(
    {
        # The same promise in other words, each asked of an answer that comes from the same place
        # as one that is tripped ("I17 an acknowledged file is there", "I26 an event is told ...").
        *("I17 an acknowledged batch is there", "I17 an acknowledged seal is there"),
        *("I17 an acknowledged stop is there", "I26 no event is told before its commit"),
        # Stands behind one that sees the same sooner ("I17 acknowledged submits are there",
        # "audit: batch_members", "audit: batch_counts", "L2 every job ends").
        *("I17 nothing goes away by itself", "I28 every member has ended", "most frequent first"),
        *("L4 a stop ends in bounded time", "L4 a stop ends in order"),
        "L4 nothing is stuck or unwritten in the end",
    }
)
"""Checkers that no recorded history trips, not to be trusted alone. None comes in silence."""


def all_checkers() -> set[str]:
    """Their names, or what those begin with."""
    found = {f"audit: {one}" for one in Check} | _LOOKS
    for source in _SOURCES:
        text = source.read_text("utf-8")
        found.update(_NAMED.findall(text), _DEFAULT.findall(text))
    words = {one.strip() for one in found}
    named = {one for one in words if one.count(" ") and not one.startswith("of ")}
    return named - NEVER_IN_A_HISTORY


def untripped(caught_by: Iterable[str]) -> list[str]:
    """Checkers that none of these names belongs to."""
    names = list(caught_by)
    return sorted(one for one in all_checkers() if not any(name.startswith(one) for name in names))
