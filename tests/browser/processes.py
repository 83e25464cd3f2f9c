"""Which processes a browser is made of, and whether they are gone (Linux)."""

from __future__ import annotations

import contextlib
import os
import select
from pathlib import Path

PROC = Path("/proc")


def descendants(pid: int) -> set[int]:
    """The processes below one, at this moment."""
    found: set[int] = set()
    with contextlib.suppress(OSError):  # it ended meanwhile
        for task in (PROC / str(pid) / "task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found |= {child} | descendants(child)
    return found


def mentioning(folder: Path) -> set[int]:
    """The processes whose command line or environment names a folder; they may have left their
    parents."""
    name = os.fsencode(folder)
    found: set[int] = set()
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if name in (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes():
                found.add(int(entry.name))
    return found


def watch(pids: set[int]) -> dict[int, int]:
    """A descriptor for each process: unlike its number, it means that process and no later one."""
    watched: dict[int, int] = {}
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            watched[pid] = os.pidfd_open(pid)
    return watched


def survivors(watched: dict[int, int], seconds: float) -> list[int]:
    """Those that have not ended within some seconds each; the descriptors are closed."""
    left: list[int] = []
    for pid, descriptor in watched.items():
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(seconds * 1000):
            left.append(pid)
        os.close(descriptor)
    return left
