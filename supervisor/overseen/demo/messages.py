"""What the process that runs the supervisor tells the one that watches it, and is ordered by it.

It tells by lines of JSON on its stdout. Orders are words on its stdin: whoever dies closes it, so
the end of stdin is an order too. Signals would reach both, or the wrong one, at a terminal.
"""

from __future__ import annotations

import asyncio
from typing import TypeAlias

import msgspec

from overseen.batches.progress import BatchProgress

LINE_BYTES_MAX = 1 << 20
DRAIN, CANCEL = "drain", "cancel"


class Acknowledged(msgspec.Struct, frozen=True, tag=True):
    """`submit` has returned for these jobs: they are on disk, and owe an outcome."""

    ids: list[int]


class Shown(msgspec.Struct, frozen=True, tag=True):
    """How far the batch is."""

    progress: BatchProgress


class Halfway(msgspec.Struct, frozen=True, tag=True):
    """Half of what was left is done: a good moment to be killed."""


Told: TypeAlias = Acknowledged | Shown | Halfway

decode = msgspec.json.Decoder(Told).decode


def encoded(told: Told) -> bytes:
    """Return it as one line."""
    return msgspec.json.encode(told) + b"\n"


class Orders:
    """What was ordered so far."""

    def __init__(self) -> None:
        self.draining = asyncio.Event()
        """Start nothing new, let what runs end."""
        self.cancelling = asyncio.Event()
        """Cancel what runs."""

    def take(self, order: str) -> None:
        """Take one order; one that is not known is none."""
        if order in (DRAIN, CANCEL):
            self.draining.set()
        if order == CANCEL:
            self.cancelling.set()
