"""Looking into values: what in them cannot travel as JSON, and where.

Nothing here is on the fast path. It runs when something is already known to be wrong, or may
be: msgspec writes NaN as ``null`` without a word and names no path when it cannot encode.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import Final, cast

import msgspec

from overseen.foreign_types import encode_foreign

__all__ = ["Refusal", "find_not_finite", "find_not_plain", "find_unencodable"]

_SURROGATES: Final = "the text holds a surrogate, which no UTF-8 can: clean it where it is read"
_NOT_FINITE: Final = "JSON has no NaN and no infinity: send None, or text"

PARTS_MAX: Final = 1_000_000


class Refusal(msgspec.Struct, frozen=True):
    """What cannot travel: where in the value (``$`` is all of it), and why."""

    path: str
    reason: str


def find_not_finite(value: object) -> Refusal | None:
    """Find the first NaN or infinity in a value, whatever types it is made of."""
    try:
        builtins = msgspec.to_builtins(value, str_keys=True, enc_hook=encode_foreign)
    except Exception as error:  # nesting at the limit, or a msgspec.Raw
        return Refusal("$", str(error))
    try:
        json.dumps(builtins, allow_nan=False, check_circular=False)  # C: ten times our walk
    except (ValueError, RecursionError):
        pass
    else:
        return None
    for path, part in _walk(builtins):
        if isinstance(part, float) and not math.isfinite(part):
            return Refusal(path, f"{part!r}: {_NOT_FINITE}")
    return None


def find_not_plain(value: object) -> Refusal | None:
    """Find what is not plain JSON: None, bool, int, float, str, lists, dicts with text keys.

    Tuples pass: they arrive as lists. Everything else would arrive as something else than was
    sent (a datetime as text), so it needs an annotation.
    """
    if _is_plain(value):
        return None
    for path, part in _walk(value):
        if isinstance(part, float) and not math.isfinite(part):
            return Refusal(path, f"{part!r}: {_NOT_FINITE}")
        if isinstance(part, dict):
            keys = (key for key in cast(dict[object, object], part) if not isinstance(key, str))
            for key in keys:
                return Refusal(
                    path, f"a key is of type {type(key).__qualname__}; in JSON every key is text"
                )
        elif part is not None and not isinstance(part, bool | int | float | str | list | tuple):
            reason = (
                f"{type(part).__qualname__} is not plain JSON, and without an annotation it "
                "would arrive as something else: annotate it with its type, or convert it"
            )
            return Refusal(path, reason)
    return None


def find_unencodable(value: object) -> Refusal | None:
    """Find the first part that cannot become JSON at all."""
    for path, part in islice(_walk(value, depth_max=1_000), PARTS_MAX):  # it may hold itself
        if isinstance(part, Mapping):
            for key in cast(Mapping[object, object], part):
                reason = _why_not(key)
                if reason is not None:
                    return Refusal(f"key in {path}", reason)
        elif not any(True for _ in _children(part)):
            reason = _why_not(part)
            if reason is not None:
                return Refusal(path, reason)
    return None


def _why_not(leaf: object) -> str | None:
    try:
        msgspec.json.encode(leaf, enc_hook=encode_foreign)
    except UnicodeEncodeError:
        return _SURROGATES
    except Exception as error:
        return str(error)
    return None


def _is_plain(value: object) -> bool:
    """Answer as `find_not_plain`, without paths: most values that are looked at are fine."""
    waiting: list[object] = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            pairs = cast(dict[object, object], part)
            if not all(isinstance(key, str) for key in pairs):
                return False
            waiting.extend(pairs.values())
        elif isinstance(part, list | tuple):
            waiting.extend(cast(Sequence[object], part))
        elif isinstance(part, float):
            if not math.isfinite(part):
                return False
        elif part is not None and not isinstance(part, bool | int | str):
            return False
    return True


def _walk(value: object, *, depth_max: float = math.inf) -> Iterator[tuple[str, object]]:
    """Every part of a value with its path, outermost first and in order."""
    waiting: list[tuple[int, str, object]] = [(0, "$", value)]
    while waiting:
        depth, path, part = waiting.pop()
        yield path, part
        if depth < depth_max:
            below = [(depth + 1, path + step, child) for step, child in _children(part)]
            waiting.extend(reversed(below))


def _children(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, child in cast(Mapping[object, object], value).items():
            yield _step(key), child
    elif isinstance(value, str | bytes | bytearray | memoryview):
        return
    elif isinstance(value, Sequence | Set):
        for index, item in enumerate(cast(Sequence[object], value)):
            yield f"[{index}]", item
    else:
        for name in _field_names(value):
            field: object = getattr(value, name, None)
            if field is not msgspec.UNSET:
                yield f".{name}", field


def _field_names(value: object) -> tuple[str, ...]:
    if isinstance(value, type):
        return ()
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__
    fields: Mapping[str, object] | None = getattr(value, "__dataclass_fields__", None)
    if fields is not None:
        return tuple(fields)
    attributes: Sequence[object] = getattr(value, "__attrs_attrs__", ())
    return tuple(str(getattr(attribute, "name", "")) for attribute in attributes)


def _step(key: object) -> str:
    if isinstance(key, str):
        if key.isascii() and key.isidentifier():
            return f".{key}"
        return f"[{key!a}]"
    if isinstance(key, int) and key.bit_length() < 64:
        return f"[{key}]"
    return "[...]"
