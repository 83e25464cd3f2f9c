"""Runs `overseen` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOTS = [
    str(Path(__file__).resolve().parents[2] / name) for name in ("supervisor", "actors", "storage")
]


def overseen(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``python -m overseen`` with these arguments."""
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS)}
    command = [sys.executable, "-m", "overseen", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=known)
