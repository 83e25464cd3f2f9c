"""An audit as text that a person reads: what was looked at, each check, what was found."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill
from typing import Final

from overseen.durations import format_seconds
from overseen_storage.audit import PROVES, Audit, Check, Finding, Looked, Ownership, Severity

__all__ = ["LISTED_OF_A_KIND", "report_of"]

LISTED_OF_A_KIND: Final = 20
"""Findings of one kind that are listed; the others are counted."""

_WIDTH: Final = 96


def report_of(audit: Audit, seconds: float, deep: bool) -> str:
    """The whole report."""
    return "\n".join(_lines(audit, seconds, deep)) + "\n"


def _lines(audit: Audit, seconds: float, deep: bool) -> Iterator[str]:
    yield f"{audit.path}: {_owner(audit.owner)}."
    if audit.looked is None:
        yield "SQLite could not read it to the end: what follows is what was seen until then."
    else:
        yield f"{_looked(audit.looked)}; {format_seconds(round(seconds, 2))}."
    yield ""
    yield from _checks(audit, deep)
    for severity in Severity:
        yield from _findings(audit, severity)
    yield ""
    yield _verdict(audit)


def _owner(owner: Ownership) -> str:
    if owner.record is None:
        return "nobody owns it now" if owner.alive is False else "its owner cannot be seen"
    who = f"process {owner.record.pid} on {owner.record.host}"
    if owner.alive is None:
        return f"{who} owned it last; whether that lives cannot be seen from here"
    return f"{who} owns it" if owner.alive else f"{who} owned it and died"


def _looked(looked: Looked) -> str:
    files = f"{_many(looked.files, 'file')} of {looked.file_bytes:,} bytes"
    pruned = f" ({looked.events_pruned:,} more were pruned)" if looked.events_pruned else ""
    return ", ".join(
        [
            f"{_many(looked.jobs, 'job')} ({looked.live:,} running)",
            f"{_many(looked.events, 'event')}{pruned}",
            _many(looked.batches, "batch", "batches"),
            files,
            f"{_many(looked.epochs, 'life', 'lives')} of its programs",
        ]
    )


def _many(count: int, one: str, several: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def _checks(audit: Audit, deep: bool) -> Iterator[str]:
    """A line for each check: its result, its name, what it proves."""
    counts = {(one.check, one.severity): one.count for one in audit.tallies}
    for check in audit.checks:
        problems, notes = counts.get((check, Severity.PROBLEM)), counts.get((check, Severity.NOTE))
        result = "ok"
        if problems:
            result = f"{problems:,} WRONG"
        elif notes:
            result = _many(notes, "note")
        elif audit.looked is None and check is not Check.INTEGRITY:
            result = "?"
        proves = PROVES[check]
        if check is Check.FILES and not deep:
            proves += "; --deep reads them"
        yield f"  {result:>10}  {check:<13}  {proves}"


def _findings(audit: Audit, severity: Severity) -> Iterator[str]:
    for tally in audit.tallies:
        if tally.severity is not severity:
            continue
        found = [
            one for one in audit.findings if one.check is tally.check and one.severity is severity
        ][:LISTED_OF_A_KIND]
        yield ""
        yield f"{tally.check}: {_many(tally.count, severity.value)}"
        for one in found:
            yield _wrapped(_finding(one), "  ", "      ")
        if tally.count > len(found):
            yield f"  and {tally.count - len(found):,} more"
        yield _wrapped(f"-> {found[0].next_step}", "  ", "     ")


def _finding(one: Finding) -> str:
    about = f"{one.about}: " if one.about else ""
    return f"{about}expected {one.expected}; found {one.found}"


def _wrapped(text: str, first: str, then: str) -> str:
    return fill(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=then,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _verdict(audit: Audit) -> str:
    notes = f" {_many(audit.notes, 'note').capitalize()}, to know." if audit.notes else ""
    if audit.problems:
        return f"{_many(audit.problems, 'problem').upper()}.{notes}"
    return f"Nothing is wrong: every promise was kept.{notes}"
