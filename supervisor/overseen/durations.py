"""Durations as people write them: a number of seconds, ``"10m"``, ``"1h30m"``, a timedelta."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Final, TypeAlias

from overseen.errors import InvalidOption

__all__ = ["DURATION_SECONDS_MAX", "Duration", "format_seconds", "microseconds", "seconds"]

Duration: TypeAlias = float | int | str | timedelta
"""Seconds as a number, or text such as ``"250ms"``, ``"10m"``, ``"1h30m"``, or a timedelta."""

DURATION_SECONDS_MAX: Final = 100 * 365 * 86_400.0
"""A hundred years: far beyond any use, and safe to add to a stamp in 64 bits."""

_UNITS: Final = (("w", 604_800.0), ("d", 86_400.0), ("h", 3_600.0), ("m", 60.0), ("s", 1.0))
_TEXT: Final = re.compile(
    "".join(rf"(?:([0-9]+(?:\.[0-9]+)?)\s*{unit}\s*)?" for unit, _ in _UNITS)
    + r"(?:([0-9]+(?:\.[0-9]+)?)\s*ms\s*)?"
)
_FACTORS: Final = (*(factor for _, factor in _UNITS), 0.001)
_EXAMPLES: Final = 'seconds as a number, or text like "250ms", "10m", "1h30m", "2d"'


def seconds(value: Duration, *, name: str = "duration") -> float:
    """Turn a duration into seconds, from 0 to a hundred years.

    Text is a number with a unit (``w``, ``d``, ``h``, ``m``, ``s``, ``ms``), or several from the
    largest unit to the smallest. Text without a unit is refused: it could mean anything.

    Raises `InvalidOption`, under `name`, for NaN, infinity, negative numbers, booleans and
    text of another form.

    >>> seconds("1h30m")
    5400.0
    """
    number = _number(value, name)
    if not 0 <= number <= DURATION_SECONDS_MAX:  # NaN is refused here as well
        raise InvalidOption(name, value, "a duration from 0 to 100 years")
    return number


def microseconds(value: Duration, *, name: str = "duration") -> int:
    """Turn a duration into whole microseconds, the unit in which everything is kept.

    Raises as `seconds`. What is longer than nothing stays at least one microsecond.

    >>> microseconds("250ms")
    250000
    """
    number = seconds(value, name=name)
    return max(round(number * 1_000_000), 1 if number > 0 else 0)


def format_seconds(value: float) -> str:
    """Write seconds in the shortest form that `seconds` reads back, to the microsecond.

    >>> format_seconds(5400.25)
    '1h30m0.25s'
    """
    if not math.isfinite(value) or value < 0:
        raise InvalidOption("value", value, "a finite number of seconds, not negative")
    rest = round(value * 1_000_000)
    if 0 < rest < 1_000_000:
        return f"{_decimal(rest, 1_000)}ms"
    parts: list[str] = []
    for unit, factor in _UNITS[1:-1]:  # weeks read worse than days
        count, rest = divmod(rest, int(factor) * 1_000_000)
        if count:
            parts.append(f"{count}{unit}")
    if rest or not parts:
        parts.append(f"{_decimal(rest, 1_000_000)}s")
    return "".join(parts)


def _number(value: object, name: str) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        return _parsed(value, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidOption(name, value, _EXAMPLES)
    try:
        return float(value)
    except OverflowError:
        raise InvalidOption(name, value, "a duration from 0 to 100 years") from None


def _parsed(text: str, name: str) -> float:
    match = _TEXT.fullmatch(text.strip())
    if match is None or match.lastindex is None:
        raise InvalidOption(name, text, _EXAMPLES)
    counts: tuple[str | None, ...] = match.groups()
    return sum(
        float(count) * factor
        for count, factor in zip(counts, _FACTORS, strict=True)
        if count is not None
    )


def _decimal(count: int, unit: int) -> str:
    whole, fraction = divmod(count, unit)
    digits = str(fraction).zfill(len(str(unit)) - 1).rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
