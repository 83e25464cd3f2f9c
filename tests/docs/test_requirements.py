"""Every requirement has a test that names it, and no test names what is not there."""

from __future__ import annotations

from pathlib import Path

from docs.generating.requirements import INCIDENTS
from docs.generating.requirements_page import requirements, shown_by, tags

ROOT = Path(__file__).resolve().parents[2]


def test_every_requirement_has_a_test_or_a_reason() -> None:
    """A promise that is not a later part's is shown by at least one test."""
    found = shown_by(ROOT)
    missing = [
        one.number for one in requirements() if not one.later and not found[f"R{one.number}"]
    ]
    assert missing == []


def test_every_incident_has_tests_of_its_name() -> None:
    """The incidents that must be impossible here are shown under their names."""
    found = shown_by(ROOT)
    assert [name for name in INCIDENTS if not found[name]] == []


def test_no_test_names_what_is_not_there() -> None:
    """A tag that is misspelt would show nothing: each one is known."""
    known = {f"R{one.number}" for one in requirements()} | set(INCIDENTS)
    assert {tag: tests for tag, tests in shown_by(ROOT).items() if tag not in known} == {}


def test_numbers_are_in_order_and_complete() -> None:
    """R1 to R70, each once."""
    assert [one.number for one in requirements()] == list(range(1, 71))


def test_tags_are_read_wherever_the_line_breaks() -> None:
    """One or several, with or without an incident, over two lines."""
    assert tags("A late end is missed. (R1, R3)") == ["R1", "R3"]
    assert tags("It is so. (incident: Crawl\n    jobs) (R4)") == ["R4", "Crawl jobs"]
    assert tags("An (R) is no tag, nor is R5.") == []
