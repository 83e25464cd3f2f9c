"""The connections of a store: one that writes, one that reads, one for reads that take long."""

from __future__ import annotations

import asyncio

from overseen_storage.errors import StoreUnavailable
from overseen_storage.sqlite.hop import Connector, Link
from overseen_storage.sqlite.opening import (
    MEMORY,
    Synchronous,
    check_ours,
    configure_reader,
    configure_writer,
)


class Links:
    """Reads of a file have a connection of their own; those of ``:memory:``, which nobody else
    can reach, go through the writer."""

    __slots__ = (
        *("_aside", "_busy_ms", "_closed", "_connector", "_path"),
        *("reader", "writer"),
    )

    def __init__(self, connector: Connector, path: str, busy_ms: int, writer: Link) -> None:
        self._connector = connector
        self._path = path
        self._busy_ms = busy_ms
        self.writer = writer
        self.reader = writer
        self._aside: asyncio.Task[Link] | None = None
        self._closed = False

    async def add_reader(self) -> None:
        """Connect the reader; the database must be there by now."""
        if self._path == MEMORY:
            return
        self.reader = await self._connect_reader()

    async def _connect_reader(self) -> Link:
        link = await self._connector.connect(self._path, read_only=True)
        try:
            await link.run(lambda connection: configure_reader(connection, self._busy_ms))
        except BaseException:
            await link.close()
            raise
        return link

    async def aside(self) -> Link:
        """The connection for reads that take long; it is made when it is first needed."""
        if self._path == MEMORY:
            return self.writer
        if self._closed:
            raise StoreUnavailable(f"{self._path}: the connection was closed meanwhile.")
        if self._aside is None or _failed(self._aside):
            # Whoever waits for it may give up; the connection is made all the same, and kept.
            self._aside = asyncio.get_running_loop().create_task(self._connect_reader())
        return await asyncio.shield(self._aside)

    async def close(self) -> None:
        """Close all. The writer goes last: it then is the only one, and folds up the log."""
        self._closed = True
        try:
            await self._close_aside()
        finally:
            try:
                if self.reader is not self.writer:
                    await self.reader.close()
            finally:
                await self.writer.close()

    async def _close_aside(self) -> None:
        if self._aside is None:
            return
        await asyncio.wait({self._aside})
        if not _failed(self._aside):
            await self._aside.result().close()


def _failed(connecting: asyncio.Task[Link]) -> bool:
    done = connecting.done()
    return done and (connecting.cancelled() or connecting.exception() is not None)


async def connect(
    connector: Connector, path: str, synchronous: Synchronous, busy_ms: int
) -> tuple[Links, int]:
    """Connect the writer to a database that is ours, or empty; the version of its schema.

    Nothing is changed in a database that is not ours.
    """
    writer = await connector.connect(path, read_only=False)
    try:
        version = await writer.run(lambda connection: check_ours(connection, path))
        await writer.run(
            lambda connection: configure_writer(connection, path, synchronous, busy_ms)
        )
    except BaseException:
        await writer.close()
        raise
    return Links(connector, path, busy_ms, writer), version
