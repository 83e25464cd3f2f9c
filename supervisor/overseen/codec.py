"""Arguments and results as JSON, by type annotation, through msgspec. Never pickle.

Arguments travel as one JSON object, ``{parameter: value}``; ``*args`` lie under their own name
as a list, ``**kwargs`` as an object. What was not passed is not written: a default belongs to the
code at the time it runs, not to the row.

A value is checked where it is sent, by reading back what was written: that proves that it fits
its annotation and that it will be readable when the job starts. Reading is strict: ``"3"`` is no
int, ``1.0`` is no int, ``True`` is no int. What is lenient, because JSON cannot tell or type
checkers allow it:

* an int for a ``float`` arrives as a float, a tuple for a ``list`` as a list, and so on between
  containers; text in the form of a date, UUID, Decimal or enum passes for one;
* subclasses of text and numbers arrive as plain ones;
* without an annotation (or with ``Any``, ``dict``, ``list[Any]``, ...) only plain JSON: None,
  bool, int, float, str, lists, tuples (they arrive as lists) and dicts with text keys. A datetime
  there is refused, for it would arrive as text.

Refused with the path inside the value: NaN and infinities (JSON has none), lone surrogates (UTF-8
has none), what has no form as JSON, and ints of more than 4,300 digits (Python's own limit).
Smaller ints are exact however large; NUL in text is kept.

Cost on a common machine, for three scalar arguments: about 1 us to encode, 0.5 us to decode.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from types import GenericAlias
from typing import (
    Any,
    Final,
    Generic,
    Never,
    NoReturn,
    TypeAlias,
    TypeVar,
    Unpack,
    cast,
    get_args,
    get_origin,
)

import msgspec
from msgspec import UNSET

from overseen.errors import InvalidArguments, InvalidPayload, InvalidResult
from overseen.json_types import find_unsupported, is_free_form, is_text
from overseen.signature import FunctionShape, Parameter, ResolvedTypes
from overseen.value_checker import ValueChecker, same

__all__ = [
    "PAYLOAD_BYTES_MAX",
    "ArgumentsCodec",
    "ResultCodec",
    "decode_value",
    "encode_value",
]

PAYLOAD_BYTES_MAX: Final = 1_048_576
"""1 MiB of UTF-8: the default limit of arguments and of a result."""

R = TypeVar("R")

_NO_ARGUMENTS: Final[tuple[object, ...]] = ()
_FIX_TYPE: Final = (
    "Use types that can be JSON (numbers, text, dates, enums, dataclasses, TypedDict, Struct, "
    "pydantic models, containers of those), or pass an id and load the object in the body"
)

_Kind = inspect.Parameter
_ORDINARY: Final = (_Kind.POSITIONAL_OR_KEYWORD, _Kind.KEYWORD_ONLY)
_VARIADIC: Final = (_Kind.VAR_POSITIONAL, _Kind.VAR_KEYWORD)
_BEFORE_REST: Final = (_Kind.POSITIONAL_ONLY, _Kind.POSITIONAL_OR_KEYWORD)

_Field: TypeAlias = tuple[str, type] | tuple[str, type, Any]


class ArgumentsCodec:
    """The arguments of one kind of job, as one JSON object by the function's annotations.

    Built once, at registration. Raises `JobDefinitionError` for a parameter whose type cannot
    travel as JSON.
    """

    __slots__ = (
        "_checker",
        "_decoded",
        "_ordinary",
        "_shape",
        "_struct",
        "_types",
        "_watched",
    )

    def __init__(self, kind: str, shape: FunctionShape, types: ResolvedTypes) -> None:
        self._shape = shape
        self._types = {p.name: _json_type(p, types.parameters[p.name]) for p in shape.parameters}
        for name, annotation in self._types.items():
            _check_parameter(shape, name, annotation)
        self._ordinary = all(parameter.kind in _ORDINARY for parameter in shape.parameters)
        self._struct = _struct_of(shape, self._types)
        self._checker = ValueChecker(kind, self._struct, InvalidArguments)
        self._watched = [name for name, t in self._types.items() if is_free_form(t) or is_text(t)]
        self._decoded = all(parameter.required for parameter in shape.parameters)

    def encode(
        self,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        limit: int = PAYLOAD_BYTES_MAX,
    ) -> str:
        """Bind a call's arguments, check them by type and return them as JSON text.

        Raises `InvalidArguments` with the path inside the value, also when the number or the
        names of the arguments do not fit, and `PayloadTooLarge` above `limit` bytes.
        """
        bound = self._bound(args, kwargs)
        text, back = self._checker.write(bound, limit)
        if self._watched and not same(back, bound):
            self._look_closer(bound, back)
        return text

    def decode(self, text: str) -> tuple[tuple[object, ...], dict[str, object]]:
        """Return ``(args, kwargs)`` to call the body with, types restored, the context left out.

        Raises `InvalidArguments` when the text does not fit the code as it is now.
        """
        bound = self._checker.read(text)
        given = msgspec.structs.asdict(cast(msgspec.Struct, bound))
        if not self._decoded:
            given = {name: value for name, value in given.items() if value is not UNSET}
        if self._ordinary:
            return _NO_ARGUMENTS, given
        return self._split(given)

    def in_order(self, text: str) -> str:
        """Return the text with sets and mappings in a fixed order, as an idempotency key asks.

        A set has no order: its text differs from process to process although its value does not.
        """
        return self._checker.in_order(text)

    def _bound(self, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        if self._ordinary:
            try:
                return self._struct(*args, **kwargs)
            except TypeError:
                pass  # the signature says better what is wrong
        try:
            return self._struct(**self._shape.signature.bind(*args, **kwargs).arguments)
        except TypeError as error:
            reason = f"{error}. It is called as {self._shape.name}{self._shape.signature}"
            raise InvalidArguments(self._checker.kind, "$", reason) from None

    def _look_closer(self, bound: object, back: object) -> None:
        for name in self._watched:
            value: object = getattr(bound, name)
            if value is not UNSET and not same(getattr(back, name), value):
                self._checker.look_closer(self._types[name], value, f"$.{name}")

    def _split(self, given: dict[str, object]) -> tuple[tuple[object, ...], dict[str, object]]:
        """Lay out what Python wants by position: before ``*args``, and positional-only."""
        rest = cast(Sequence[object], self._of_kind(given, _Kind.VAR_POSITIONAL) or ())
        extra = cast(Mapping[str, object], self._of_kind(given, _Kind.VAR_KEYWORD) or {})
        by_position = _BEFORE_REST if rest else (_Kind.POSITIONAL_ONLY,)
        positional: list[object] = []
        named: dict[str, object] = {}
        left_out: str | None = None
        for parameter in self._shape.parameters:
            name = parameter.name
            if parameter.kind in by_position and name not in given:
                left_out = name
            elif parameter.kind in by_position:
                self._refuse_gap(left_out, name)
                positional.append(given[name])
            elif name in given and parameter.kind not in _VARIADIC:
                named[name] = given[name]
        if rest:
            self._refuse_gap(left_out, "*args")
        return (*positional, *rest), {**named, **extra}

    def _refuse_gap(self, left_out: str | None, after: str) -> None:
        """Only a signature that changed since the submit can leave a hole among positions."""
        if left_out is not None:
            reason = f"`{left_out}` is missing although `{after}`, after it, is given"
            raise InvalidArguments(self._checker.kind, "$", reason)

    def _of_kind(self, given: dict[str, object], kind: int) -> object:
        names = [p.name for p in self._shape.parameters if p.kind == kind and p.name in given]
        return given[names[0]] if names else None


class ResultCodec(Generic[R]):
    """What a body returns, as JSON by the function's return type."""

    __slots__ = ("_annotation", "_checker", "_watched")

    def __init__(self, kind: str, annotation: object = Any) -> None:
        self._annotation = annotation
        self._checker = ValueChecker(kind, annotation, InvalidResult)
        self._watched = is_free_form(annotation) or is_text(annotation)

    @classmethod
    def of(cls, kind: str, shape: FunctionShape, types: ResolvedTypes) -> ResultCodec[R]:
        """Return the codec of a function. Raises `JobDefinitionError` for a type without JSON."""
        returns = types.returns
        annotation = None if returns is Never or returns is NoReturn else returns
        problem = find_unsupported(annotation)
        if problem is not None:
            raise shape.error(f"its return type cannot travel as JSON: {problem}", _FIX_TYPE)
        return cls(kind, annotation)

    def encode(self, value: object, limit: int = PAYLOAD_BYTES_MAX) -> str:
        """Return a result as JSON text.

        Raises `InvalidResult` with the path, and `PayloadTooLarge` above `limit` bytes.
        """
        text, back = self._checker.write(value, limit)
        if self._watched and not same(back, value):
            self._checker.look_closer(self._annotation, value, "$")
        return text

    def decode(self, text: str) -> R:
        """Return the result with its type restored. Raises `InvalidResult`."""
        return cast(R, self._checker.read(text))


