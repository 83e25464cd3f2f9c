"""Retries of jobs that have files: the new job has the same ones. Nothing is copied on disk."""

from __future__ import annotations

import msgspec

from overseen_storage.answers import Refused
from overseen_storage.sqlite.rows import document
from overseen_storage.sqlite.writer import Writer, is_storable

_decode_ids = msgspec.json.Decoder(list[int]).decode


def need_care(writer: Writer, retried: set[int]) -> set[int]:
    """Those of the jobs to be retried that have files, or are not there any more."""
    ids = document(sorted(filter(is_storable, retried)))
    return set(_decode_ids(writer.text("retried_with_care", ids=ids)))


def files_to_share(writer: Writer, retried: int) -> int | None:
    """How many files a job has to share; None if not all that it was given are there."""
    row = writer.one("files_left", id=retried)
    return row[0] if row is not None and row[0] == row[1] and isinstance(row[0], int) else None


def share_files(writer: Writer, retried: int, job_id: int, count: int, at: int) -> None:
    """A new job has the files of the one that it is a retry of."""
    writer.run("share_attachments", id=job_id, retried_from=retried, at=at)
    writer.run("set_attachments", id=job_id, attachments=count)


def refuse_files(index: int, retried: int) -> Refused:
    """The answer to a retry whose files are not there."""
    message = (
        f"Job {retried} cannot be retried: the job, or its files, are not there any more (pruned, "
        "or given up as a draft). Submit a new draft, with the files attached again."
    )
    return Refused(index, "files_gone", message)
