"""The audit: all checks, over any evidence or over a database file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection
from typing import Final

import msgspec

from overseen_storage.audit.batches import BatchAudit
from overseen_storage.audit.checks import Check
from overseen_storage.audit.evidence import Evidence
from overseen_storage.audit.files import Filed, Folder
from overseen_storage.audit.findings import KEPT_OF_A_KIND, Finding, Findings, Tally
from overseen_storage.audit.keys import check_keys
from overseen_storage.audit.ledger import check_ledger
from overseen_storage.audit.lives import Lives
from overseen_storage.audit.opening import ChangedMeanwhile, reading
from overseen_storage.audit.ownership import Ownership, look_for_owner
from overseen_storage.audit.pauses import Pauses
from overseen_storage.audit.reading import DatabaseEvidence
from overseen_storage.audit.rows import check_jobs
from overseen_storage.audit.structure import STRUCTURAL, check_structure
from overseen_storage.sqlite.translate_errors import translate

_TIMES_READ: Final = 3
"""How often a file that is being opened by a program meanwhile is read again."""


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """How much an audit looked at."""

    jobs: int
    """Rows of jobs."""
    live: int
    """Jobs that run, by their rows."""
    events: int
    """Rows of the ledger."""
    events_pruned: int
    """Events that pruning deleted, all of them accounted for unless a finding says otherwise."""
    batches: int
    """Batches."""
    files: int
    """Files of jobs."""
    file_bytes: int
    """Their size."""
    epochs: int
    """Lives of processes."""
    last_seq: int
    """The ledger's height."""


def audit(
    evidence: Evidence,
    findings: Findings,
    *,
    folder: Folder | None = None,
    owned: bool | None = None,
) -> Looked:
    """Run every check on rows and ledger; what is wrong is in `findings` afterwards.

    `owned` says whether a process owns the store now, None if that is not known.
    """
    epochs = evidence.epochs()
    pauses, lives = Pauses(), Lives(epochs, findings, owned=owned)
    ledger = check_ledger(evidence, findings)
    for event in evidence.events_of_no_job():
        pauses.hear(event)
        lives.hear(event)
    lives.check()
    pauses.check(evidence.queues(), findings)
    filed = Filed(findings, folder)
    jobs = check_jobs(evidence, findings, pauses, lives, filed)
    live = lives.check_live()
    check_keys(evidence, findings)
    filed.check_orphans(evidence, epoch=epochs[-1].id if epochs else 0, owned=owned)
    owned_since = epochs[-1].started_at if epochs else 0
    batches = BatchAudit(evidence, findings, now=ledger.last_at, owned_since=owned_since).check()
    numbers = evidence.numbers()
    return Looked(
        jobs=jobs,
        live=live,
        events=ledger.events,
        events_pruned=numbers.events_pruned,
        batches=batches,
        files=filed.count,
        file_bytes=filed.bytes,
        epochs=len(epochs),
        last_seq=numbers.seq,
    )


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit of a database file looked at and found."""

    path: str
    """The file, as it was named."""
    owner: Ownership
    """Who owned it meanwhile."""
    checks: tuple[Check, ...]
    """The checks that were made, in order."""
    looked: Looked | None
    """How much was looked at; None if SQLite could not read on."""
    problems: int
    """How many promises are broken."""
    notes: int
    """How many things there are to know."""
    tallies: tuple[Tally, ...]
    """How many findings there are of each kind, those included that are not listed."""
    findings: tuple[Finding, ...]
    """What was found, problems first; at most so many of a kind as were asked for."""


def audit_file(
    path: str | os.PathLike[str],
    *,
    folder: Folder | None = None,
    only: Collection[Check] = frozenset(Check),
    keep: int = KEPT_OF_A_KIND,
) -> Audit:
    """Audit a database: on its own, or while a program owns it. Nothing is written anywhere.

    It reads in one transaction, in order, with constant memory. While a program writes, its
    ``-wal`` cannot be begun anew for as long as this takes.

    Raises:
        DatabaseRefused: there is no such file, it is not ours, or from a newer version.
        StoreError: SQLite cannot open it.

    Example:
        >>> from overseen_storage.audit import audit_file
        >>> audit_file("jobs.db").problems  # doctest: +SKIP
        0
    """
    for _ in range(_TIMES_READ):
        try:
            return _audit_once(path, folder, only, keep)
        except ChangedMeanwhile:
            continue
    return _audit_once(path, folder, only, keep)


def _audit_once(
    path: str | os.PathLike[str], folder: Folder | None, only: Collection[Check], keep: int
) -> Audit:
    findings = Findings(keep=keep, only=only)
    looked = None
    with reading(path) as connection:
        owner = look_for_owner(path)
        try:
            if findings.only & STRUCTURAL:
                check_structure(connection, findings)
            evidence = DatabaseEvidence(connection, findings)
            looked = audit(evidence, findings, folder=folder, owned=owner.alive)
        except sqlite3.DatabaseError as error:
            text = str(translate(error, os.fspath(path)))
            findings.problem(Check.INTEGRITY, expected="a database to the end", found=text)
    return Audit(
        path=os.fspath(path),
        owner=owner,
        checks=tuple(check for check in Check if check in findings.only),
        looked=looked,
        problems=findings.problems,
        notes=findings.notes,
        tallies=findings.tallies(),
        findings=tuple(findings),
    )
