"""A second Ctrl-C, while a body does not end by itself. In this process, with real signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from overseen.demo.counts import Counts
from overseen.demo.jobs import COMPLEXITY_TO_WARN_OF, complexity
from overseen.demo.place import Place
from overseen.demo.run import work

BRANCHED = "def f(a):\n" + "    if a: pass\n" * (COMPLEXITY_TO_WARN_OF + 1)
TURNS = 50  # of the loop, for a stop to get from the key to the body


class Watcher:
    """A screen that tells the test what it was told."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.said: asyncio.Queue[str] = asyncio.Queue()

    def say(self, text: str) -> None:
        self.said.put_nowait(text)

    def show(self, counts: Counts, jobs_per_second: float) -> None:
        if counts.running:
            self.running.set()

    def close(self) -> None:
        pass


async def test_a_second_ctrl_c_interrupts_what_runs_at_no_cost(tmp_path: Path) -> None:
    """The body is told to stop instead of waited for, and its job waits for the next run."""
    pipe = tmp_path / "pipe.py"  # reading it blocks until somebody writes
    os.mkfifo(pipe)
    place, watcher = Place(tmp_path / "demo.db"), Watcher()
    working = asyncio.create_task(work(place, [complexity.call(str(pipe), False)], watcher))

    await watcher.running.wait()
    os.kill(os.getpid(), signal.SIGINT)
    assert "may end" in await watcher.said.get()
    os.kill(os.getpid(), signal.SIGINT)
    assert "Cancelling" in await watcher.said.get()
    for _ in range(TURNS):
        await asyncio.sleep(0)
    pipe.write_text(BRANCHED)  # the body goes on, warns, and is told there
    worked = await working

    assert worked.counts.ended == 0
    with closing(sqlite3.connect(place.database)) as database:
        row = database.execute("select status, interruptions, failures from job_view").fetchone()
    assert row == ("pending", 1, 0)
