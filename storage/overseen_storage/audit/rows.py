"""Rows against what their ledger says that they must be."""

from __future__ import annotations

from typing import Final

import msgspec

from overseen_storage.audit.checks import Check
from overseen_storage.audit.evidence import EventFacts, Evidence, JobFacts
from overseen_storage.audit.files import Filed
from overseen_storage.audit.findings import Findings
from overseen_storage.audit.folding import Fold, Folded
from overseen_storage.audit.lives import Lives
from overseen_storage.audit.merging import Belongings
from overseen_storage.audit.pauses import Pauses
from overseen_storage.lifecycle import LIVE, TERMINAL, Status
from overseen_storage.records import AttachmentRecord


def check_jobs(
    evidence: Evidence, findings: Findings, pauses: Pauses, lives: Lives, filed: Filed
) -> int:
    """Every job with its history and its files, one after the other; how many there are."""
    fold = Fold(findings, pauses)
    events = Belongings(
        evidence.events_of_jobs(),
        lambda event: event.job_id or 0,
        lambda event: _event_of_nobody(findings, event),
    )
    files = Belongings(
        evidence.attachments(), lambda one: one.job_id, lambda one: _file_of_nobody(findings, one)
    )
    count = 0
    for row in evidence.jobs():
        count += 1
        job = fold.history(row, events.of(row.id))
        if job.status is None:
            findings.problem(
                Check.ROWS, job=row.id, expected="a history on the ledger", found="no event of it"
            )
        else:
            check_row(row, job, findings)
        lives.see(row)
        kept = 0
        for one in files.of(row.id):
            kept += 1
            filed.see(one, row)
        _check_files(row, job, kept, findings)
    events.finish()
    files.finish()
    return count


def _event_of_nobody(findings: Findings, event: EventFacts) -> None:
    findings.problem(
        Check.ROWS,
        job=event.job_id,
        seq=event.seq,
        expected="a row for every job with events (pruning deletes both)",
        found=f"{event.type}, and no row",
    )


def _file_of_nobody(findings: Findings, file: AttachmentRecord) -> None:
    findings.problem(
        Check.ATTACHMENTS,
        job=file.job_id,
        expected="files of jobs that exist",
        found=f"{file.name!r} of a job that has no row",
    )


def check_row(row: JobFacts, job: Folded, findings: Findings) -> None:
    """I2-I6, I8, I22: one row against its folded ledger."""
    _check_state(row, job, findings)
    _check_end(row, job, findings)
    _check_times(row, job, findings)
    _check_counters(row, job, findings)


def _check_state(row: JobFacts, job: Folded, findings: Findings) -> None:
    told = (job.status, job.reason, job.cause, job.fence, job.warnings)
    kept = (row.status, row.reason, row.cause, row.fence, row.warnings)
    if told != kept:
        _differ(findings, Check.ROWS, row.id, _STATE, told, kept)
    if row.status in LIVE and job.stop_reason is not row.stop_reason:
        _differ(findings, Check.ROWS, row.id, ["stop_reason"], [job.stop_reason], [row.stop_reason])
    if row.stop_reason is not None and row.status not in LIVE:
        _differ(findings, Check.ROWS, row.id, ["stop_reason"], [None], [row.stop_reason])
    _check_changed(row, job, findings)
    if job.held and row.held is None:
        _differ(findings, Check.HOLDS, row.id, ["held"], ["why"], [None])
    elif row.held is not None and not (job.held or job.may_be_held):
        _differ(findings, Check.HOLDS, row.id, ["held"], [None], [row.held])


_STATE: Final = ("status", "reason", "cause", "fence", "warnings")


def _check_changed(row: JobFacts, job: Folded, findings: Findings) -> None:
    """Only an event changes a row, so `changed_at` is one's stamp, the last move's or a later."""
    if row.changed_at is None:
        return
    moved_at = job.moved_at or 0
    if not job.has_changed_at or row.changed_at < moved_at:
        findings.problem(
            Check.ROWS,
            job=row.id,
            expected=f"changed_at {moved_at}, or that of a later event of it",
            found=f"changed_at {row.changed_at}",
        )


def _check_end(row: JobFacts, job: Folded, findings: Findings) -> None:
    ended = row.status in TERMINAL
    if job.ends != int(ended):
        expected = "exactly one end" if ended else "no end"
        findings.problem(Check.ENDS, job=row.id, expected=expected, found=f"{job.ends} ends")
    if row.completed_at != job.completed_at or (row.completed_at is not None) != ended:
        found = f"completed_at {row.completed_at} of a job that is {row.status}"
        expected = f"completed_at {job.completed_at if ended else None}"
        findings.problem(Check.ENDS, job=row.id, expected=expected, found=found)
    if row.has_result and row.status is not Status.COMPLETED:
        expected = "a result only when completed"
        findings.problem(Check.ENDS, job=row.id, expected=expected, found=f"one while {row.status}")
    if row.held is not None and row.status is not Status.PENDING:
        expected = "held only while pending"
        findings.problem(Check.HOLDS, job=row.id, expected=expected, found=f"while {row.status}")


