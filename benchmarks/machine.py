"""What the figures depend on: the machine, and who else was using it."""

from __future__ import annotations

import os
import platform
import resource
import sqlite3
import time
from pathlib import Path

QUIET_PERCENT = 10.0
"""Of a core, used by other programs: above it figures say less than the machine can do."""


def facts() -> dict[str, object]:
    """The machine, and nothing that names it."""
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.machine()}",
    }


def line() -> str:
    """The machine in one line."""
    known = facts()
    return f"{known['cores']} cores, {known['python']}, SQLite {known['sqlite']}, {known['system']}"


class Bystanders:
    """How much of a core other programs use from here on (Linux; elsewhere nobody knows)."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._busy = _busy_seconds()
        self._own = _own_seconds()

    def percent(self) -> float | None:
        """Of one core, on average since the beginning."""
        busy = _busy_seconds()
        if busy is None or self._busy is None:
            return None
        others = (busy - self._busy) - (_own_seconds() - self._own)
        return max(0.0, others / (time.perf_counter() - self._begun) * 100)


def _busy_seconds() -> float | None:
    """What all cores have worked, for whomever."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, _, _, irq, softirq, steal = (
        int(word) for word in stat.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    )
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """What this process and the ones it waited for have worked."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
