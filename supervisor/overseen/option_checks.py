"""The bounds of single options: each check returns the value as it is kept, or refuses it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import msgspec

from overseen.durations import DURATION_SECONDS_MAX, Duration, microseconds
from overseen.errors import InvalidOption

__all__ = [
    "check_count",
    "check_duration",
    "check_mapping",
    "check_moment",
    "check_priority",
    "check_text",
]

PRIORITY_MAX: Final = 1_000
COUNT_MAX: Final = 10_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def check_count(name: str, value: object) -> int:
    """Accept a whole number from 0 to 10,000."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= COUNT_MAX:
        return value
    raise InvalidOption(name, value, f"a whole number from 0 to {COUNT_MAX:,}")


def check_priority(value: object) -> int:
    """Accept a whole number from -1000 to 1000."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= PRIORITY_MAX:
        return value
    bound = f"a whole number from -{PRIORITY_MAX} to {PRIORITY_MAX}; higher goes first"
    raise InvalidOption("priority", value, bound)


def check_duration(name: str, value: object, *, zero: bool = False) -> int | None:
    """Accept a duration, in microseconds; None stays None. Zero only where it makes sense."""
    if value is None:
        return None
    kept = microseconds(cast(Duration, value), name=name)  # it refuses every other type
    if kept == 0 and not zero:
        raise InvalidOption(name, value, "longer than 0; leave it out for no limit")
    return kept


def check_text(name: str, value: object, characters_max: int) -> str:
    """Accept text of 1 to so many characters, without control characters and surrogates."""
    bound = f"text of 1 to {characters_max} characters, none of them a control character"
    if not isinstance(value, str) or not 1 <= len(value) <= characters_max:
        raise InvalidOption(name, value, bound)
    if not value.isprintable() and any(map(_is_unfit, value)):
        raise InvalidOption(name, value, bound)
    return str(value)


def check_moment(name: str, value: object) -> int:
    """Accept a datetime with a time zone; in microseconds since the Unix epoch."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        bound = "a datetime with a time zone, such as datetime(2030, 1, 1, 9, tzinfo=UTC)"
        raise InvalidOption(name, value, bound)
    moment = (value - _EPOCH) // _MICROSECOND
    if not 0 <= moment <= 4 * DURATION_SECONDS_MAX * 1_000_000:
        raise InvalidOption(name, value, "a moment between the years 1970 and 2369")
    return moment


def check_mapping(name: str, value: object, bytes_max: int) -> str:
    """Accept a mapping of text to text; as a JSON object with its keys in order."""
    bound = f"a mapping of text to text, at most {bytes_max:,} bytes as JSON, no surrogates"
    encoded = _encoded_texts(value)
    if encoded is None or len(encoded) > bytes_max:
        raise InvalidOption(name, value, bound)
    return encoded.decode()


def _encoded_texts(value: object) -> bytes | None:
    """The JSON of a mapping of text to text; None for anything else."""
    if not _is_mapping(value):
        return None
    pairs = dict(cast("Mapping[object, object]", value))
    if not all(isinstance(part, str) for pair in pairs.items() for part in pair):
        return None
    try:
        return msgspec.json.encode(pairs, order="sorted")
    except (UnicodeEncodeError, TypeError):  # a surrogate; a subclass of str
        return None


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_unfit(character: str) -> bool:
    code = ord(character)
    return code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code <= 0xDFFF
