"""Puts a supervisor on a stage for the length of a block."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Final

from overseen.supervisor import Supervisor
from overseen.testing.clock import SimulatedClock
from overseen.testing.loop import simulated_loop
from overseen.testing.simulation import Simulation
from overseen.testing.stage import Stage

__all__ = ["simulate"]

_SHARED_MEMORY: Final = Path("/dev/shm")
_SPACE_BYTES_MIN: Final = 32 << 20


@asynccontextmanager
async def simulate(
    supervisor: Supervisor,
    *,
    seed: int | None = None,
    start: datetime | None = None,
    folder: str | PathLike[str] | None = None,
) -> AsyncGenerator[Simulation]:
    """Start `supervisor` in simulated time, on a database of its own, until the block ends.

    ::

        @pytest.mark.simulated
        async def test_timeout() -> None:
            async with simulate(supervisor) as sim:
                handle = await supervisor.submit(transcode, "a.mp4")
                await sim.advance("10m")
                assert (await handle.wait()).reason == "timeout"

    It is the supervisor itself, with its jobs, settings, hooks and state, so code that refers to it
    needs no change; only its database, its clock and its chance are others meanwhile. Its own
    database is not touched.

    `seed`: what the jitter of retries is drawn from; by default the loop's seed. `start`: what the
    wall clock shows at the beginning, with a time zone; by default 15 January 2027, 08:00 UTC.
    `folder`: an existing one, in which the database and the files of jobs lie meanwhile; by default
    in memory where the machine has /dev/shm (no disk is waited for), else the temporary folder.

    At the end of the block the supervisor is stopped, and what it has left is deleted. Raises
    `NotSimulated` on a stock loop, and `SupervisorError` if the supervisor is started already.
    """
    loop = simulated_loop("simulate()")
    _check(supervisor)
    clock = SimulatedClock(loop, start)
    with tempfile.TemporaryDirectory(
        prefix="overseen-sim-", dir=folder or _in_memory(), ignore_cleanup_errors=True
    ) as own_folder:
        stage = Stage(Path(own_folder), loop, clock, loop.seed if seed is None else seed)
        supervisor.move_to(stage.surroundings())
        try:
            await supervisor.start()
            await loop.settle()  # its first look at everything is over
            try:
                yield Simulation(supervisor, stage, loop)
            finally:
                if not stage.crashed:
                    await supervisor.stop()
        finally:
            await stage.close()
            supervisor.move_to(None)


def _in_memory() -> Path | None:
    """A folder in memory with some space; None: there is none."""
    try:
        enough = shutil.disk_usage(_SHARED_MEMORY).free >= _SPACE_BYTES_MIN
    except OSError:
        return None
    return _SHARED_MEMORY if enough and os.access(_SHARED_MEMORY, os.W_OK) else None


def _check(supervisor: object) -> None:
    if not isinstance(supervisor, Supervisor):
        raise TypeError(f"simulate() takes a Supervisor, not {type(supervisor).__qualname__}")
