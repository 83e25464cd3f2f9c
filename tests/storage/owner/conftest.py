"""Owners of a database: this process, and real others that do what they are told through a pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from overseen_storage.sqlite import owner
from overseen_storage.sqlite.owner import OwnerLock, record_of_this_process

SINCE = 1_795_332_000_000_000  # 2026-11-22 07:20:00 UTC
RECORD = record_of_this_process(since=SINCE, version="0.1.0")

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs fork or signals")

OWNER_PROGRAM = """
import os, subprocess, sys
from overseen_storage.sqlite.owner import OwnerLock, record_of_this_process

def say(*words):
    print(*words, flush=True)

record = record_of_this_process(since=int(sys.argv[2]), version="0.1.0")
lock = OwnerLock.acquire(sys.argv[1], record)
say("owned", os.getpid())
STAY = "import os; print('alive', flush=True); os.read(0, 9); print('alive', flush=True)"
while command := os.read(0, 99).decode().strip():
    if command == "release":
        lock.release()
        say("released")
    elif command == "fork":
        if os.fork() == 0:
            exec(STAY)
            os._exit(0)
    elif command == "release in a child":
        if (child := os.fork()) == 0:
            lock.release()
            os._exit(int(lock.held))
        say("child ended", os.waitpid(child, 0)[1])
    elif command == "spawn":
        subprocess.Popen([sys.executable, "-c", STAY], close_fds=False)
"""


class OtherOwner:
    """A process that owns a database, and does what it is told."""

    def __init__(self, database: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER_PROGRAM, str(database), str(SINCE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(owner.__file__).parents[2])},
        )
        self.pid = self.process.pid
        assert self.listen() == f"owned {self.pid}"

    def tell(self, command: str) -> str:
        """Write a command and wait for the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.listen()

    def listen(self) -> str:
        """Wait for one line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        """End it without a goodbye, and wait until it is gone."""
        self.process.kill()
        assert self.process.wait() == -signal.SIGKILL

    def close(self) -> None:
        """End whatever still reads the pipe, its children included, and wait for them."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def other(database: Path) -> Iterator[OtherOwner]:
    process = OtherOwner(database)
    yield process
    process.close()


@pytest.fixture
def take() -> Iterator[Callable[[Path | str], OwnerLock]]:
    taken: list[OwnerLock] = []

    def acquire(path: Path | str) -> OwnerLock:
        taken.append(OwnerLock.acquire(path, RECORD))
        return taken[-1]

    yield acquire
    for lock in taken:
        lock.release()


Take = Callable[[Path | str], OwnerLock]
