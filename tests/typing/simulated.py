"""The test kit as a user writes it. Never executed: mypy and pyright read it.

What has to be an error is in test_wrong_use.py.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import assert_type

import pytest

from overseen import Event, Handle, JobRecord, Supervisor, job
from overseen.testing import Simulation, run_simulated, simulate


@job
async def count(path: str, start: int = 0) -> int:
    return start + len(path)


supervisor = Supervisor("jobs.db", jobs=[count])


@pytest.mark.simulated(supervisor, seeds=3)
async def with_the_fixture(sim: Simulation, overseen_seed: int) -> None:
    """A fixture is annotated as what it is."""
    assert_type(sim.seed, int)
    assert_type(sim.now, datetime)
    await sim.advance(timedelta(minutes=10))
    await sim.until_idle(limit="2h")


async def by_hand() -> int:
    """Whatever `simulate` gives is typed; the supervisor is the user's own."""
    async with simulate(supervisor, start=datetime(2027, 1, 1, tzinfo=UTC)) as sim:
        assert_type(sim, Simulation)
        handle = await supervisor.submit(count, "a")
        assert_type(handle, Handle[int])
        sim.crash()
        await sim.restart()
        sim.clock.step("-1h")
        sim.fail_next("commit_unknown", times=2)
        sim.disk.slow("200ms")
        assert_type(sim.assert_submitted(count, "a", start=0), JobRecord)
        assert_type(sim.submitted(count), list[JobRecord])
        assert_type(sim.events, list[Event])
        return await handle.result()


def without_pytest() -> None:
    """The result of a run is that of its function."""
    assert_type(run_simulated(by_hand, seed=3, schedule="pct", time_limit="1h"), int)
