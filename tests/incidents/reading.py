"""What is left when a scenario is over, read from the file by a fresh store."""

from __future__ import annotations

from pathlib import Path

from tests.storage.checkers import check_everything
from tests.storage.driving import Writer

from overseen_storage.records import Event, JobRecord
from overseen_storage.sqlite.hop import InlineConnector
from overseen_storage.sqlite.store import SqliteStore

LATER = 4_000_000_000_000_000
"""A stamp after every scenario, in microseconds."""


def store_of(database: Path) -> SqliteStore:
    """A store whose transactions run on the loop's own thread."""
    return SqliteStore(database, connector=InlineConnector(), owner_wait_seconds=0)


async def read_back(database: Path) -> tuple[dict[int, JobRecord], list[Event]]:
    """Every row and the whole ledger, after all checks of rows against ledger."""
    async with Writer(store_of(database), wall=LATER) as reader:
        rows, ledger = await reader.rows(), await reader.ledger()
    check_everything(rows, ledger)
    return rows, ledger
