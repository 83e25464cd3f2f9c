"""Tests in simulated time: a supervisor whose hours take microseconds, and whose crashes repeat.

::

    from overseen.testing import simulate

    @pytest.mark.simulated
    async def test_a_crash_loses_nothing() -> None:
        async with simulate(supervisor) as sim:
            handle = await supervisor.submit(transcode, "a.mp4")
            sim.crash()
            await sim.restart()
            assert await handle.result() == 24

* `simulate` starts a supervisor in simulated time; it gives a `Simulation`: `advance`,
  `until_idle`, `crash`, `restart`, `clock.step`, `suspend`, `stall`, `disk.full`, `fail_next`,
  `events`, `assert_submitted`.
* ``@pytest.mark.simulated`` runs a test so; pytest finds the plugin by itself where overseen is
  installed. `run_simulated` does it without pytest, `SimulatedLoop` is the loop itself.

The guide is docs/guide/testing.md.
"""

from __future__ import annotations

from overseen.testing.clock import SimulatedClock
from overseen.testing.disk import Failure, SimulatedDisk
from overseen.testing.errors import (
    NotIdle,
    NotSimulated,
    RealNetwork,
    RealSleep,
    RealWorld,
    SimulationError,
)
from overseen.testing.lives import Crashed
from overseen.testing.loop import ScheduleName, SimulatedLoop
from overseen.testing.running import run_simulated
from overseen.testing.simulating import simulate
from overseen.testing.simulation import Simulation

__all__ = [
    "Crashed",
    "Failure",
    "NotIdle",
    "NotSimulated",
    "RealNetwork",
    "RealSleep",
    "RealWorld",
    "ScheduleName",
    "SimulatedClock",
    "SimulatedDisk",
    "SimulatedLoop",
    "Simulation",
    "SimulationError",
    "run_simulated",
    "simulate",
]