def _check_times(row: JobFacts, job: Folded, findings: Findings) -> None:
    told = (job.created_at, job.started_at, job.attempt_started_at)
    kept = (row.created_at, row.started_at, row.attempt_started_at)
    if told != kept:
        _differ(findings, Check.TIMES, row.id, _TIMES, told, kept)
    if row.ready_at not in job.ready_stamps and (row.ready_at is not None or job.ready_stamps):
        expected = f"ready_at {_either(job.ready_stamps)}"
        found = f"ready_at {row.ready_at}"
        findings.problem(Check.TIMES, job=row.id, expected=expected, found=found)
    for before, earlier, after, later, strictly in (
        ("created_at", row.created_at, "ready_at", row.ready_at, False),
        ("created_at", row.created_at, "started_at", row.started_at, True),
        ("first ready", job.first_ready_at, "started_at", row.started_at, False),
        ("started_at", row.started_at, "attempt_started_at", row.attempt_started_at, False),
        ("attempt_started_at", row.attempt_started_at, "completed_at", row.completed_at, True),
    ):
        if later is None or earlier is None:
            continue
        if later < earlier or (strictly and later == earlier):
            expected = f"{before} before {after}"
            found = f"{before} {earlier}, {after} {later}"
            findings.problem(Check.TIMES, job=row.id, expected=expected, found=found)


_TIMES: Final = ("created_at", "started_at", "attempt_started_at")


def _check_counters(row: JobFacts, job: Folded, findings: Findings) -> None:
    counted = job.counted
    told = (counted.failures, counted.losses, counted.interruptions, counted.snoozes)
    kept = (row.failures, row.losses, row.interruptions, row.snoozes)
    if told != kept:
        _differ(findings, Check.COUNTERS, row.id, _COUNTERS, told, kept)
    if row.fence > 1 + sum(kept):
        expected = f"at most {1 + sum(kept)} attempts: each new one has a reason"
        findings.problem(Check.COUNTERS, job=row.id, expected=expected, found=f"{row.fence}")
    for name, spent, budget in (
        ("failures", row.failures, row.retries),
        ("losses", row.losses, row.losses_allowed),
    ):
        if spent > budget + 1:
            expected = f"at most {budget + 1} {name}"
            findings.problem(Check.COUNTERS, job=row.id, expected=expected, found=f"{spent}")


_COUNTERS: Final = ("failures", "losses", "interruptions", "snoozes")


def _check_files(row: JobFacts, job: Folded, kept: int, findings: Findings) -> None:
    """A job has the files its events tell of; a retry shares others; a draft that was given up
    has none any more."""
    expected = 0 if job.given_up else row.attachments
    if kept != expected:
        found = f"{kept} of them"
        text = f"{expected} files"
        findings.problem(Check.ATTACHMENTS, job=row.id, expected=text, found=found)
    told = len(job.attached)
    if row.attachments < told or (row.attachments > told and row.retried_from is None):
        text = f"{told} files, as its events tell"
        found = f"the row counts {row.attachments}"
        findings.problem(Check.ATTACHMENTS, job=row.id, expected=text, found=found)
    if job.released is not None:
        _check_release(row, job, findings)


def _check_release(row: JobFacts, job: Folded, findings: Findings) -> None:
    try:
        listed = _decode_release(job.released or "").attachments
        told = [msgspec.json.decode(file) for file in job.attached]
    except msgspec.DecodeError as error:
        expected = "files as JSON on the ledger"
        findings.problem(Check.ATTACHMENTS, job=row.id, expected=expected, found=error)
        return
    if len(listed) != row.attachments or not all(one in listed for one in told):
        expected = f"a release that lists {row.attachments} files, those attached among them"
        found = f"one that lists {len(listed)}"
        findings.problem(Check.ATTACHMENTS, job=row.id, expected=expected, found=found)


class _Release(msgspec.Struct):
    attachments: list[dict[str, object]]


_decode_release = msgspec.json.Decoder(_Release).decode


def _differ(
    findings: Findings,
    check: Check,
    job_id: int,
    names: list[str] | tuple[str, ...],
    told: list[object] | tuple[object, ...],
    kept: list[object] | tuple[object, ...],
) -> None:
    """Name the columns in which a row is not what its ledger says."""
    differing = [
        (name, one, other)
        for name, one, other in zip(names, told, kept, strict=True)
        if one != other
    ]
    findings.problem(
        check,
        job=job_id,
        expected=", ".join(f"{name} {one}" for name, one, _ in differing) + " (by the ledger)",
        found=", ".join(f"{name} {other}" for name, _, other in differing) + " (in the row)",
    )


def _either(stamps: set[int]) -> str:
    return " or ".join(map(str, sorted(stamps))) or "None"
