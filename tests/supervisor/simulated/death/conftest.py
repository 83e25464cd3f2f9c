"""Simulated tests of death, stop and disk: a supervisor whose disk fails when the test says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any, Unpack

import pytest
from tests.storage.checkers import check_everything
from tests.storage.driving import read_ledger, read_rows
from tests.supervisor.faults import Faults, FaultyConnector
from tests.supervisor.knobs import Knobs
from tests.supervisor.simulated.conftest import Make

from overseen import Job, Supervisor
from overseen_actors import LoopClock
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore


@pytest.fixture
async def faults() -> AsyncIterator[Faults]:
    """This test's disk; at the end it answers whatever still waits."""
    faults = Faults()
    yield faults
    faults.heal()


@pytest.fixture
def make_faulty(database: Path, clock: LoopClock, faults: Faults) -> Make:
    """As `make`, on the disk that fails when this test says so."""

    def supervisor(*jobs: Job[..., Any], **knobs: Unpack[Knobs]) -> Supervisor:
        connector = FaultyConnector(faults)
        return Supervisor(
            lambda: SqliteStore(
                database, synchronous="normal", connector=connector, owner_wait_seconds=0
            ),
            jobs=jobs,
            clock=clock,
            random=Random(7).random,
            **knobs,
        )

    return supervisor


@pytest.fixture
async def audited(database: Path) -> AsyncIterator[None]:
    """After the test, rows and ledger of its database tell the same story, and a legal one."""
    yield
    store = SqliteStore(database, connector=InlineConnector(), owner_wait_seconds=0)
    await store.open(at=1, pid=1, host="audit", version="0")
    try:
        check_everything(await read_rows(store), await read_ledger(store))
    finally:
        await store.close(at=None)