def encode_value(value: object, limit: int = PAYLOAD_BYTES_MAX, *, what: str = "value") -> str:
    """Return free-form data (a checkpoint, progress) as JSON text.

    Only plain JSON passes, as for a parameter without an annotation. Raises `InvalidPayload`
    with `what` and the path, and `PayloadTooLarge` above `limit` bytes.
    """
    checker = _plain_checker(what)
    text, back = checker.write(value, limit)
    if not same(back, value):
        checker.require_plain(value, "$")
    return text


def decode_value(text: str) -> object:
    """Return the plain value that `encode_value` wrote. Raises `InvalidPayload`."""
    return _plain_checker("value").read(text)


@cache
def _plain_checker(what: str) -> ValueChecker:
    """One for each of the few words that errors are named with."""
    return ValueChecker(what, Any, InvalidPayload)


def _json_type(parameter: Parameter, annotation: object) -> object:
    """``*args`` and ``**kwargs`` travel whole, under their own name."""
    if parameter.kind == _Kind.VAR_POSITIONAL:
        return GenericAlias(list, (annotation,))
    if parameter.kind == _Kind.VAR_KEYWORD:
        if get_origin(annotation) is Unpack:
            return get_args(annotation)[0]
        return GenericAlias(dict, (str, annotation))
    return annotation


