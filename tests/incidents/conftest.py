"""The incidents of design and history, by name: each must be impossible here.

A scenario is a coroutine; it runs in virtual time from a seed (`run_virtual`) or on the real loop
(`asyncio.run`), so that the same words are proved both ways. And each guard is taken away once, to
see that the scenario would show the incident.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from overseen_storage.sqlite import statements, writer


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where this test's jobs are kept."""
    return tmp_path / "jobs.db"


Plant = Callable[[str, str, str], None]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Plant a bug: in one statement of the store, replace a piece of SQL by another."""
    changed: dict[str, str] = {}

    def replace(name: str, sound: str, broken: str) -> None:
        text = statements.statement(name)
        assert sound in text, f"{name}.sql does not say: {sound}"
        changed[name] = text.replace(sound, broken)

    def statement(name: str) -> str:
        return changed.get(name) or statements.statement(name)

    monkeypatch.setattr(writer, "statement", statement)
    return replace
