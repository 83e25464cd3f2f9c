"""What the tests of the demo share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.demo.demos import Demo


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    demo = Demo(tmp_path)
    demo.write_corpus(60)
    return demo
