"""One sample is one fresh process.

So no sample inherits another's memory, caches or garbage, and the order of samples is free: what
is compared is taken in turn, that a machine which slows down meanwhile slows both sides.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [ROOT, ROOT / "supervisor", ROOT / "actors", ROOT / "storage"]

Sample = dict[str, float]


class SampleFailed(Exception):
    """A measuring process ended without an answer."""


def sample(module: str, **wanted: str | float | bool) -> Sample:
    """Run ``benchmarks/<module>.py`` in a fresh process and return what it measured."""
    command = [sys.executable, "-m", f"benchmarks.{module}", json.dumps(wanted)]
    path = os.pathsep.join(map(str, SOURCES))
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
    )
    if ended.returncode:
        raise SampleFailed(f"{module} {wanted} ended with {ended.returncode}:\n{ended.stderr}")
    return cast(Sample, json.loads(ended.stdout.splitlines()[-1]))


def answer(measure: Callable[..., Sample]) -> None:
    """The other side of `sample`: measure what the command line asks for, print it."""
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
