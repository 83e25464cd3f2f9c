"""A program that is killed: submits without end, and says on its standard output what it was told.

    python under_load.py DATABASE SEED

Lines: ``recovered N``, ``submitted FIRST LAST`` (acknowledged: on disk), ``completed ID VALUE``
(the caller has the result), ``drained`` at the end of a run told to finish by ``SEED finish``; of
uploads and batches those of `histories.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from overseen import Backoff, Context, Job, Supervisor, job


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


@job(losses=1_000, attachments=("input",))
async def measure(ctx: Context) -> int:
    async with ctx.attachments["input"].open() as reader:
        return len(await reader.read(1 << 20))


def say(*words: object) -> None:
    """One line, at once: what is said before the kill is read after it."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


Say = Callable[..., None]


class Load:
    """Submits in three ways: many at once, with a file, as a batch."""

    def __init__(self, supervisor: Supervisor, random: Random, say: Say) -> None:
        self._supervisor = supervisor
        self._random = random
        self._say = say

    async def follow(self, ids: Iterable[int]) -> None:
        """Wait for results."""
        for job_id in ids:
            value = await self._supervisor.handle(job_id).result()
            self._say("completed", job_id, value)

    async def submit(self) -> list[int]:
        """Some at once."""
        random = self._random
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
        handles = await self._supervisor.submit_many(calls)
        self._say("submitted", handles[0].id, handles[-1].id)
        return [handle.id for handle in handles]

    async def upload(self) -> list[int]:
        """One with a file."""
        content = self._random.randbytes(self._random.randrange(20_000))
        async with self._supervisor.draft(measure) as draft:
            self._say("drafted", draft.id)
            attached = await draft.attach("input", content)
            assert attached.digest == hashlib.sha256(content).hexdigest()
            self._say("attached", draft.id, "input", attached.digest)
        self._say("released", draft.id)
        return [draft.id]

    async def run_batch(self) -> list[int]:
        """Some that are summed up."""
        async with self._supervisor.batch("load") as batch:
            self._say("batch", batch.id)
            ids = [(await batch.submit(add, n, 1)).id for n in range(self._random.randrange(4))]
        self._say("sealed", batch.id)
        summary = await batch.summary()
        self._say("summed", batch.id, summary.completed, summary.failed)
        return ids

    async def finish(self) -> None:
        """Bring everything to its end: a draft whose author died is discarded, a batch sealed."""
        for batch in await self._supervisor.batches(limit=10_000):
            found = self._supervisor.find_batch(batch.id)
            if batch.sealed_at is None:
                await found.seal()
            await found.summary()
        for record in await self._supervisor.jobs(limit=10_000):
            if record.status == "draft":
                await self._supervisor.find_draft(record.id).discard()
            elif record.status != "cancelled":
                await self.follow([record.id])
        self._say("drained")


async def main(database: str, seed: int, *, finish: bool, say: Say = say) -> None:
    """Submit without end, or finish what is there."""
    random = Random(seed)
    jobs: list[Job[..., Any]] = [add, turns, second_time, measure]
    supervisor = Supervisor(database, jobs=jobs, concurrency=20)
    async with supervisor:
        say("recovered", supervisor.recovered.jobs)
        load = Load(supervisor, random, say)
        if finish:
            await load.finish()
            return
        async with asyncio.TaskGroup() as group:
            while True:
                way = random.choices([load.submit, load.upload, load.run_batch], [4, 2, 1])[0]
                group.create_task(load.follow(await way()))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), finish=sys.argv[3:] == ["finish"]))
