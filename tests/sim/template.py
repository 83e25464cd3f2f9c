"""An empty database of the present schema, made once in a process: migrating takes as long as the
rest of a small history."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from overseen_actors import run_virtual
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore


@functools.cache
def template() -> bytes:
    """The file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "template.db")
        run_virtual(_make(SqliteStore(path, synchronous="normal", connector=InlineConnector())))
        return path.read_bytes()


async def _make(store: SqliteStore) -> None:
    await store.open(at=1, pid=1, host="template", version="0")
    await store.close(at=2)


def put_template(database: Path) -> None:
    """Put it there."""
    database.write_bytes(template())
