"""The example of batches, in process: it would notice the incident."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from tests.incidents.reading import read_back

from overseen import EventType
from overseen.batches.finalizing import Finalizer

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "batch_folder.py"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example as a module; examples are programs, not a package."""
    spec = importlib.util.spec_from_file_location("batch_folder_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # where its annotations are looked up
    spec.loader.exec_module(module)
    return module


async def test_the_example_waits_for_an_end_that_nobody_writes(
    example: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the finalizer taken away the example shows no end, and the file says `processing`; its
    restart, with the finalizer back, shows the end."""
    database, documents = tmp_path / "jobs.db", example.write_documents(tmp_path)
    met = asyncio.Event()

    async def look_away(finalizer: Finalizer, batch_id: int) -> None:
        met.set()

    with monkeypatch.context() as patch:
        patch.setattr(Finalizer, "_finalize", look_away)
        showing = asyncio.create_task(example.idle(database, documents))
        await asyncio.wait_for(met.wait(), 60)
        showing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await showing
    example.show_file(database)
    assert "40 of 40 documents have ended, the batch is processing" in capsys.readouterr().out

    await example.restarted(database)
    assert "called 1 time(s): 39 of 40 documents were counted" in capsys.readouterr().out
    _, ledger = await read_back(database)
    assert sum(event.type is EventType.BATCH_FINALIZED for event in ledger) == 1
