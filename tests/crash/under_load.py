"""A program that is killed: submits without end, and says on its standard output what it was told.

    python under_load.py DATABASE SEED

Lines: ``recovered N``, ``submitted FIRST LAST`` (acknowledged: on disk), ``completed ID VALUE``
(the caller has the result), ``drained`` at the end of a run told to finish by ``SEED finish``.
"""

from __future__ import annotations

import asyncio
import sys
from random import Random

from overseen import Backoff, Context, Supervisor, job


@job(losses=1_000)
async def add(one: int, two: int) -> int:
    return one + two


@job(losses=1_000)
async def turns(count: int) -> int:
    """Runs for a while, so that a kill finds it running."""
    for _ in range(count):
        await asyncio.sleep(0)
    return count


@job(losses=1_000, retries=1_000, backoff=Backoff(initial=0.01, jitter="none"))
async def second_time(ctx: Context, value: int) -> int:
    """Fails at its first attempt."""
    if ctx.failures == 0:
        raise ConnectionError("once")
    return value


def say(*words: object) -> None:
    """One line, at once: what is said before the kill is read after it."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def follow(supervisor: Supervisor, ids: range) -> None:
    for job_id in ids:
        value = await supervisor.handle(job_id).result()
        say("completed", job_id, value)


async def main(database: str, seed: int, *, finish: bool) -> None:
    random = Random(seed)
    supervisor = Supervisor(database, jobs=[add, turns, second_time], concurrency=20)
    async with supervisor:
        say("recovered", supervisor.recovered.jobs)
        if finish:
            counts = await supervisor.counts()
            first = 1
            last = sum(number for by_status in counts.values() for number in by_status.values())
            await follow(supervisor, range(first, last + 1))
            say("drained")
            return
        async with asyncio.TaskGroup() as group:
            while True:
                calls = [
                    random.choice(
                        [
                            add.call(n, random.randrange(100)),
                            turns.call(random.randrange(200)),
                            second_time.call(n),
                        ]
                    )
                    for n in range(random.randrange(1, 12))
                ]
                handles = await supervisor.submit_many(calls)
                say("submitted", handles[0].id, handles[-1].id)
                group.create_task(follow(supervisor, range(handles[0].id, handles[-1].id + 1)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), finish=sys.argv[3:] == ["finish"]))
