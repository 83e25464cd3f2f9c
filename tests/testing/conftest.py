"""Every asynchronous test here runs on the loop of the test kit, as users' tests do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from overseen.testing import SimulatedLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], SimulatedLoop]]:
    """Give each test a simulated loop of its own."""
    return {"simulated": SimulatedLoop}
