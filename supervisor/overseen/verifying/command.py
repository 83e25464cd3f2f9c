"""Verifies one database and says what came of it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from overseen.attachments.folder import folder_beside
from overseen.attachments.names import is_ours
from overseen.attachments.stored_names import epoch_of
from overseen.verifying.report import LISTED_OF_A_KIND, report_of
from overseen_actors.clock import Clock
from overseen_storage.audit import PROVES, Audit, Folder, Severity, audit_file
from overseen_storage.errors import StoreError

__all__ = ["FOUND", "NOTHING_FOUND", "NOT_CHECKED", "Asked", "run", "verify"]

NOTHING_FOUND: Final = 0
"""Exit code: every promise was kept."""
FOUND: Final = 1
"""Exit code: at least one problem was found."""
NOT_CHECKED: Final = 2
"""Exit code: the file could not be checked at all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for on the command line."""

    path: Path
    """The database."""
    as_json: bool = False
    """One JSON document instead of text."""
    deep: bool = False
    """Files are read and compared with their digests."""


def verify(path: str | os.PathLike[str], *, deep: bool = False, keep: int = 1_000) -> Audit:
    """Audit a database and the files beside it. Nothing is written; a program may own it.

    `deep` also reads every file. At most `keep` findings of a kind are listed, all are counted.
    Raises `StoreError` if it cannot be checked.
    """
    beside = folder_beside(os.fspath(path))
    folder = None if beside is None else Folder(beside, is_ours, epoch_of, deep)
    return audit_file(path, folder=folder, keep=keep)


def run(asked: Asked, clock: Clock) -> int:
    """Verify, print, return the exit code."""
    began = clock.monotonic()
    try:
        audit = verify(
            asked.path, deep=asked.deep, keep=1_000 if asked.as_json else LISTED_OF_A_KIND
        )
    except StoreError as error:
        return _not_checked(asked, error)
    seconds = clock.monotonic() - began
    text = _document(audit, seconds) if asked.as_json else report_of(audit, seconds, asked.deep)
    sys.stdout.write(text)
    return FOUND if audit.problems else NOTHING_FOUND


def _not_checked(asked: Asked, error: StoreError) -> int:
    if asked.as_json:
        told = {"path": str(asked.path), "error": type(error).__name__, "message": str(error)}
        sys.stdout.write(_encoded({"verdict": "not checked", **told}))
    else:
        sys.stderr.write(f"overseen: not checked: {error}\n")
    return NOT_CHECKED


def _document(audit: Audit, seconds: float) -> str:
    """The audit as JSON: its fields, the verdict, and every check with its numbers."""
    counts = {(one.check, one.severity): one.count for one in audit.tallies}
    checks = [
        {
            "name": check,
            "proves": PROVES[check],
            "problems": counts.get((check, Severity.PROBLEM), 0),
            "notes": counts.get((check, Severity.NOTE), 0),
        }
        for check in audit.checks
    ]
    return _encoded(
        {
            "verdict": "problems" if audit.problems else "ok",
            "path": audit.path,
            "seconds": round(seconds, 3),
            "owner": audit.owner,
            "looked": audit.looked,
            "problems": audit.problems,
            "notes": audit.notes,
            "checks": checks,
            "findings": audit.findings,
        }
    )


def _encoded(document: object) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
