"""The guide to testing is true: its tests pass, and they are fast."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.running_pages import ROOT, blocks_of
from tests.testing.projects import run_pytest

PAGE = ROOT / "docs" / "guide" / "testing.md"
FIRST_FOUR = "film or bank or bills or crash"


def test_the_tests_of_the_guide_pass_and_the_first_four_in_a_second(tmp_path: Path) -> None:
    """A timeout of ten minutes, a retry after an hour, a nightly batch and a crash: under a second
    in all, from the first fixture to the last."""
    text = "\n".join(block.text for block in blocks_of(PAGE))
    text += "\n\ndef test_without_pytest() -> None:\n    check_thirty_orders()\n"

    ran = run_pytest(tmp_path, text, "--durations=0", "--durations-min=0", "-vv")

    assert ran.counts == {"passed": 19}, ran.output
    first_four = re.findall(
        r"^(\S+)s \w+ +\S+::(?:test_a_film|test_the|test_a_crash)", ran.output, re.M
    )
    assert len(first_four) == 12, ran.output  # setup, call and teardown of each
    assert sum(map(float, first_four)) < 1, ran.output
