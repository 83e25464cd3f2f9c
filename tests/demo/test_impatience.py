"""A second Ctrl-C, while a body does not end by itself. In this process, with a real batch."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from overseen.demo import listing
from overseen.demo.jobs import COMPLEXITY_TO_WARN_OF
from overseen.demo.life import live
from overseen.demo.listing import Entry
from overseen.demo.messages import CANCEL, DRAIN, Orders, Shown, Told
from overseen.demo.place import Place

BRANCHED = "def f(a):\n" + "    if a: pass\n" * (COMPLEXITY_TO_WARN_OF + 1)
TURNS = 50  # of the loop, for a stop to get from the order to the body


async def test_a_second_ctrl_c_interrupts_what_runs_at_no_cost(tmp_path: Path) -> None:
    """The body is told to stop instead of waited for, and its job waits for the next run."""
    pipe = tmp_path / "pipe.py"  # reading it blocks until somebody writes
    os.mkfifo(pipe)
    questions = listing.write(tmp_path, [Entry("complexity", str(pipe))])
    place, orders, blocked = Place(tmp_path / "demo.db"), Orders(), asyncio.Event()

    async def tell(told: Told) -> None:
        if isinstance(told, Shown) and (told.progress.ended, told.progress.running) == (1, 1):
            blocked.set()

    living = asyncio.create_task(live(place, questions, orders, tell, doomed=False))

    await blocked.wait()
    orders.take(DRAIN)
    orders.take(CANCEL)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    pipe.write_text(BRANCHED)  # the body goes on, warns, and is told there
    await living

    with closing(sqlite3.connect(place.database)) as database:
        row = database.execute(
            "select status, interruptions, failures from job_view where kind = 'complexity'"
        ).fetchone()
    assert row == ("pending", 1, 0)


async def test_orders_are_taken_in_any_number_and_order() -> None:
    """To cancel is to drain too; a word that nobody knows is no order."""
    orders = Orders()
    orders.take("nonsense")
    assert not orders.draining.is_set()
    orders.take(CANCEL)
    orders.take(DRAIN)
    assert orders.draining.is_set()
    assert orders.cancelling.is_set()
