"""The files of a job, brought before its body begins: read from the rows, compared."""

from __future__ import annotations

import asyncio
from typing import Final

from overseen.attachments.folder import Folder
from overseen.attachments.given import Attachment, Attachments
from overseen_storage.errors import StoreUnavailable
from overseen_storage.records import AttachmentRecord
from overseen_storage.store import Store

__all__ = ["bring"]

TROUBLE_SECONDS: Final = 1.0
"""Pause after the store failed: that is never a job's outcome, so the body waits."""


async def bring(store: Store, folder: Folder, job_id: int) -> Attachments:
    """Return the files of a job, each compared with its size and digest.

    Raises `AttachmentDamaged` and `FileNotRead`.
    """
    rows = await _read(store, job_id)
    for row in rows:
        await folder.verify(row.stored_name, row.digest, row.size_bytes)
    return Attachments(_given(folder, row) for row in rows)


async def _read(store: Store, job_id: int) -> list[AttachmentRecord]:
    while True:
        try:
            return await store.attachments(job_id)
        except StoreUnavailable:
            await asyncio.sleep(TROUBLE_SECONDS)


def _given(folder: Folder, row: AttachmentRecord) -> Attachment:
    return Attachment(
        name=row.name,
        path=folder.path_of(row.stored_name),
        size_bytes=row.size_bytes,
        digest=row.digest,
        created_at=row.created_at,
        work=folder.work,
    )
