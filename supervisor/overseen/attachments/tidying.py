"""The tidier: removes files that no job uses any more.

A file is freed by the transaction that deletes the last row which names it, so it may go as soon
as that is on disk. What a crash leaves behind (a file whose row was never written, a part of one)
is found at the next start, when the folder is compared with the rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from overseen.attachments.folder import Folder
from overseen.errors import OutcomeUnknown
from overseen_storage.errors import StoreClosed, StoreError
from overseen_storage.orders import Obeyed, OrderAnswer
from overseen_storage.store import Store

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Tidier"]

TROUBLE_SECONDS: Final = 1.0
"""Pause after the store failed."""


class Tidier:
    """Files that may go. An actor of its own: removing files may take long."""

    def __init__(
        self,
        *,
        store: Store,
        folder: Folder,
        is_of_this_life: Callable[[str], bool],
        log: FilteringBoundLogger,
    ) -> None:
        self._store = store
        self._folder = folder
        self._is_of_this_life = is_of_this_life
        self._log = log
        self._freed: dict[str, None] = {}
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._looked_for_orphans = False

    def freed(self, names: Iterable[str]) -> None:
        """No row names these any more, on disk."""
        for name in names:
            self._freed[name] = None
        self._idle.clear()
        self._wanted.set()

    def removes_unless_obeyed(self, reply: asyncio.Future[OrderAnswer], name: str) -> None:
        """Whoever wrote this file does not wait for the answer to its order any more: the file
        goes if no row came to name it."""
        reply.add_done_callback(lambda answered: self._answered(answered, name))

    def _answered(self, reply: asyncio.Future[OrderAnswer], name: str) -> None:
        if not reply.cancelled():
            error = reply.exception()
            if isinstance(error, OutcomeUnknown):
                return  # its row may be on disk: the next start looks
            if error is None and isinstance(reply.result(), Obeyed):
                return
        self.freed([name])

    async def idle(self) -> None:
        """Return once everything that was freed is removed."""
        await self._idle.wait()

    async def run(self) -> None:
        """One life of the actor."""
        while not self._looked_for_orphans:
            try:
                await self._look_for_orphans()
            except StoreClosed:
                return
            except StoreError:
                await asyncio.sleep(TROUBLE_SECONDS)
        while True:
            while self._freed:
                names = list(self._freed)
                self._freed.clear()
                await self._remove(names)
            self._idle.set()
            await self._wanted.wait()
            self._wanted.clear()

    async def _look_for_orphans(self) -> None:
        """What lies in the folder and in no row, left by an earlier life. Files of this life may be
        on their way to their rows."""
        if await self._folder.orphans(()):
            used = await self._store.stored_files()
            orphans = [
                name for name in await self._folder.orphans(used) if not self._is_of_this_life(name)
            ]
            if orphans:
                self._log.info("files.orphaned", files=len(orphans))
                await self._remove(orphans)
        self._looked_for_orphans = True

    async def _remove(self, names: list[str]) -> None:
        for kept in await self._folder.remove(names):
            self._log.warning("file.not_removed", file=kept.stored_name, error=kept.why)
