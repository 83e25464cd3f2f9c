"""The audit of a store: proofs from its rows and its ledger alone that every promise was kept.

Nothing here knows how the rows came about, and nothing is changed. `audit_file` looks at a SQLite
database, also beside the program that owns it; `audit` looks at any `Evidence`.
"""

from __future__ import annotations

from overseen_storage.audit.auditing import Audit, Looked, audit, audit_file
from overseen_storage.audit.checks import PROVES, Check
from overseen_storage.audit.evidence import EventFacts, Evidence, JobFacts, Numbers
from overseen_storage.audit.files import Folder
from overseen_storage.audit.findings import Finding, Findings, Severity, Tally
from overseen_storage.audit.memory import Recorded
from overseen_storage.audit.ownership import Ownership

__all__ = [
    "PROVES",
    "Audit",
    "Check",
    "EventFacts",
    "Evidence",
    "Finding",
    "Findings",
    "Folder",
    "JobFacts",
    "Looked",
    "Numbers",
    "Ownership",
    "Recorded",
    "Severity",
    "Tally",
    "audit",
    "audit_file",
]
