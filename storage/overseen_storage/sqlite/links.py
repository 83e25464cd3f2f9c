"""The two connections of a store: one that writes, one that reads."""

from __future__ import annotations

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

    __slots__ = ("_busy_ms", "_connector", "_path", "reader", "writer")

    def __init__(self, connector: Connector, path: str, busy_ms: int, writer: Link) -> None:
        self._connector = connector
        self._path = path
        self._busy_ms = busy_ms
        self.writer = writer
        self.reader = writer

    async def add_reader(self) -> None:
        """Connect the reader; the database must be there by now."""
        if self._path == MEMORY:
            return
        self.reader = await self._connector.connect(self._path, read_only=True)
        await self.reader.run(lambda connection: configure_reader(connection, self._busy_ms))

    async def close(self) -> None:
        """Close both. The writer goes last: it then is the only one, and folds up the log."""
        try:
            if self.reader is not self.writer:
                await self.reader.close()
        finally:
            await self.writer.close()


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
