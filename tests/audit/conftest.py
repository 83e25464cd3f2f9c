"""A database to audit: made once, copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.audit.full_life import make_full_life


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a database in which everything has happened."""
    folder = tmp_path_factory.mktemp("full-life")
    make_full_life(folder / "jobs.db")
    return folder


@pytest.fixture
def database(original: Path, tmp_path: Path) -> Path:
    """A copy of it, at rest."""
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return tmp_path / "jobs.db"
