"""strace: what a process asks of the kernel about its files, and faults put into it."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from tests.crash.children import ANSWER_SECONDS

WRITES = ("pwrite64", "write", "ftruncate")
SYNCS = ("fdatasync", "fsync")
NAMES = ("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat")
"""Not every machine has each of them."""

LINE = re.compile(r'^(?P<thread>\d+) +(?P<name>\w+)\((?:\d+<(?P<open>[^>]*)>|"(?P<named>[^"]*)")')


@dataclass(frozen=True, slots=True)
class Call:
    """A system call about a file."""

    thread: str
    name: str
    path: str


@cache
def why_no_strace() -> str | None:
    """Why processes cannot be traced here; None: they can."""
    if shutil.which("strace") is None:
        return "strace is not installed: install the package strace"
    tried = subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False
    )
    return None if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.strip()}"


needs_strace = pytest.mark.skipif(why_no_strace() is not None, reason=str(why_no_strace()))
"""Skips a test, with the reason, where processes cannot be traced."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of a system call."""

    calls: tuple[str, ...]
    what: str
    """As strace says it: ``signal=KILL``, ``error=EIO``."""
    when: str
    """Which call of a thread: ``3``, ``3+``, or ``""`` for every one."""

    def expression(self) -> str:
        """For strace's -e."""
        when = f":when={self.when}" if self.when else ""
        return f"inject={names(self.calls)}:{self.what}{when}"


def names(calls: Iterable[str]) -> str:
    """A set of system calls; those this machine does not have are left out."""
    return ",".join(f"?{call}" for call in calls)


class Tracer:
    """strace, attached to a process and all its threads, until the end of the block."""

    def __init__(
        self,
        pid: int,
        log: Path,
        *,
        calls: Sequence[str] = (*WRITES, *SYNCS, *NAMES),
        paths: Iterable[Path] = (),
        fault: Fault | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self.log = log
        self._command = ["strace", "-f", "-o", str(log), "-e", f"trace={names(calls)}", *options]
        for path in paths:
            self._command += ["-P", str(path)]
        if fault is not None:
            self._command += ["-e", fault.expression()]
        self._command += ["-p", str(pid)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        said = ""
        for line in self._process.stderr:
            if " attached" in line:  # "with 5 threads", maybe
                return self
            said += line if "Requested path" not in line else ""
        raise AssertionError(f"strace could not attach: {said}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None and kind is not None:
            self._process.send_signal(signal.SIGINT)
        self.wait()

    def detach(self) -> None:
        """Leave the process alone from here on: its disk works."""
        self._process.send_signal(signal.SIGINT)
        self.wait()

    def wait(self) -> None:
        """Return when the process is gone, with all its threads."""
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process.wait(ANSWER_SECONDS)

    def calls(self) -> list[Call]:
        """The system calls of the log, in order; it must have been written with ``-y``."""
        found = map(LINE.match, self.log.read_text().splitlines())
        return [
            Call(match["thread"], match["name"], match["open"] or match["named"])
            for match in found
            if match is not None
        ]
