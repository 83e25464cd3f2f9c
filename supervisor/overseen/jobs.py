# A coroutine function is also a function that returns something: the first matching overload is
# meant, as both checkers choose it.
# mypy: disable-error-code="overload-overlap"
# pyright: reportOverlappingOverload=false
"""``@job``: a function that can be submitted, kept, run again and waited for.

::

    @job(retries=3, timeout="10m")
    async def transcode(ctx: Context, path: str, preset: str = "fast") -> int: ...

    transcode.call("a.mp4")                          # a typed Call, for the ..._many forms
    transcode.options(priority=5, key="a.mp4")       # the same job, with options for a submit
    await transcode("a.mp4")                         # just runs it, with a detached Context

A job remembers its function's parameters (without the context) and what it returns, so that wrong
arguments are type errors where they are written.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    Unpack,
    cast,
    overload,
)

import msgspec

from overseen.codec import ArgumentsCodec, ResultCodec
from overseen.errors import JobDefinitionError
from overseen.job_options import (
    JobDefinition,
    JobOptions,
    SubmitOptions,
    SubmitOverrides,
    job_definition,
    submit_options,
)
from overseen.signature import FunctionShape, read_shape, resolve_types

if TYPE_CHECKING:
    from overseen.context import Context

__all__ = [
    "AsyncJob",
    "Call",
    "Job",
    "JobDecorator",
    "JobDefinition",
    "JobOptions",
    "PreparedJob",
    "SubmitOptions",
    "SubmitOverrides",
    "SyncJob",
    "job",
]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class PreparedJob(msgspec.Struct, frozen=True):
    """What is known of a job once its types are resolved."""

    arguments: ArgumentsCodec
    result: ResultCodec[Any]


class Call(msgspec.Struct, Generic[R_co], frozen=True):
    """A job and its arguments, bound together: what ``job.call(...)`` returns.

    Nothing is checked yet; a submit does it. ``Call[bool]`` is also a ``Call[int]``.
    """

    job: Job[..., R_co]
    args: tuple[object, ...]
    kwargs: dict[str, object]


class Job(Generic[P, R_co]):
    """A function as a job; made by ``@job``. `P` are its arguments without the context.

    It is an `AsyncJob` or, for a plain ``def``, a `SyncJob`; they differ only in what calling
    them directly returns. Immutable; `options` returns a changed copy.
    """

    __slots__ = ("__dict__", "_preparation", "body", "definition", "effective", "overrides")

    def __init__(
        self,
        body: Callable[..., object],
        definition: JobDefinition,
        overrides: SubmitOptions,
        preparation: _Preparation,
    ) -> None:
        self.body = body
        """The function that was decorated."""
        self.definition = definition
        """What holds for every job of this kind."""
        self.overrides = overrides
        """What `options` said for a submit."""
        self.effective = _effective(definition, overrides)
        """The definition with the overrides laid over it: what a submit goes by."""
        self._preparation = preparation
        self.__dict__.update(_shown(body))

    @property
    def kind(self) -> str:
        """The name under which its jobs are kept."""
        return self.definition.kind

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call[R_co]:
        """Bind arguments for later: ``supervisor.submit_many(f.call(x) for x in xs)``."""
        return Call(self, args, kwargs)

    def options(self, **overrides: Unpack[SubmitOverrides]) -> Self:
        """Return this job with options for a submit; see `SubmitOverrides`.

        Later options are laid over earlier ones. Raises `InvalidOption`.

        >>> transcode.options(priority=5, delay="1h", key="a.mp4")
        """
        merged = submit_options(overrides, self.overrides)
        return type(self)(self.body, self.definition, merged, self._preparation)

    def prepare(self) -> PreparedJob:
        """Resolve the function's types and build its codecs, once; a Supervisor does so.

        Raises `JobDefinitionError` for a name that does not exist and for a type that cannot
        travel as JSON.
        """
        return self._preparation.done()

    def _run(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        if not self.definition.takes_context:
            return self.body(*args, **kwargs)
        from overseen.context import Context  # it imports this module's neighbours

        return self.body(Context.detached(), *args, **kwargs)

    def __repr__(self) -> str:
        return f"<job {self.kind!r}: {self.definition.function} ({self.definition.location})>"


class AsyncJob(Job[P, R_co]):
    """A job whose body is an ``async def``. Calling it runs the body, with a detached Context."""

    __slots__ = ()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]:
        """Run the body here and now: nothing is kept, no option applies."""
        return cast("Coroutine[Any, Any, R_co]", self._run(args, kwargs))


class SyncJob(Job[P, R_co]):
    """A job whose body is a plain ``def``; it runs in a thread. Calling it runs the body."""

    __slots__ = ()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the body here and now: nothing is kept, no option applies."""
        return cast("R_co", self._run(args, kwargs))


