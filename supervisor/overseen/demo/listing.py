"""The list of what is asked about which file: written once, uploaded to the batch, read by a job.

One JSON object a line. The file is named by its digest, and so is the batch that is made of it: the
same questions about the same files are the same batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

DIGEST_CHARACTERS = 16


class Entry(msgspec.Struct, frozen=True):
    """One question about one file."""

    kind: str
    """The job that answers it."""
    path: str
    """The file."""
    first_read_fails: bool = False
    """Whether the first attempt is made to fail."""


_decoder = msgspec.json.Decoder(Entry)


def write(folder: Path, entries: Iterable[Entry]) -> Path:
    """Write the list into `folder`, unless it is there already; returns its path."""
    content = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
    path = folder / f"questions-{hashlib.sha256(content).hexdigest()[:DIGEST_CHARACTERS]}.jsonl"
    if not path.is_file() or path.read_bytes() != content:
        path.write_bytes(content)
    return path


def read(path: Path) -> list[Entry]:
    """Read a list."""
    return _decoder.decode_lines(path.read_bytes())
