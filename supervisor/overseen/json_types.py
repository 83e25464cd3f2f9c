"""Looking into annotations: which can travel as JSON, and which say nothing about their value."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Union, cast, get_args, get_origin

import msgspec

from overseen.foreign_types import is_foreign_type

__all__ = ["find_unsupported", "is_free_form", "is_text"]

_FREE_MAPPINGS: Final = (dict, Mapping)
_FREE_SEQUENCES: Final = (list, Sequence)


def find_unsupported(annotation: object) -> str | None:
    """Return why values of this type cannot travel as JSON, or None when they can."""
    try:
        waiting: list[object] = [msgspec.inspect.type_info(annotation)]
        msgspec.json.Decoder(cast(Any, annotation))
    except Exception as error:  # TypeError, NameError of a field's annotation, and the like
        return str(error)
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, msgspec.inspect.CustomType):
            if not is_foreign_type(node.cls):
                return f"{node.cls.__qualname__} has no known form as JSON"
        elif isinstance(node, msgspec.inspect.RawType):
            return "msgspec.Raw is not checked and could break the JSON around it"
        waiting.extend(_inside(node))
    return None


def is_free_form(annotation: object) -> bool:
    """Tell whether a type leaves open what JSON it holds: Any, dict, list[Any], and the like."""
    if annotation is Any or annotation is object:
        return True
    origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if origin is Annotated:
        return is_free_form(arguments[0])
    if origin is Union or origin is types.UnionType:
        return any(map(is_free_form, arguments))
    if origin in _FREE_MAPPINGS:
        return not arguments or (arguments[0] in (str, Any) and is_free_form(arguments[1]))
    return origin in _FREE_SEQUENCES and (not arguments or is_free_form(arguments[0]))


def is_text(annotation: object) -> bool:
    """Tell whether a type is str, or str or None."""
    if get_origin(annotation) is Annotated:
        return is_text(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return set(get_args(annotation)) == {str, type(None)}
    return annotation is str


def _inside(node: object) -> Iterable[object]:
    """The types that a type of `msgspec.inspect` is made of."""
    if isinstance(node, msgspec.inspect.Field):
        return (node.type,)
    parts: list[object] = []
    for name in getattr(node, "__struct_fields__", ()):
        value: object = getattr(node, name)
        if isinstance(value, tuple):
            parts.extend(cast(tuple[object, ...], value))
        else:
            parts.append(value)
    return [
        part for part in parts if isinstance(part, msgspec.inspect.Type | msgspec.inspect.Field)
    ]
