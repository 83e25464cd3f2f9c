"""What an audit finds: all of it counted, and up to a number of each kind kept as records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import Final

import msgspec

from overseen_storage.audit.checks import Check, next_step_of

KEPT_OF_A_KIND: Final = 100
"""Findings of one check that are kept; all of them are counted."""


class Severity(StrEnum):
    """How bad it is."""

    PROBLEM = "problem"
    """A promise is broken."""
    NOTE = "note"
    """Nothing is wrong, but somebody may want to know: a process died, and what it left waits."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was found."""

    check: Check
    """Which check found it."""
    severity: Severity
    """Whether a promise is broken."""
    job_id: int | None = None
    """The job it is about."""
    batch_id: int | None = None
    """The batch it is about."""
    seq: int | None = None
    """The event it is about."""
    expected: str
    """What should be."""
    found: str
    """What is."""
    next_step: str
    """What to do about it."""

    @property
    def about(self) -> str:
        """What it is about, in words: ``job 7, event 31``.

        >>> finding = Finding(
        ...     check=Check.PATH, severity=Severity.PROBLEM, job_id=7, seq=31,
        ...     expected="a legal step", found="pending -> completed", next_step="Report it.",
        ... )
        >>> finding.about
        'job 7, event 31'
        """
        parts = {"job": self.job_id, "batch": self.batch_id, "event": self.seq}
        return ", ".join(f"{word} {number}" for word, number in parts.items() if number is not None)


class Tally(msgspec.Struct, frozen=True):
    """How many findings of one kind there are."""

    check: Check
    """The check that found them."""
    severity: Severity
    """How bad they are."""
    count: int
    """How many there are."""


class Findings:
    """Collects what checks find. A database with a million faults costs no more memory than one
    with a hundred."""

    def __init__(
        self, *, keep: int = KEPT_OF_A_KIND, only: Collection[Check] = frozenset(Check)
    ) -> None:
        self._keep = keep
        self.only = frozenset(only)
        """The checks that are asked for: what others find is not heard."""
        self._kept: dict[tuple[Check, Severity], list[Finding]] = {}
        self.counts: Counter[tuple[Check, Severity]] = Counter()
        """How many of each kind there are, the ones that were not kept included."""

    def problem(
        self,
        check: Check,
        *,
        expected: object,
        found: object,
        job: int | None = None,
        batch: int | None = None,
        seq: int | None = None,
    ) -> None:
        """A promise is broken."""
        self._add(check, Severity.PROBLEM, str(expected), str(found), job, batch, seq)

    def note(
        self,
        check: Check,
        *,
        expected: object,
        found: object,
        job: int | None = None,
        batch: int | None = None,
        seq: int | None = None,
    ) -> None:
        """Something to know."""
        self._add(check, Severity.NOTE, str(expected), str(found), job, batch, seq)

    def _add(
        self,
        check: Check,
        severity: Severity,
        expected: str,
        found: str,
        job: int | None,
        batch: int | None,
        seq: int | None,
    ) -> None:
        if check not in self.only:
            return
        kind = (check, severity)
        self.counts[kind] += 1
        kept = self._kept.setdefault(kind, [])
        if len(kept) < self._keep:
            kept.append(
                Finding(
                    check=check,
                    severity=severity,
                    job_id=job,
                    batch_id=batch,
                    seq=seq,
                    expected=expected,
                    found=found,
                    next_step=next_step_of(check, is_problem=severity is Severity.PROBLEM),
                )
            )

    def __iter__(self) -> Iterator[Finding]:
        """Those that were kept: problems first, by check in the order of `Check`."""
        for severity in Severity:
            for check in Check:
                yield from self._kept.get((check, severity), ())

    @property
    def problems(self) -> int:
        """How many promises are broken."""
        return self._number_of(Severity.PROBLEM)

    @property
    def notes(self) -> int:
        """How many things there are to know."""
        return self._number_of(Severity.NOTE)

    def tallies(self) -> tuple[Tally, ...]:
        """How many there are of each kind that there is any of, in the order of `__iter__`."""
        return tuple(
            Tally(check, severity, self.counts[check, severity])
            for severity in Severity
            for check in Check
            if self.counts[check, severity]
        )

    def _number_of(self, severity: Severity) -> int:
        return sum(count for (_, one), count in self.counts.items() if one is severity)
