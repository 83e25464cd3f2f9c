"""Tests on the real event loop, with real files, threads and processes. They wait for signals."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where this test's jobs are kept."""
    return tmp_path / "jobs.db"
