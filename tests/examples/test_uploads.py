"""The uploads example, in process: its proof would notice the incident."""

from __future__ import annotations

import importlib.util
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "uploads.py"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example as a module; examples are programs, not a package."""
    spec = importlib.util.spec_from_file_location("uploads_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # where its annotations are looked up
    spec.loader.exec_module(module)
    return module


async def test_the_proof_of_the_example_would_notice(
    example: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a start on the ledger that comes before the file, the example says so and fails."""
    await example.main(tmp_path)
    assert example.proof(tmp_path)
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as file, file:
        started, ready = (
            file.execute(
                "select type from ledger where seq = "
                "(select min(seq) from ledger_view where job_id = 1 and type = ?)",
                [type],
            ).fetchone()[0]
            for type in ("started", "ready")
        )
        seqs = dict(
            file.execute(
                "select type, seq from ledger where job_id = 1 and type in (?, ?)", [started, ready]
            ).fetchall()
        )
        for type, seq in ((ready, seqs[started]), (started, seqs[ready])):
            file.execute("update ledger set type = ? where seq = ?", [type, seq])

    assert not example.proof(tmp_path)
    assert "1 jobs started before their file was there" in capsys.readouterr().out
