"""Every asynchronous test here runs the real supervisor and the real SQLite store in virtual time.

An hour of delay takes microseconds. The database is a file, its transactions run on the loop's own
thread; each test has one clock, so that a restart goes on in the same time. It is not flushed: the
power does not fail here, and waiting for the disk was half of the time these tests took.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any, Protocol, Unpack

import pytest
from tests.supervisor.knobs import Knobs

from overseen import Job, Supervisor
from overseen_actors import LoopClock, VirtualLoop
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], VirtualLoop]]:
    """Give each test a virtual loop of its own."""
    return {"virtual": VirtualLoop}


class Make(Protocol):
    """Makes a supervisor on this test's database and clock."""

    def __call__(self, *jobs: Job[..., Any], **knobs: Unpack[Knobs]) -> Supervisor: ...


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where this test's jobs are kept."""
    return tmp_path / "jobs.db"


@pytest.fixture
async def clock() -> LoopClock:
    """This test's clock; `clock.step(...)` moves its wall."""
    return LoopClock(asyncio.get_running_loop())


@pytest.fixture
def make(database: Path, clock: LoopClock) -> Make:
    """Make a supervisor; a second one goes on where the first stopped."""

    return _maker(database, clock, InlineConnector())


@pytest.fixture
def make_slow(database: Path, clock: LoopClock) -> Make:
    """As `make`, but each transaction takes 0.1 to 5 virtual milliseconds, drawn from a seed."""
    draw = Random(11).uniform
    return _maker(database, clock, InlineConnector(lambda: asyncio.sleep(draw(0.0001, 0.005))))


def _maker(database: Path, clock: LoopClock, connector: InlineConnector) -> Make:
    def supervisor(*jobs: Job[..., Any], **knobs: Unpack[Knobs]) -> Supervisor:
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
