"""As many histories as CI has time for; each must keep every promise. `dev.py sim` plays more."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.sim.history import play_all
from tests.sim.options import options_of, reference_options, small_options
from tests.sim.telling import no_violations

SMALL_CHUNKS = 8
SMALL_OF_A_CHUNK = 125
MIXED_CHUNKS = 4
MIXED_OF_A_CHUNK = 15


@pytest.mark.parametrize("chunk", range(SMALL_CHUNKS))
def test_small_histories_keep_every_promise(chunk: int) -> None:
    """I1 to I30, L1 to L6: whatever one client does and whatever goes wrong, in 1,000 histories of
    two lives no promise is broken, and everything has ended in bounded time."""
    first = 1_000_000 + chunk * SMALL_OF_A_CHUNK
    no_violations(play_all(map(small_options, range(first, first + SMALL_OF_A_CHUNK))))


@pytest.mark.parametrize("chunk", range(MIXED_CHUNKS))
def test_mixed_histories_keep_every_promise(chunk: int) -> None:
    """The same with several clients, more faults, and up to four lives."""
    first = 2_000_000 + chunk * MIXED_OF_A_CHUNK
    no_violations(play_all(map(options_of, range(first, first + MIXED_OF_A_CHUNK))))


def test_histories_of_the_reference_shape_end_as_they_should() -> None:
    """Five jobs that fail, retry and time out, three slots: the shape that speed is measured on."""
    ends: Counter[str] = Counter()
    for record in no_violations(play_all(map(reference_options, range(20)))):
        ends.update({name: record.sometimes[f"event {name}"] for name in ("completed", "failed")})
    assert ends == {"completed": 100, "failed": 0}
