"""A user's project in a folder of its own, and pytest run in it as a user runs it."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE_ROOTS = os.pathsep.join(str(ROOT / root) for root in ("supervisor", "actors", "storage"))
INI = "[pytest]\nfilterwarnings = error\n"
OF_ASYNCIO = "asyncio_default_fixture_loop_scope = function\n"
APP = """
import asyncio

from overseen import Supervisor, job


@job(timeout="10m")
async def work(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


supervisor = Supervisor("no/such/folder/jobs.db", jobs=[work])
"""


def installed() -> bool:
    """Whether pytest finds the plugin by itself: a bare checkout is not installed."""
    found = importlib.metadata.entry_points(group="pytest11")
    return any(point.value == "overseen.testing.plugin" for point in found)


@dataclass(frozen=True, slots=True)
class Ran:
    """What pytest did."""

    output: str

    @property
    def counts(self) -> dict[str, int]:
        """How many tests passed, failed and so on."""
        last = self.output.rstrip().rpartition("\n")[2]
        found = re.findall(r"(\d+) (passed|failed|error|skipped|warning|deselected)", last)
        return {word: int(number) for number, word in found}


def run_pytest(folder: Path, test: str, *options: str, hash_seed: str = "random") -> Ran:
    """Write a test file beside the app, and run it with the plugin."""
    (folder / "app.py").write_text(APP, encoding="utf-8")
    ini = INI if "no:asyncio" in options else INI + OF_ASYNCIO
    (folder / "pytest.ini").write_text(ini, encoding="utf-8")
    (folder / "test_app.py").write_text(test, encoding="utf-8")
    plugin = [] if installed() else ["-p", "overseen.testing.plugin"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *plugin, *options]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": SOURCE_ROOTS, "PYTHONHASHSEED": hash_seed},
        timeout=100,
    )
    return Ran(done.stdout + done.stderr)
