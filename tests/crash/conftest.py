"""Processes that are killed, or whose disk fails: where they come from, and what they do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from tests.crash.nursery import Nursery
from tests.crash.points import Stage, plan


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Makes the processes, in milliseconds."""
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="session")
def stages(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Sequence[Stage]:
    """The history, lived once, and the system calls it makes."""
    return plan(nursery, tmp_path_factory.mktemp("stages"))