def _check_parameter(shape: FunctionShape, name: str, annotation: object) -> None:
    if name.startswith("__"):
        raise shape.error(f"the parameter `{name}` begins with two underscores", "Rename it")
    problem = find_unsupported(annotation)
    if problem is not None:
        raise shape.error(f"`{name}` cannot travel as JSON: {problem}", _FIX_TYPE)


def _struct_of(shape: FunctionShape, types: Mapping[str, object]) -> type[msgspec.Struct]:
    """Make the class whose constructor binds, in C, as the function's own signature would."""
    by_name: list[_Field] = []
    by_position: list[_Field] = []
    for parameter in shape.parameters:
        field = _field(parameter, types[parameter.name])
        ordinary = parameter.kind == _Kind.POSITIONAL_OR_KEYWORD
        (by_position if ordinary else by_name).append(field)
    base = msgspec.defstruct(
        "Arguments", by_name, kw_only=True, forbid_unknown_fields=True, gc=False
    )
    return msgspec.defstruct(
        "Arguments", by_position, bases=(base,), forbid_unknown_fields=True, gc=False
    )


def _field(parameter: Parameter, annotation: object) -> _Field:
    kind = cast(type, annotation)
    return (parameter.name, kind) if parameter.required else (parameter.name, kind, UNSET)
