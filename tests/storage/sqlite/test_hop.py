"""The way to a connection: what was begun on it ends, whoever stops waiting."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from overseen_storage.sqlite.hop import AiosqliteConnector, InlineConnector


class Closing:
    """Tells when connections of its kind were closed."""

    def __init__(self) -> None:
        loop, self.closed = asyncio.get_running_loop(), asyncio.Event()
        closed = self.closed

        class Telling(sqlite3.Connection):
            def close(self) -> None:
                super().close()
                loop.call_soon_threadsafe(closed.set)

        self.factory = Telling


async def test_closing_goes_on_when_nobody_waits_for_it_inline(tmp_path: Path) -> None:
    """A connection behind a function that hangs is closed once that ends, although who asked for
    it was cancelled."""
    closing, answers = Closing(), asyncio.Event()
    answers.set()
    connector = InlineConnector(answers.wait, closing.factory)
    link = await connector.connect(str(tmp_path / "jobs.db"), read_only=False)
    answers.clear()
    hanging = asyncio.create_task(link.run(lambda connection: connection.total_changes))
    await asyncio.sleep(0)

    waiting = asyncio.create_task(link.close())
    await asyncio.sleep(0)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not closing.closed.is_set()
    answers.set()
    await closing.closed.wait()
    assert await hanging == 0


async def test_closing_goes_on_when_nobody_waits_for_it_on_a_thread(tmp_path: Path) -> None:
    """As inline: the thread closes its connection and ends, although nobody waits for it."""
    closing, answers = Closing(), threading.Event()
    connector = AiosqliteConnector(closing.factory)
    link = await connector.connect(str(tmp_path / "jobs.db"), read_only=False)
    hanging = asyncio.create_task(link.run(lambda _: answers.wait(30)))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(link.close())
    await asyncio.sleep(0)
    waiting.cancel()
    answers.set()

    await closing.closed.wait()
    assert await hanging
    with pytest.raises(asyncio.CancelledError):
        await waiting