class JobDecorator(Protocol):
    """What ``job(...)`` with options returns: it turns a function into a job."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
    ) -> AsyncJob[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], R], /) -> SyncJob[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncJob[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> SyncJob[P, R]: ...


@overload
def job(
    function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
) -> AsyncJob[P, R]: ...
@overload
def job(function: Callable[Concatenate[Context, P], R], /) -> SyncJob[P, R]: ...
@overload
def job(function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncJob[P, R]: ...
@overload
def job(function: Callable[P, R], /) -> SyncJob[P, R]: ...
@overload
def job(**options: Unpack[JobOptions]) -> JobDecorator: ...
def job(
    function: Callable[..., object] | None = None, /, **options: Unpack[JobOptions]
) -> Job[..., Any] | JobDecorator:
    """Turn a function into a job. Bare, or with options: see `JobOptions`.

    The first positional parameter may be ``ctx: Context``; it is given by whoever runs the job and
    is no argument of it. The other parameters and the return value are JSON by their annotations.
    An ``async def`` runs on the event loop, a plain ``def`` in a thread.

    Raises `InvalidOption` and `JobDefinitionError`, with the function's file and line. Types are
    looked at when the job is registered, since their names may come later in the module.

    >>> @job(queue="media", retries=3, timeout="10m")
    ... async def transcode(ctx: Context, path: str, preset: str = "fast") -> int: ...
    """
    if function is not None:
        return _made(function, options)

    def decorate(decorated: Callable[..., object], /) -> Job[..., Any]:
        return _made(decorated, options)

    return cast(JobDecorator, decorate)


class _Preparation:
    """The resolved types of one function, shared by every copy of its job."""

    __slots__ = ("_kind", "_prepared", "_shape")

    def __init__(self, kind: str, shape: FunctionShape) -> None:
        self._kind = kind
        self._shape = shape
        self._prepared: PreparedJob | None = None

    def done(self) -> PreparedJob:
        if self._prepared is None:
            types = resolve_types(self._shape)
            self._prepared = PreparedJob(
                ArgumentsCodec(self._kind, self._shape, types),
                ResultCodec[Any].of(self._kind, self._shape, types),
            )
        return self._prepared


def _made(function: object, options: JobOptions) -> Job[..., Any]:
    if isinstance(function, Job):
        raise JobDefinitionError(
            function=function.definition.function,
            location=function.definition.location,
            problem="it is a job already",
            fix="Use @job once, with all its options",
        )
    shape = read_shape(cast("Callable[..., object]", function))
    definition = job_definition(
        options,
        name=shape.name,
        function=shape.qualified_name,
        location=shape.location,
        is_async=shape.is_async,
        takes_context=shape.takes_context,
    )
    made = AsyncJob[..., Any] if shape.is_async else SyncJob[..., Any]
    preparation = _Preparation(definition.kind, shape)
    return made(shape.function, definition, SubmitOptions(), preparation)


def _effective(definition: JobDefinition, overrides: SubmitOptions) -> JobDefinition:
    said = {name: value for name in _OVERRIDABLE if (value := getattr(overrides, name)) is not None}
    return msgspec.structs.replace(definition, **said) if said else definition


_OVERRIDABLE = tuple(
    name for name in SubmitOptions.__struct_fields__ if name in JobDefinition.__struct_fields__
)


def _shown(body: Callable[..., object]) -> dict[str, object]:
    """Name and docstring of the function, for help() and documentation tools."""
    shown: dict[str, object] = {
        name: getattr(body, name)
        for name in ("__name__", "__qualname__", "__doc__", "__module__")
        if hasattr(body, name)
    }
    shown["__wrapped__"] = body
    return shown
