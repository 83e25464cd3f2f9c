"""How a test tells of a history that broke a promise."""

from __future__ import annotations

from collections.abc import Iterable

from tests.sim.history import Record


def no_violations(records: Iterable[Record]) -> list[Record]:
    """All of them, none of which broke a promise; else it says which did, and how to see it."""
    played: list[Record] = []
    for record in records:
        told = "\n".join(map(str, record.violations))
        assert not record.violations, (
            f"seed {record.seed}: {told}\n{record.legend}\n{record.options}\n"
            "play it again: python3 dev.py sim --seed N --shape mixed (or small)"
        )
        played.append(record)
    return played
