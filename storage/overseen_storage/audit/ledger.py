"""The ledger as a whole: no gap but those of pruning, stamps that rise, lives that follow."""

from __future__ import annotations

from dataclasses import dataclass

from overseen_storage.audit.checks import Check
from overseen_storage.audit.evidence import Evidence, Numbers
from overseen_storage.audit.findings import Findings


@dataclass(frozen=True, slots=True)
class Ledger:
    """How large it is."""

    events: int
    """Rows that are kept."""
    last_at: int
    """The last one's stamp."""


def check_ledger(evidence: Evidence, findings: Findings) -> Ledger:
    """I23, I24: seqs rise from 1 without gaps but for what was pruned; stamps rise with them."""
    numbers = evidence.numbers()
    count, before_seq, before_at = 0, 0, 0
    for seq, at in evidence.stamps():
        if seq != before_seq + 1:
            _gap(numbers, before_seq, seq, findings)
        if at <= before_at and count:
            findings.problem(
                Check.STAMPS,
                seq=seq,
                expected=f"a stamp after {before_at}, that of event {before_seq}",
                found=at,
            )
        count, before_seq, before_at = count + 1, seq, at
    _check_sum(numbers, before_seq, count, findings)
    return Ledger(count, before_at)


def _gap(numbers: Numbers, before: int, seq: int, findings: Findings) -> None:
    """Pruning deletes jobs of any age, so below `pruned_to` only the sum can tell."""
    if seq <= before:
        expected = f"a seq after {before}"
        findings.problem(Check.SEQUENCE, seq=seq, expected=expected, found=seq)
    elif seq - 1 > numbers.pruned_to:
        first = max(before, numbers.pruned_to) + 1
        expected = f"events {first} to {seq - 1}: pruning went no further than {numbers.pruned_to}"
        findings.problem(Check.SEQUENCE, seq=seq, expected=expected, found="none of them")


def _check_sum(numbers: Numbers, last: int, count: int, findings: Findings) -> None:
    if last > numbers.seq:
        expected = f"no event after {numbers.seq}, the highest number given out"
        findings.problem(Check.SEQUENCE, seq=last, expected=expected, found=f"event {last}")
    missing = max(numbers.seq, last) - count
    if missing != numbers.events_pruned:
        findings.problem(
            Check.SEQUENCE,
            expected=f"{numbers.events_pruned} events missing, as pruning counted",
            found=f"{missing}: {count} are kept of {max(numbers.seq, last)} given out",
        )
