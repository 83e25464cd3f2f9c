"""Knobs outside their bounds: refused where the supervisor is made, before anything is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from overseen import InvalidOption, Retention, Supervisor

NAN = float("nan")

WRONG: list[tuple[str, Any, str]] = [
    ("concurrency", 0, "from 1 to 100,000"),
    ("concurrency", "3", "from 1 to 100,000"),
    ("concurrency", True, "from 1 to 100,000"),
    ("queues", ["media"], "mapping of names to limits"),
    ("queues", {"media": 0}, "from 1 to 100,000"),
    ("queues", {"": 1}, "text of 1 to 200"),
    ("queues", {1: 1}, "text of 1 to 200"),
    ("threads", 0, "from 1 to 1,000"),
    ("synchronous", "off", '"full" or "normal"'),
    ("sweep_interval", 0, "at least 0.01 s"),
    ("sweep_interval", None, '"10m"'),
    ("progress_interval", -1, "from 0 to 100 years"),
    ("drain_timeout", NAN, "from 0 to 100 years"),
    ("drain_timeout", "soon", '"10m"'),
    ("cancel_timeout", float("inf"), "from 0 to 100 years"),
    ("owner_wait", -1, "from 0 to 100 years"),
    ("retention", "7d", r"Retention\(completed="),
    ("retention", Retention(failed=-1), "from 0 to 100 years"),
    ("attachment_limit", 0, "from 1 to "),
    ("attachment_limit", "1 GiB", "from 1 to "),
    ("arguments_limit", 1, "from 1,024"),
    ("result_limit", 1 << 40, "to 67,108,864"),
    ("mailbox_limit", 0, "from 1 to 1,000,000"),
    ("recent_outcomes", -1, "from 0 to"),
    ("logs_per_job", -1, "from 0 to"),
]


@pytest.mark.parametrize(("knob", "value", "bound"), WRONG)
def test_a_knob_outside_its_bounds_is_refused(
    database: Path, knob: str, value: Any, bound: str
) -> None:
    """The error names the knob, the value and the bound; no file is made."""
    with pytest.raises(InvalidOption, match=f"must be.*{bound}") as caught:
        Supervisor(database, **{knob: value})
    assert caught.value.name.startswith(knob)
    assert list(database.parent.iterdir()) == []


@pytest.mark.parametrize(
    "place", [None, 3, "", b"jobs.db", "jobs\0.db", "\ud800.db", "file:jobs.db?mode=memory"]
)
def test_what_is_no_place_for_a_database_is_refused(place: Any) -> None:
    """The error names the value and the three things that are accepted."""
    with pytest.raises(InvalidOption, match=r'path of a file, ":memory:", or a function'):
        Supervisor(place)
