"""The benchmarks themselves work: a tiny run of each of them says what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / "benchmarks" / "run.py"


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmarks as a user would."""
    command = [sys.executable, str(RUN), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_quick_run_measures_every_figure_that_is_asked_for(tmp_path: Path) -> None:
    """`--quick --json` prints a figure for each bound there is, and leaves nothing on the disk."""
    ran = bench("--quick", "--json", "--folder", str(tmp_path))

    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    bounded = {one["name"] for one in report["figures"] if one["holds"] is not None}
    assert bounded == {
        "submits of 1,000, concurrency 1,000",
        "submits of 1,000, concurrency 1,000: of the floor",
        "submit to body start, p50",
        "submit to body start, p99",
        "submit and await the result, p50",
        "CPU of an idle supervisor",
        "big file: of the empty one",
        "big file: memory above that",
        "100 orphans: first new body",
        "the grown file, of a fresh one",
        "in a batch, of those by themselves",
        "from the last end to the summary",
        "submit meanwhile, p99",
        "asking for the frozen summary",
        "1,000 subscribers: of that",
    }
    assert report["machine"]["cores"] >= 1
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_no_measurement_is_refused_with_those_that_are() -> None:
    """A wrong name ends the run before anything is measured, and the right ones are told."""
    ran = bench("speed")

    assert ran.returncode == 2
    for name in ("floor", "end_to_end", "latency", "big_table", "growth", "batches", "subscribers"):
        assert f" {name}" in ran.stderr.partition("there are")[2]


def test_only_what_is_named_is_measured_in_that_order(tmp_path: Path) -> None:
    """Names choose measurements, and their order is the table's."""
    ran = bench("--quick", "--folder", str(tmp_path), "growth", "floor")

    assert ran.returncode == 0, ran.stderr
    heads = [line.split(":")[0] for line in ran.stdout.splitlines()[1:] if line[:1].isalpha()]
    assert heads[:2] == ["growth", "floor"]
