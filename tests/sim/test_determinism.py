"""A history is a pure function of its seed: every callback, in this process and in any other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.sim.history import play_all
from tests.sim.options import options_of, small_options

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(80)
MIXED_SEEDS = range(20)
AGAIN = 40
PROGRAM = """
from tests.sim.test_determinism import digests
print("\\n".join(digests()))
"""


def digests() -> list[str]:
    """What each of a hundred histories did, callback by callback, as a hash."""
    histories = [*map(small_options, SEEDS), *map(options_of, MIXED_SEEDS)]
    return [record.digest for record in play_all(histories, trace=True)]


@pytest.fixture(scope="module")
def here() -> list[str]:
    """The digests of this process."""
    return digests()


def test_a_seed_gives_the_same_trace_twice(here: list[str]) -> None:
    """What ran when, what was answered, and what is on the disk are the same when a history is
    played again in this process."""
    again = play_all(map(small_options, SEEDS[:AGAIN]), trace=True)
    assert [record.digest for record in again] == here[:AGAIN]
    assert len(set(here)) > 90, "different seeds are different histories"


def test_a_seed_gives_the_same_trace_in_another_process(here: list[str]) -> None:
    """All hundred seeds, in a process whose strings have other hashes and whose objects have other
    addresses."""
    path = os.pathsep.join(str(ROOT / name) for name in ("", "supervisor", "actors", "storage"))
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": path}
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == here
