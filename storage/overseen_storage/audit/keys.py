"""Keys: each has one job."""

from __future__ import annotations

from collections.abc import Iterable

from overseen_storage.audit.checks import Check
from overseen_storage.audit.evidence import Evidence
from overseen_storage.audit.findings import Findings


def check_keys(evidence: Evidence, findings: Findings) -> None:
    """I12, I18: a key has one job that has not ended, an idempotency key one job."""
    _check(evidence.open_keys(), findings, "one job that has not ended with key")
    _check(evidence.idempotency_keys(), findings, "one job with idempotency key")


def _check(pairs: Iterable[tuple[str, int]], findings: Findings, what: str) -> None:
    """`pairs` come by key."""
    last_key, last_id = None, 0
    for key, job_id in pairs:
        if key == last_key:
            expected = f"{what} {key!r}: job {last_id}"
            findings.problem(Check.KEYS, job=job_id, expected=expected, found="another one")
        last_key, last_id = key, job_id
