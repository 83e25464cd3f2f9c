"""The files of a job, brought before its body begins: read from the rows, compared."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from overseen.attachments.errors import FileNotRead
from overseen.attachments.folder import Folder
from overseen.attachments.given import Attachment, Attachments
from overseen_storage.errors import StoreUnavailable
from overseen_storage.records import AttachmentRecord
from overseen_storage.store import Store

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Bringing"]

TROUBLE_SECONDS: Final = (1.0, 15.0)
"""The first pause after the store or the disk failed; each is twice the last; and the longest."""


class Bringing:
    """Brings the files of jobs. A store or a disk that fails is never a job's outcome: it is asked
    again, until it answers or the attempt is told to stop (its run timeout, a cancel, the end)."""

    def __init__(self, store: Store, folder: Folder, log: FilteringBoundLogger) -> None:
        self._store = store
        self._folder = folder
        self._log = log

    async def bring(self, job_id: int) -> Attachments:
        """Return the files of a job, each compared with its size and digest.

        Raises `AttachmentDamaged`.
        """
        rows = await self._read(job_id)
        for row in rows:
            await self._compare(job_id, row)
        return Attachments(_given(self._folder, row) for row in rows)

    async def _read(self, job_id: int) -> list[AttachmentRecord]:
        pause = _Pause()
        while True:
            try:
                return await self._store.attachments(job_id)
            except StoreUnavailable:  # the supervisor tells of it
                await pause.take()

    async def _compare(self, job_id: int, row: AttachmentRecord) -> None:
        pause = _Pause()
        while True:
            try:
                return await self._folder.verify(row.stored_name, row.digest, row.size_bytes)
            except FileNotRead as error:
                self._log.warning(
                    "files.not_read", job_id=job_id, error=str(error), again_seconds=pause.seconds
                )
                await pause.take()


class _Pause:
    def __init__(self) -> None:
        self.seconds, self._seconds_max = TROUBLE_SECONDS

    async def take(self) -> None:
        await asyncio.sleep(self.seconds)
        self.seconds = min(2 * self.seconds, self._seconds_max)


def _given(folder: Folder, row: AttachmentRecord) -> Attachment:
    return Attachment(
        name=row.name,
        path=folder.path_of(row.stored_name),
        size_bytes=row.size_bytes,
        digest=row.digest,
        created_at=row.created_at,
        work=folder.work,
    )
