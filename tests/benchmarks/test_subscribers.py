"""The measurement of many subscribers works: a tiny run of it says what it measured."""

from __future__ import annotations

from pathlib import Path

from benchmarks.sampling import sample


def test_a_tiny_run_measures_work_and_deliveries(tmp_path: Path) -> None:
    """Twenty subscribers of three hundred jobs see every event once, else the sample would fail."""
    taken = sample("subscribers", folder=str(tmp_path), jobs=300, subscribers=20)

    assert taken["jobs_per_second"] > 0
    assert taken["caught_up_seconds"] >= 0
    assert taken["deliveries_per_second"] > 0
