"""Random histories: the store and a model of it in plain Python agree on every answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.storage.drafting import ORDER, Operation
from tests.storage.driving import Place
from tests.storage.play import BETWEEN, Play

OFTEN = (
    *("submit", "submit", "submit", "submit", "claim", "claim", "claim", "claim"),
    *("finish", "finish", "finish", "finish", "finish", "put_back", "request_cancel"),
    *("draft_order", "draft_order", "draft_order"),
    *("batch_order", "batch_order", "batch_order", "batch_order", "batch_order"),
)

operations = st.tuples(
    st.sampled_from([*ORDER, *OFTEN]), st.integers(0, 1_000), st.integers(0, 1_000)
)
groups = st.lists(operations, min_size=5, max_size=14)
histories = st.lists(
    st.one_of(groups, groups, groups, groups, st.sampled_from(BETWEEN)), min_size=8, max_size=24
)


@pytest.mark.timeout(600)  # some seconds when it passes; making a failure small takes minutes
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,  # the same histories in every run; the simulation looks for new ones
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=histories)
async def test_a_store_does_what_the_model_does(
    new_places: Callable[[], Place], steps: list[list[Operation] | str]
) -> None:
    """I1-I6, I9-I11, I17, I22-I24: rows, misses, answers and events agree in any history."""
    await Play(new_places()).run(steps)
