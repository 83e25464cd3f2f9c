"""The tidier: removes files that no job uses any more.

A file is freed by the transaction that deletes the last row which names it, so it may go as soon
as that is on disk. What a crash leaves behind (a file whose row was never written, a part of one)
is found at the next start, when the folder is compared with the rows. Nothing that is wrong with
the folder can do more harm than that files stay: it is looked at again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from overseen.attachments.folder import Folder
from overseen.attachments.stored_names import StoredNames
from overseen.errors import OutcomeUnknown
from overseen_storage.errors import StoreClosed, StoreError
from overseen_storage.orders import Obeyed, OrderAnswer
from overseen_storage.store import Store

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Tidier"]

TROUBLE_SECONDS: Final = (1.0, 60.0)
"""The first pause after the store or the folder failed; each is twice the last; and the longest."""


class Tidier:
    """Files that may go. An actor of its own: removing files may take long."""

    def __init__(
        self,
        *,
        store: Store,
        folder: Folder,
        names: StoredNames,
        log: FilteringBoundLogger,
    ) -> None:
        self._store = store
        self._folder = folder
        self._names = names
        self._log = log
        self._freed: dict[str, None] = {}
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._search_at: float | None = 0.0
        """Loop time of the next look for orphans; None: they were found."""
        self._trouble_seconds, self._trouble_seconds_max = TROUBLE_SECONDS

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
        while True:
            while self._freed:
                names = list(self._freed)
                self._freed.clear()
                await self._remove(names)
            self._idle.set()
            try:
                await self._search_if_due()
            except StoreClosed:
                return
            await self._wait()

    async def _wait(self) -> None:
        """Until something is freed, or the next search is due."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._search_at):
                await self._wanted.wait()
        self._wanted.clear()

    async def _search_if_due(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._search_at is None or now < self._search_at:
            return
        try:
            await self._look_for_orphans()
        except StoreClosed:
            raise
        except StoreError:
            self._search_later(now)
        except OSError as error:
            self._log.warning(
                "files.not_listed",
                folder=str(self._folder.path),
                error=str(error),
                again_seconds=self._trouble_seconds,
            )
            self._search_later(now)
        else:
            self._search_at = None
            self._names.forget()

    def _search_later(self, now: float) -> None:
        self._search_at = now + self._trouble_seconds
        self._trouble_seconds = min(2 * self._trouble_seconds, self._trouble_seconds_max)

    async def _look_for_orphans(self) -> None:
        """What lies in the folder and in no row, left by an earlier life or another database. Files
        of this life may be on their way to their rows."""
        if not await self._folder.orphans(()):
            return
        used = await self._store.stored_files()
        found = await self._folder.orphans(used)
        orphans = [name for name in found if not self._names.was_given(name)]
        if orphans:
            self._log.info("files.orphaned", files=len(orphans))
            await self._remove(orphans)

    async def _remove(self, names: list[str]) -> None:
        for kept in await self._folder.remove(names):
            self._log.warning("file.not_removed", file=kept.stored_name, error=kept.why)
