"""What a job's function takes and returns: read at decoration, its types resolved later.

Annotations may be strings whose names do not exist yet while the module is being imported.
So the shape of the function is read when ``@job`` sees it, and the types when the job is
registered; only the first parameter is looked at early, because it may be the `Context`.
"""

from __future__ import annotations

import collections.abc
import contextlib
import inspect
from collections.abc import Callable, Mapping
from types import MethodType, SimpleNamespace
from typing import Any, Final, NoReturn, cast, get_args, get_origin, get_type_hints

import msgspec

from overseen.errors import JobDefinitionError

__all__ = ["FunctionShape", "Parameter", "ResolvedTypes", "read_shape", "resolve_types"]

_CONTEXT: Final = "Context"
_ANY_TEXTS: Final = frozenset({"Any", "object", "typing.Any", "t.Any"})
_FIX_FIRST: Final = (
    "Type checkers would silently take it for the context: annotate it with its own type, "
    "or with `Context` to receive the context"
)


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of a body, the context left out."""

    name: str
    kind: int
    """As in `inspect.Parameter`: positional-only, positional, ``*args``, keyword, ``**kwargs``."""
    required: bool
    annotation: object
    """As written: a type, a string, or `inspect.Parameter.empty`."""


class FunctionShape(msgspec.Struct, frozen=True):
    """What can be known of a function without resolving its annotations."""

    function: Callable[..., object]
    name: str
    qualified_name: str
    location: str
    is_async: bool
    takes_context: bool
    parameters: tuple[Parameter, ...]
    returns: object
    signature: inspect.Signature
    """Without the context: what a caller has to fit."""

    def error(self, problem: str, fix: str) -> JobDefinitionError:
        """Return an error about this function that says where it is and what to do."""
        return JobDefinitionError(
            function=self.qualified_name, location=self.location, problem=problem, fix=fix
        )


class ResolvedTypes(msgspec.Struct, frozen=True):
    """The types of a function. What is not annotated is `Any`."""

    parameters: dict[str, object]
    returns: object


def read_shape(function: Callable[..., object]) -> FunctionShape:
    """Read a function that is to become a job. Raises `JobDefinitionError`."""
    inner = _inner_function(function)
    refuse = _Refusal(inner)
    if not inspect.isroutine(inner) or not hasattr(inner, "__code__"):
        refuse("it is not a function", "Wrap it in an `async def` or `def` and decorate that")
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        refuse("it yields", "A body runs once and returns a value: collect it, or use ctx.progress")
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    takes_context = bool(parameters) and _is_context(parameters[0], inner, refuse)
    if takes_context:
        _check_context(parameters.pop(0), refuse)
    for parameter in parameters:
        _refuse_second_context(parameter, inner, refuse)
    return FunctionShape(
        function=function,
        name=str(getattr(function, "__name__", "job")),
        qualified_name=refuse.function,
        location=refuse.location,
        is_async=inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(function),
        takes_context=takes_context,
        parameters=tuple(map(_parameter, parameters)),
        returns=signature.return_annotation,
        signature=signature.replace(
            parameters=list(map(_as_written, parameters)),
            return_annotation=inspect.Signature.empty,
        ),
    )


def resolve_types(shape: FunctionShape) -> ResolvedTypes:
    """Resolve the annotations of a job. Raises `JobDefinitionError` for names that do not exist."""
    inner = _inner_function(shape.function)
    found: dict[str, object] = {}
    wanted = {parameter.name: parameter.annotation for parameter in shape.parameters}
    wanted["return"] = shape.returns
    for name, annotation in wanted.items():
        try:
            found[name] = _evaluated(annotation, inner)
        except Exception as error:
            what = "the return type" if name == "return" else f"the type of `{name}`"
            problem = f"{what}, {annotation!r}, cannot be resolved: {error}"
            fix = (
                "Every name in it must exist at module level at run time: import it outside "
                "`if TYPE_CHECKING:` and define local classes in the module"
            )
            raise shape.error(problem, fix) from error
    returns = found.pop("return")
    _refuse_hidden_coroutine(shape, returns)
    return ResolvedTypes(parameters=found, returns=returns)


class _Refusal:
    """Raises the errors of one function, with its name and place."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = str(getattr(function, "__qualname__", repr(function)))
        code = getattr(function, "__code__", None)
        self.location = f"{code.co_filename}:{code.co_firstlineno}" if code else "unknown place"

    def __call__(self, problem: str, fix: str) -> NoReturn:
        raise JobDefinitionError(
            function=self.function, location=self.location, problem=problem, fix=fix
        )


