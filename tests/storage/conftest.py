"""The stores that the behavioural suite runs on. A new store adds a line to `MAKERS`.

A maker imports its store itself, so that the tests of one store need no other's driver.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.storage.driving import Place, Writer

from overseen_storage.store import Store

OWNER_WAIT_SECONDS = 0.0  # nobody else gives a lock up while a test waits


def sqlite_file(path: Path) -> Store:
    """The default: a file, through a thread."""
    from overseen_storage.sqlite.store import SqliteStore

    return SqliteStore(path, owner_wait_seconds=OWNER_WAIT_SECONDS)


def sqlite_memory(path: Path) -> Store:
    """A database without a file: each store has its own."""
    from overseen_storage.sqlite.store import SqliteStore

    return SqliteStore(":memory:", owner_wait_seconds=OWNER_WAIT_SECONDS)


def sqlite_inline(path: Path) -> Store:
    """A file, on the loop's own thread, as under simulated time; not flushed, unlike the first."""
    from overseen_storage.sqlite.hop import InlineConnector
    from overseen_storage.sqlite.store import SqliteStore

    return SqliteStore(
        path,
        synchronous="normal",
        connector=InlineConnector(),
        owner_wait_seconds=OWNER_WAIT_SECONDS,
    )


MAKERS: dict[str, Callable[[Path], Store]] = {
    "sqlite-file": sqlite_file,
    "sqlite-memory": sqlite_memory,
    "sqlite-inline": sqlite_inline,
}
DURABLE = sorted(MAKERS.keys() - {"sqlite-memory"})


def new_place(name: str, path: Path) -> Place:
    """Somewhere to keep jobs, empty."""
    return Place(name, lambda: MAKERS[name](path))


@pytest.fixture(params=sorted(MAKERS))
def new_places(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Place]:
    """As many empty places of one kind as a test wants."""
    name = str(request.param)
    numbers = iter(range(1_000_000))
    return lambda: new_place(name, tmp_path / f"{next(numbers)}.db")


@pytest.fixture
def place(new_places: Callable[[], Place]) -> Place:
    """One empty place, of each kind."""
    return new_places()


@pytest.fixture(params=DURABLE)
def durable_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """One empty place, of each kind that outlives the store object."""
    return new_place(str(request.param), tmp_path / "jobs.db")


@pytest.fixture
async def writer(place: Place) -> AsyncIterator[Writer]:
    """An open store of each kind, with what a supervisor knows about it."""
    async with Writer(place.make()) as writer:
        yield writer


@pytest.fixture
def store(writer: Writer) -> Store:
    """The store that `writer` writes to."""
    return writer.store
