"""After every test: nothing is left behind.

No task, thread, open file or child process may outlive the test that made it. What is left is named
in the failure. Nothing here waits for real time, but for threads that are on their way out.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import os
import threading
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

THREADS_ALLOWED: frozenset[str] = frozenset()  # names of threads that may stay; none so far
JOIN_SECONDS = 1.0  # for a thread that is already finishing; a leaked one costs its test this much
TURNS = 5  # of the loop, for tasks that are already done or cancelled to be gone
OPEN_FILES = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True)
class Belongings:
    """What the process holds at one moment."""

    threads: frozenset[threading.Thread]
    files: frozenset[tuple[str, str]]  # (number, what it is): a number alone is used again
    children: frozenset[int]

    def beyond(self, before: Belongings) -> list[str]:
        """Name what is here and was not before."""
        return [
            *(f"thread {thread.name!r}" for thread in self.threads - before.threads),
            *(f"file {number} -> {what}" for number, what in sorted(self.files - before.files)),
            *(f"child process {pid}" for pid in sorted(self.children - before.children)),
        ]


BEFORE = pytest.StashKey[Belongings]()


def look() -> Belongings:
    """Take stock; some 50 microseconds."""
    alive = (thread for thread in threading.enumerate() if thread.name not in THREADS_ALLOWED)
    return Belongings(frozenset(alive), frozenset(open_files()), frozenset(children()))


def open_files() -> list[tuple[str, str]]:
    """List our descriptors (Linux; elsewhere none), but for 0, 1, 2: they are pytest's."""
    if not OPEN_FILES.is_dir():
        return []
    found: list[tuple[str, str]] = []
    for entry in OPEN_FILES.iterdir():
        with contextlib.suppress(FileNotFoundError):  # the descriptor that listed the folder
            found.append((entry.name, str(entry.readlink())))
    return [(number, what) for number, what in found if number not in {"0", "1", "2"}]


def children() -> list[int]:
    """List child processes, the ones that ended but were not waited for included."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, AttributeError):
        return []
    return [
        int(pid)
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
    ]


def leftovers(before: Belongings) -> list[str]:
    """Name what is left, after giving what is already ending the chance to end."""
    left = look().beyond(before)
    if left:
        gc.collect()  # an object in a cycle holds its file until then
        for thread in look().threads - before.threads:
            thread.join(JOIN_SECONDS)
        left = look().beyond(before)
    return left


@pytest.fixture(autouse=True)
def _belongings_before(request: pytest.FixtureRequest) -> None:
    """Take stock when the fixtures of wider scope are there and those of this test are not."""
    request.node.stash[BEFORE] = look()


@pytest.fixture
async def _no_tasks_left() -> AsyncIterator[None]:
    """Set up before, torn down after every other async fixture, while the loop still runs."""
    before = asyncio.all_tasks()
    yield
    for _ in range(TURNS):
        await asyncio.sleep(0)
    own = asyncio.current_task()
    left = [task for task in asyncio.all_tasks() - before if task is not own and not task.done()]
    if left:
        named = "".join(f"\n  task {task.get_name()!r}: {task.get_coro()!r}" for task in left)
        pytest.fail(f"left behind by this test:{named}", pytrace=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give coroutine tests, and only them, the look at the loop's tasks."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            after_the_stock = item.fixturenames.index("_belongings_before") + 1
            item.fixturenames.insert(after_the_stock, "_no_tasks_left")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Look again when everything of this test is torn down, its loop and executor included."""
    yield
    before = item.stash.get(BEFORE, None)
    left = leftovers(before) if before else []
    if left:
        named = "".join(f"\n  {one}" for one in left)
        pytest.fail(f"left behind by this test:{named}", pytrace=False)
