"""One simulated history with a bit of everything, and a digest of each of its steps and events."""

from __future__ import annotations

import asyncio
import hashlib
import sys

import anyio

from overseen import Supervisor, job
from overseen.testing import run_simulated, simulate
from overseen_actors import Trace


@job(retries=3, timeout="1m")
async def work(number: int) -> int:
    """Ends, fails, or takes too long."""
    await anyio.sleep(number / 3)
    if number % 7 == 3:
        raise ValueError("three")
    return number


@job
def plain(number: int) -> int:
    """As in a thread."""
    return number * 2


supervisor = Supervisor("none.db", jobs=[work, plain], concurrency=4)


def digest(seed: int) -> str:
    """Run it with this seed, and sum up what happened."""
    trace = Trace()
    told: list[str] = []

    async def main() -> None:
        async with simulate(supervisor) as sim:
            await supervisor.submit_many(work.call(number) for number in range(12))
            async with asyncio.TaskGroup() as group:
                for number in range(6):
                    group.create_task(_ask(number, told))
            await sim.advance("2s")
            sim.crash()
            await sim.restart()
            sim.clock.step("-1h")
            sim.disk.slow("3ms")
            await sim.until_idle()
            told.extend(repr(event) for event in sim.events if event.job_id is not None)

    run_simulated(main, seed=seed, trace=trace)
    return hashlib.sha256("\n".join([trace.digest(), *told]).encode()).hexdigest()


async def _ask(number: int, told: list[str]) -> None:
    handle = await supervisor.submit(plain, number)
    told.append(f"{number}: {await handle.result()}")


if __name__ == "__main__":
    sys.stdout.write("\n".join(digest(int(seed)) for seed in sys.argv[1:]))
