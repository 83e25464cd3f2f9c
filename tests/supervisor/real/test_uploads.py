"""Uploads on the real loop: real threads, real pipes. They wait for each other by events."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import threading
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from tests.supervisor.uploading import files_beside, rows_of_files

from overseen import Context, Job, Supervisor, SupervisorStopped, job

PATIENCE = 30.0
"""Real seconds after which a test that waits has failed."""


@job(attachments=["input"])
async def measure(ctx: Context) -> int:
    """Counts the bytes of its file."""
    return len(await ctx.attachments["input"].read_bytes())


@job(attachments=["input"])
def in_a_thread(ctx: Context) -> int:
    """A plain function opens the path itself."""
    with ctx.attachments["input"].path.open("rb") as file:
        return len(file.read())


@contextlib.contextmanager
def silent_pipes(count: int) -> Generator[list[io.FileIO]]:
    """Pipes to which nobody writes; they end with the block, and with them who reads them."""
    pipes = [os.pipe() for _ in range(count)]
    files = [io.FileIO(here, "r") for here, _ in pipes]
    try:
        yield files
    finally:
        for _, there in pipes:
            os.close(there)
        for thread in threading.enumerate():
            if thread.name.startswith("overseen-source"):
                thread.join(PATIENCE)
        for file in files:
            file.close()


@pytest.mark.parametrize("body", [measure, in_a_thread], ids=["coroutine", "thread"])
@pytest.mark.parametrize("place", ["file", "memory"])
async def test_a_body_reads_what_was_uploaded(
    database: Path, body: Job[[], int], place: str
) -> None:
    """With threads, a real disk, and with a database in memory."""
    where = database if place == "file" else ":memory:"
    async with Supervisor(where, jobs=[measure, in_a_thread]) as supervisor:
        async with supervisor.draft(body) as draft:
            await draft.attach("input", b"x" * 3_000_000)
        assert await draft.handle.result(PATIENCE) == 3_000_000


async def test_pipes_that_are_silent_keep_nobody_waiting(database: Path) -> None:
    """However many uploads wait for a pipe to which nobody writes: others are written and read
    meanwhile, and those that wait can be given up."""
    async with Supervisor(database, jobs=[measure]) as supervisor:
        silent = await supervisor.draft(measure).begin()
        with silent_pipes(20) as pipes:
            waiting = [
                asyncio.create_task(silent.attach(f"pipe {n}", pipe))
                for n, pipe in enumerate(pipes)
            ]
            async with asyncio.timeout(PATIENCE):
                async with supervisor.draft(measure) as draft:
                    await draft.attach("input", b"12345")
                assert await draft.handle.result() == 5
                for task in waiting:
                    task.cancel()
                await asyncio.wait(waiting)
        assert all(task.cancelled() for task in waiting)
        assert len(files_beside(database)) == 1


async def test_a_stop_breaks_uploads_off(database: Path) -> None:
    """With real threads too nothing of a broken upload is left, and its author is told by a typed
    error."""
    some = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        while True:
            yield b"x" * (1 << 20)
            some.set()

    async with Supervisor(database, jobs=[measure]) as supervisor:
        draft = await supervisor.draft(measure).begin()
        attaching = asyncio.create_task(draft.attach("input", endless()))
        await asyncio.wait_for(some.wait(), PATIENCE)
    with pytest.raises(SupervisorStopped):
        await asyncio.wait_for(attaching, PATIENCE)
    assert (files_beside(database), rows_of_files(database)) == ([], [])
