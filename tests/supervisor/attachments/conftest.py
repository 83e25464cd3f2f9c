"""A folder for files, with threads of its own."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest

from overseen.attachments import Folder, folder_beside


def counted_names() -> Callable[[int], str]:
    """Names as the supervisor gives them: job, epoch, and a number that rises."""
    numbers = itertools.count(1)
    return lambda job_id: f"{job_id}-1-{next(numbers)}"


def make_folder(base: Path, executor: Executor) -> Folder:
    return Folder(
        folder_beside(base / "jobs.db"), executor=lambda: executor, new_name=counted_names()
    )


def names_in(base: Path) -> list[str]:
    """What lies in the folder of files, in order; nothing when it was never made."""
    path = base / "jobs.db.files"
    return sorted(entry.name for entry in path.iterdir()) if path.exists() else []


@contextlib.contextmanager
def pipe(*, blocking: bool = True) -> Generator[tuple[io.FileIO, io.FileIO]]:
    """A pipe: its end for reading, its end for writing."""
    here, there = os.pipe()
    os.set_blocking(here, blocking)
    with io.FileIO(here, "r") as reading, io.FileIO(there, "w") as writing:
        yield reading, writing


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Folder]:
    with ThreadPoolExecutor(2) as threads:
        made = make_folder(tmp_path, threads)
        yield made
        await made.close()
