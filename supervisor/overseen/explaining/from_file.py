"""A job's situation from a database file; a program may own it meanwhile."""

from __future__ import annotations

import os
import sqlite3

from overseen.errors import JobNotFound
from overseen.explaining.situation import AHEAD_MAX, Owner, Situation
from overseen_storage.audit import Ownership
from overseen_storage.audit.opening import ChangedMeanwhile, reading
from overseen_storage.audit.ownership import look_for_owner
from overseen_storage.lifecycle import Status
from overseen_storage.records import JobRecord
from overseen_storage.sqlite.batch_reading import read_batch
from overseen_storage.sqlite.reading import read_ahead, read_history, read_job, read_queues
from overseen_storage.sqlite.translate_errors import translate

__all__ = ["situation_in_file"]


def situation_in_file(path: str | os.PathLike[str], job_id: int, now: int) -> Situation:
    """Read what is known of a job. Nothing is written.

    Raises `JobNotFound`, and `StoreError` for a file that cannot be read.
    """
    try:
        return _read(path, job_id, now)
    except ChangedMeanwhile:
        return _read(path, job_id, now)


def _read(path: str | os.PathLike[str], job_id: int, now: int) -> Situation:
    owner = _owner(look_for_owner(path))
    with reading(path) as connection:
        try:
            job = read_job(connection, job_id)
            if job is None:
                raise JobNotFound(job_id)
            return _situation(connection, job, owner, now)
        except sqlite3.Error as error:
            raise translate(error, os.fspath(path)) from error


def _situation(
    connection: sqlite3.Connection, job: JobRecord, owner: Owner | None, now: int
) -> Situation:
    paused = {one.name: one for one in read_queues(connection)}.get(job.queue)
    waits = job.status is Status.PENDING and job.held is None
    return Situation(
        job=job,
        events=read_history(connection, job.id),
        now=now,
        owner=owner,
        paused_at=paused.paused_at if paused else None,
        paused_by=paused.paused_by if paused else None,
        batch=None if job.batch_id is None else read_batch(connection, job.batch_id),
        ahead=read_ahead(connection, job.id, AHEAD_MAX + 1) if waits else None,
    )


def _owner(found: Ownership) -> Owner | None:
    if found.record is None:
        return None if found.alive is False else Owner("somebody", None)
    return Owner(f"Process {found.record.pid} on {found.record.host}", found.alive)
