"""What a seed promises: the same run to the last callback, in every process, and another one for
another seed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.actors import virtual_history
from tests.actors.virtual_history import digest, evidence

from overseen_actors import Schedule, Threads, Trace, VirtualOptions, run_virtual

SEEDS = 8


def in_another_process(hash_seed: int, *words: object) -> list[str]:
    """Digests as another process finds them, with other hashes of text and other addresses."""
    program = Path(virtual_history.__file__)
    sources = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, str(program), *map(str, words)],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": sources},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("threads", Threads)
@pytest.mark.parametrize("schedule", Schedule)
def test_a_seed_repeats_in_every_process_and_no_two_seeds_are_alike(
    schedule: Schedule, threads: Threads
) -> None:
    """Every callback, instant, log line and row: twice in here and in two processes of other hash
    seeds, with step costs, slack and latency drawn."""
    here = [digest(seed, schedule, threads) for seed in range(SEEDS)]
    assert here == [digest(seed, schedule, threads) for seed in range(SEEDS)]
    for hash_seed in (1, 2):
        assert here == in_another_process(hash_seed, 0, SEEDS, schedule, threads)
    assert len(set(here)) == SEEDS


@pytest.mark.parametrize(
    ("part", "stock"),
    [
        ("virtual_order.NumberedTask.__hash__", object.__hash__),
        ("virtual_order.NumberedFuture.__hash__", object.__hash__),
        ("virtual_anyio.ScopesInOrder", set),
        ("virtual_asyncio._as_tasks", list),
    ],
)
def test_each_thing_that_keeps_order_is_needed(
    part: str, stock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: with a part as on a stock loop, hashed by address, the runs above differ."""
    monkeypatch.setattr(f"overseen_actors.{part}", stock)
    runs = [[digest(seed, Schedule.FIFO, Threads.INLINE) for seed in range(4)] for _ in range(4)]
    assert any(run != runs[0] for run in runs)


def test_a_gated_connection_does_what_an_inline_one_does_at_the_same_instants() -> None:
    """Same rows, same order, same virtual times, though the real thread of aiosqlite did it."""
    for seed in range(SEEDS):
        inline, gated = (
            evidence(seed, Schedule.FIFO, threads, costs=False)[0] for threads in Threads
        )
        assert inline == gated


def test_a_gated_executor_runs_the_very_callbacks_of_an_inline_one() -> None:
    """Which thread it was does not show in the trace: not one callback more, not a nanosecond."""

    async def main() -> list[int]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.to_thread(pow, n, 2)) for n in range(10)]
        return [task.result() for task in tasks]

    traces = list[Trace]()
    for threads in Threads:
        traces.append(Trace())
        options = VirtualOptions(
            seed=3,
            schedule="random",
            threads=threads,
            latency=lambda draw: draw.uniform(0, 0.01),
            trace=traces[-1],
        )
        assert run_virtual(main(), **options) == [n * n for n in range(10)]
    assert traces[0].lines == traces[1].lines
