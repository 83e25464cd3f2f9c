"""Durations: what is read, what is refused, and that writing and reading agree."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overseen.durations import (
    DURATION_SECONDS_MAX,
    Duration,
    format_seconds,
    microseconds,
    seconds,
)
from overseen.errors import InvalidOption


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0.0),
        (1.5, 1.5),
        ("250ms", 0.25),
        ("10m", 600.0),
        ("1h30m", 5_400.0),
        (" 1h 30m ", 5_400.0),
        ("1.5h", 5_400.0),
        ("2d", 172_800.0),
        ("1w", 604_800.0),
        ("1s500ms", 1.5),
        (timedelta(minutes=1), 60.0),
    ],
)
def test_reads_numbers_texts_and_timedeltas(value: Duration, expected: float) -> None:
    """Numbers are seconds; text is a number with a unit, or several from large to small."""
    assert seconds(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(math.nan, math.inf, -1, -0.001, True, None, [], 10**400, DURATION_SECONDS_MAX * 2),
        *(
            "",
            " ",
            "10",
            "m",
            "30m1h",
            "1m1m",
            "-1s",
            "1e5s",
            "10 minutes",
            "inf s",
            "\uff11s",
            "1.s",
        ),
        *(timedelta(seconds=-1), "99999999w"),
    ],
)
def test_refuses_what_is_no_duration(value: Duration) -> None:
    """NaN, infinity, negative numbers, booleans and other text are refused under their name."""
    with pytest.raises(InvalidOption, match=r"timeout=.* must be") as caught:
        seconds(value, name="timeout")
    assert caught.value.name == "timeout"


def test_the_error_shows_how_to_write_one() -> None:
    """The error for text without a unit has examples."""
    with pytest.raises(InvalidOption, match='"10m", "1h30m"'):
        seconds("10")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (1.5, "1.5s"),
        (5_400, "1h30m"),
        (172_800, "2d"),
        (1e-6, "0.001ms"),
    ],
)
def test_writes_the_shortest_form(value: float, text: str) -> None:
    """A number of seconds is written as people would."""
    assert format_seconds(value) == text


@given(st.floats(min_value=0, max_value=DURATION_SECONDS_MAX))
def test_what_is_written_is_read_back(value: float) -> None:
    """Writing and reading a duration keeps it to the microsecond."""
    assert abs(seconds(format_seconds(value)) - value) <= 1e-6


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_writes_no_impossible_duration(value: float) -> None:
    """What could not be read is not written either."""
    with pytest.raises(InvalidOption):
        format_seconds(value)


def test_microseconds_never_round_down_to_nothing() -> None:
    """A duration longer than nothing is at least one microsecond."""
    assert [microseconds(0), microseconds(1e-9), microseconds("1ms")] == [0, 1, 1_000]