def _inner_function(function: Callable[..., object]) -> Callable[..., object]:
    """Look through ``functools.wraps`` and bound methods at the function that was written."""
    unwrapped: Callable[..., object] = inspect.unwrap(function)
    if isinstance(unwrapped, MethodType):
        unwrapped = inspect.unwrap(unwrapped.__func__)
    return unwrapped


def _parameter(parameter: inspect.Parameter) -> Parameter:
    optional = parameter.default is not inspect.Parameter.empty or parameter.kind in (
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    )
    return Parameter(parameter.name, int(parameter.kind), not optional, parameter.annotation)


class _Written(str):
    """An annotation that is text, shown without quotes in an error."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _as_written(parameter: inspect.Parameter) -> inspect.Parameter:
    if isinstance(parameter.annotation, str):
        return parameter.replace(annotation=_Written(parameter.annotation))
    return parameter


def _is_context(
    first: inspect.Parameter, function: Callable[..., object], refuse: _Refusal
) -> bool:
    """Tell whether the first parameter is the context; refuse what would hide it."""
    if first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        return False
    annotation = first.annotation
    if annotation is inspect.Parameter.empty:
        refuse(f"its first parameter, `{first.name}`, has no annotation", _FIX_FIRST)
    if isinstance(annotation, str):
        if annotation.strip("'\"") in _ANY_TEXTS:
            refuse(f"its first parameter, `{first.name}`, is {annotation}", _FIX_FIRST)
        if _names_context(annotation):
            return True
        try:
            annotation = _evaluated(annotation, function)
        except Exception:
            return False  # a name that comes later; resolve_types says if it never does
    if annotation is Any or annotation is object:
        refuse(f"its first parameter, `{first.name}`, is Any or object", _FIX_FIRST)
    if _is_context_type(annotation):
        return True
    if any(map(_is_context_type, get_args(annotation))):
        refuse(f"its first parameter, `{first.name}`, is a union with Context", _FIX_FIRST)
    return False


def _refuse_second_context(
    parameter: inspect.Parameter, function: Callable[..., object], refuse: _Refusal
) -> None:
    annotation = parameter.annotation
    if isinstance(annotation, str):
        found = _names_context(annotation)
    else:
        found = _is_context_type(annotation)
    if found:
        problem = f"`{parameter.name}: Context` is not the first positional parameter"
        refuse(problem, "Make it the first one")


def _check_context(context: inspect.Parameter, refuse: _Refusal) -> None:
    if context.default is not inspect.Parameter.empty:
        problem = f"the context, `{context.name}`, has a default"
        refuse(problem, "Remove the default: the context is always given")


def _names_context(annotation: str) -> bool:
    """A context that is imported under TYPE_CHECKING only is known by its name."""
    return annotation.strip("'\" ").rpartition(".")[2] == _CONTEXT


def _is_context_type(annotation: object) -> bool:
    from overseen.context import Context  # it needs this module's neighbours, so not at the top

    kind = get_origin(annotation) or annotation
    return isinstance(kind, type) and issubclass(kind, Context)


def _evaluated(annotation: object, function: Callable[..., object]) -> object:
    if annotation is inspect.Parameter.empty:
        return Any
    names = dict(cast(Mapping[str, object], getattr(function, "__globals__", {})))
    if inspect.isfunction(function):
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        for name, cell in cells:
            with contextlib.suppress(ValueError):  # not assigned yet, as a supervisor made later
                names[name] = cell.cell_contents
    holder = SimpleNamespace(__annotations__={"it": annotation})
    return cast(object, get_type_hints(holder, globalns=names, include_extras=True)["it"])


def _refuse_hidden_coroutine(shape: FunctionShape, returns: object) -> None:
    origin = get_origin(returns) or returns
    awaitable = isinstance(origin, type) and issubclass(origin, collections.abc.Awaitable)
    if awaitable and not shape.is_async:
        problem = "it is a plain `def` that returns an awaitable"
        raise shape.error(problem, "Write it as `async def`: a plain `def` runs in a thread")
