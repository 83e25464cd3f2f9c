"""Backoff: its growth, its cap, its jitter; and which errors are worth another attempt."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overseen.errors import InvalidOption
from overseen.retry_policy import Backoff, delay_seconds, should_retry


class GiveUp(Exception):
    pass


def test_the_cap_doubles_until_the_maximum() -> None:
    """By default the cap is 1 s, doubled by each failure, and never above an hour."""
    backoff = Backoff()
    assert [backoff.cap_seconds(n) for n in (1, 2, 3, 12, 13, 14)] == [1, 2, 4, 2_048, 3_600, 3_600]


def test_full_jitter_spreads_evenly_below_the_cap() -> None:
    """The delay is the draw times the cap, from nothing up."""
    assert [delay_seconds(Backoff(), 3, None, iter([r]).__next__) for r in (0.0, 0.25, 0.5)] == [
        *(0, 1, 2),
    ]


def test_without_jitter_the_delay_is_the_cap() -> None:
    """`jitter="none"` does not draw at all."""
    backoff = Backoff(initial="5s", factor=3, maximum="1m", jitter="none")
    assert [delay_seconds(backoff, n, None, lambda: math.nan) for n in (1, 2, 3)] == [5, 15, 45]


@given(
    initial=st.floats(0, 1e6),
    factor=st.floats(1, 1_000),
    failures=st.integers(1, 10**400),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_a_delay_stays_in_its_bounds(
    initial: float, factor: float, failures: int, draw: float
) -> None:
    """However many failures there were, the delay is finite, not negative and at most the cap."""
    backoff = Backoff(initial=initial, factor=factor, maximum=1e6)
    assert 0 <= delay_seconds(backoff, failures, None, lambda: draw) <= 1e6


@given(failures=st.integers(1, 2_000))
def test_more_failures_never_shorten_the_cap(failures: int) -> None:
    """The cap never falls, also where the power overflows."""
    backoff = Backoff(initial=1e-5, factor=7, maximum="365d")
    assert backoff.cap_seconds(failures) <= backoff.cap_seconds(failures + 1)


def test_no_initial_delay_is_no_delay() -> None:
    """`initial=0` retries at once, for ever."""
    assert Backoff(initial=0).cap_seconds(10**6) == 0


def test_a_function_decides_by_failures_and_error() -> None:
    """A user's own backoff gets the failures and the error, and may answer with text."""
    seen: list[tuple[int, BaseException | None]] = []
    error = ValueError("x")

    def own(failures: int, error: BaseException | None) -> str:
        seen.append((failures, error))
        return "2m"

    assert delay_seconds(own, 4, error, lambda: 0.5) == 120
    assert seen == [(4, error)]


@pytest.mark.parametrize("junk", [-1, math.nan, math.inf, "soon", None])
def test_a_function_that_returns_no_duration_is_refused(junk: Any) -> None:
    """A nonsense delay is an error with a name, not a job that waits for ever."""
    with pytest.raises(InvalidOption, match=r"backoff\(\.\.\.\)"):
        delay_seconds(lambda failures, error: junk, 1, None, lambda: 0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"initial": -1},
        {"initial": "soon"},
        {"maximum": math.inf},
        {"initial": "2h"},
        {"factor": 0.5},
        {"factor": math.nan},
        {"factor": True},
        {"factor": "2"},
        {"jitter": "some"},
    ],
)
def test_a_backoff_is_checked_where_it_is_made(wrong: dict[str, Any]) -> None:
    """Options outside their bounds are refused under their name."""
    with pytest.raises(InvalidOption, match=r"backoff\."):
        Backoff(**wrong)


def test_the_attempts_counted_start_at_one() -> None:
    """Asking for the delay before anything failed is a mistake."""
    with pytest.raises(InvalidOption):
        Backoff().cap_seconds(0)


def test_only_the_named_errors_are_retried() -> None:
    """An error is retried when `retry_on` names its class or a base of it."""
    assert should_retry(ConnectionError(), (OSError,))
    assert not should_retry(ValueError(), (OSError,))
    assert not should_retry(ValueError(), ())
    assert not should_retry(KeyboardInterrupt(), (Exception,))


def test_abandoning_wins() -> None:
    """An error that abandons the job is not retried although `retry_on` would take it."""
    assert not should_retry(GiveUp(), (Exception,), (GiveUp,))
    group = ExceptionGroup("g", [OSError(), ExceptionGroup("inner", [GiveUp()])])
    assert not should_retry(group, (Exception,), (GiveUp,))


def test_a_group_is_retried_when_all_in_it_are() -> None:
    """What a TaskGroup raises is judged by the errors inside, however deep."""
    inner = ExceptionGroup("inner", [TimeoutError()])
    assert should_retry(ExceptionGroup("g", [ConnectionError(), inner]), (OSError,))
    assert not should_retry(ExceptionGroup("g", [ConnectionError(), ValueError()]), (OSError,))
    assert should_retry(ExceptionGroup("g", [ValueError()]), (ExceptionGroup,))
    mixed = BaseExceptionGroup("g", [KeyboardInterrupt(), OSError()])
    assert not should_retry(mixed, (Exception,))
