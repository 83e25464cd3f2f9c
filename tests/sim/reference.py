"""The shape that speed is measured on: five jobs that run, fail, retry and wait; three slots."""

from __future__ import annotations

import asyncio

from tests.sim.bodies import Scripts, sturdy
from tests.sim.client import note_end
from tests.sim.world import Life

from overseen import Handle

SCRIPTS: tuple[Scripts, ...] = (
    [["sleep 1", "progress 1", "sleep 7"]],
    [["sleep 3", "raise"], ["sleep 7"]],
    [["sleep 30"], ["sleep 30"], ["sleep 3"]],
    [["checkpoint 1", "sleep 7", "raise"], ["raise"], ["sleep 7"]],
    [["sleep 0.4"]],
)


async def reference(life: Life) -> None:
    """Submit, wait, stop."""
    supervisor = life.supervisor
    await supervisor.start()
    draw = life.draw("reference")
    handles: list[Handle[int]] = []
    for tag, scripts in enumerate(SCRIPTS, 1):
        await asyncio.sleep(draw.uniform(0, 3))
        handles.append(await supervisor.submit(sturdy, tag, scripts))
    for handle in handles:
        note_end(life.book, await handle.wait())
    await supervisor.stop()
