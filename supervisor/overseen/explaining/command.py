"""Explains one job of a database file on the command line."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from overseen.errors import JobNotFound
from overseen.explaining.explaining import explain
from overseen.explaining.from_file import situation_in_file
from overseen_actors.clock import Clock

__all__ = ["NOT_FOUND", "Asked", "run"]

NOT_FOUND: Final = 3
"""Exit code: there is no such job."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for on the command line."""

    job_id: int
    """The job."""
    database: Path
    """The database."""
    as_json: bool = False
    """One JSON document instead of text."""


def run(asked: Asked, clock: Clock) -> int:
    """Explain, print, return the exit code. Raises `StoreError` for a file that cannot be read."""
    try:
        situation = situation_in_file(asked.database, asked.job_id, clock.wall_us())
    except JobNotFound:
        sys.stderr.write(
            f"overseen: there is no job {asked.job_id} in {asked.database}: it was never "
            "submitted there, or its time was over and it was deleted.\n"
        )
        return NOT_FOUND
    explanation = explain(situation)
    if asked.as_json:
        document = msgspec.json.format(msgspec.json.encode(explanation), indent=2)
        sys.stdout.write(document.decode() + "\n")
    else:
        sys.stdout.write(f"{explanation}\n")
    return 0
