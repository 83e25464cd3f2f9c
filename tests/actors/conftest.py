"""Every asynchronous test in here runs in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from overseen_actors import VirtualLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], VirtualLoop]]:
    """Give each test a virtual loop of its own."""
    return {"virtual": VirtualLoop}
