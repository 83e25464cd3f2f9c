"""What generated numbers mean as orders to drafts, and as retries of jobs with files."""

from __future__ import annotations

from collections.abc import Iterator

from tests.storage.driving import SECOND, new_job
from tests.storage.filing import attach, new_draft, new_retry, release
from tests.storage.model import Model

from overseen_storage.items import NewJob
from overseen_storage.lifecycle import TERMINAL, Cause
from overseen_storage.orders import Attach, KeepDraft, Release

NAMES = ("a", "b", "c")
REQUIRED = ((), (), ("a",), ("a", "b"))
EXTENSIONS_US = (SECOND, 1_000 * SECOND, 5_000 * SECOND)


def draft_order(
    job_id: int, pick: int, variant: int, at: int, numbers: Iterator[int]
) -> Attach | KeepDraft | Release:
    """An order to this job."""
    expires_at = at + EXTENSIONS_US[pick % 3]
    match variant % 6:
        case 0 | 1 | 2:
            name = NAMES[pick % 3]
            return attach(job_id, name, f"file{next(numbers)}", expires_at=expires_at)
        case 3:
            return KeepDraft(job_id, expires_at)
        case _:
            cause = (Cause.CALLER, Cause.CALLER, Cause.OPERATOR)[pick % 3]
            return release(job_id, *REQUIRED[pick % 4], cause=cause)


def retry(model: Model, queue: str, pick: int, variant: int) -> NewJob:
    """A job, or a draft, that is a retry: mostly of one with files."""
    jobs = sorted(model.jobs.values(), key=lambda job: -job.id)
    some = [
        *[job.id for job in jobs if model.files.given.get(job.id)],
        *[job.id for job in jobs if job.status in TERMINAL][:4],
        model.last_id + 9,
    ]
    gone = [job.id for job in jobs if model.files.are_gone(job.id)]
    job_id = gone[0] if gone and pick % 3 == 0 else some[pick % len(some)]
    again = new_job(queue=queue)
    if variant // 10 % 3 == 0:
        return new_draft(again, retried_from=job_id)
    return new_retry(job_id, again)
