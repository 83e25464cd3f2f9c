"""Types that msgspec does not know by itself: paths, subclasses of text and numbers, pydantic.

Pydantic is never imported here. A value or a type can only be a pydantic model when somebody
else has imported pydantic already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import PurePath
from typing import Protocol, TypeGuard, cast

import msgspec

__all__ = ["decode_foreign", "encode_foreign", "is_foreign_type"]


class _Model(Protocol):
    """As much of ``pydantic.BaseModel`` as is used."""

    model_dump: Callable[..., object]
    model_validate_json: Callable[[bytes], object]


def encode_foreign(value: object) -> object:
    """Turn a value that msgspec does not know into one that it does, or raise TypeError."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, PurePath):
        return str(value)
    if _is_model(type(value)):
        return cast(_Model, value).model_dump(mode="json", by_alias=True)
    raise TypeError(f"{type(value).__qualname__} is not JSON and has no known form as JSON")


def decode_foreign(kind: type, value: object) -> object:
    """Turn plain JSON into a type that msgspec does not know, or raise TypeError, ValueError."""
    if kind is object:
        return value
    if _is_model(kind):
        return kind.model_validate_json(msgspec.json.encode(value))
    if isinstance(value, str) and issubclass(kind, PurePath):
        return kind(value)
    raise TypeError(f"expected {kind.__qualname__}, got {type(value).__qualname__}")


def is_foreign_type(kind: object) -> bool:
    """Tell whether `decode_foreign` can make this type."""
    if not isinstance(kind, type):
        return False
    known = cast("type[object]", kind)
    return known is object or issubclass(known, PurePath) or _is_model(known)


def _is_model(kind: type) -> TypeGuard[type[_Model]]:
    pydantic = sys.modules.get("pydantic")
    model = getattr(pydantic, "BaseModel", None)
    return isinstance(model, type) and issubclass(kind, model)
