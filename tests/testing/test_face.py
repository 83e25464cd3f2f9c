"""The test kit's face: what it exports is explained, and nobody pays for it who does not test."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest
from tests.testing.projects import SOURCE_ROOTS

import overseen.testing
from overseen.testing import disk, loop


def test_every_public_name_is_there_and_explained() -> None:
    """Classes and functions by a docstring, choices of words by a text below them."""
    names = set(overseen.testing.__all__)
    words = {"Failure": disk, "ScheduleName": loop}

    assert {name for name in names if not getattr(overseen.testing, name).__doc__} <= words.keys()
    for name, module in words.items():
        text = inspect.getsource(module)
        assert re.search(rf'^{name}\b.* = .*\n"""', text, re.M), name


@pytest.mark.parametrize(
    ("imported", "absent"),
    [("overseen", ["overseen.testing", "pytest"]), ("overseen.testing", ["pytest", "_pytest"])],
)
def test_what_is_not_needed_is_not_imported(imported: str, absent: list[str]) -> None:
    """A program imports no test kit, and the kit without the plugin no pytest."""
    code = f"import sys, {imported}; sys.exit(str(sys.modules.keys() & {set(absent)!r} or ''))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": SOURCE_ROOTS},
    )

    assert done.stderr.strip() == ""
