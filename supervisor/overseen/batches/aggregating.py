"""``@batch_summary``: a user's own sum over the results of a batch's members, run as a job.

::

    @batch_summary
    async def total_words(ctx: Context, results: AsyncIterator[MemberResult]) -> int:
        return sum([result.value async for result in results if result.status == "completed"])

    async with supervisor.batch("books", aggregate=total_words) as batch: ...
    words = await batch.aggregate(total_words)

It is a job like any other, with retries, a timeout and an outcome; whatever becomes of it, the
batch has ended and stays so.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, Unpack, cast, overload

import msgspec

from overseen.batches.errors import BatchNotFound, MembersPruned
from overseen.codec import decode_value
from overseen.context import Context
from overseen.errors import JobDefinitionError
from overseen.job_options import JobOptions
from overseen.jobs import AsyncJob, job
from overseen.registry import Registry
from overseen_storage.lifecycle import Reason, Status
from overseen_storage.records import JobError, JobRecord

if TYPE_CHECKING:
    from overseen_storage.store import Store

__all__ = ["MemberResult", "batch_summary", "member_results"]

R = TypeVar("R")

PAGE_MEMBERS: Final = 1_000
_PARAMETERS: Final = 2

Aggregator: TypeAlias = Callable[[Context, AsyncIterator["MemberResult"]], Coroutine[Any, Any, R]]


class MemberResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one member of a batch ended."""

    job_id: int
    """The member."""
    kind: str
    """Its kind."""
    status: Status
    """completed, failed or cancelled."""
    value: Any = None
    """What it returned, if it completed; its type is restored where the kind is known."""
    reason: Reason | None = None
    """Why it failed or was cancelled."""
    error: JobError | None = None
    """What its last attempt died of, if it failed."""
    warnings: int = 0
    """How many warnings it gave."""


async def member_results(
    store: Store, registry: Registry, batch_id: int
) -> AsyncGenerator[MemberResult, None]:
    """Yield how each member that has ended did so, in order of submission, a page at a time.

    Raises `BatchNotFound`, and `MembersPruned` at the end when members of a sealed batch are not
    there any more: half a sum is not to be taken for the whole.
    """
    after = found = 0
    while page := await store.members(batch_id, after_id=after, limit=PAGE_MEMBERS):
        found += len(page)
        for member in page:
            if member.ended:
                yield _result_of(member, registry)
        after = page[-1].id
    batch = await store.batch(batch_id)
    if batch is None:
        raise BatchNotFound(batch_id)
    if batch.total is not None and found < batch.total:
        raise MembersPruned(batch_id, kept=found, total=batch.total)


def _result_of(member: JobRecord, registry: Registry) -> MemberResult:
    return MemberResult(
        job_id=member.id,
        kind=member.kind,
        status=member.status,
        value=_value(member, registry),
        reason=member.reason,
        error=member.error if member.status is Status.FAILED else None,
        warnings=member.warnings,
    )


def _value(member: JobRecord, registry: Registry) -> object:
    if member.result is None:
        return None
    if member.kind not in registry:
        return decode_value(member.result)
    value: object = registry.get(member.kind).prepare().result.decode(member.result)
    return value


@overload
def batch_summary(function: Aggregator[R], /) -> AsyncJob[[int], R]: ...
@overload
def batch_summary(
    **options: Unpack[JobOptions],
) -> Callable[[Aggregator[R]], AsyncJob[[int], R]]: ...
def batch_summary(
    function: Aggregator[Any] | None = None, /, **options: Unpack[JobOptions]
) -> AsyncJob[[int], Any] | Callable[[Aggregator[Any]], AsyncJob[[int], Any]]:
    """Turn a function over the results of a batch's members into a job, for
    ``supervisor.batch(..., aggregate=...)``. Bare, or with the options of ``@job``.

    The job's one argument is the batch's id, so it can also be submitted by hand, for a batch that
    ended long ago. Raises `JobDefinitionError` and `InvalidOption`.
    """
    if function is not None:
        return _made(function, options)

    def decorate(decorated: Aggregator[Any]) -> AsyncJob[[int], Any]:
        return _made(decorated, options)

    return decorate


def _made(function: Aggregator[Any], options: JobOptions) -> AsyncJob[[int], Any]:
    _check(function)
    return job(**options)(_over_members(function))


def _check(function: object) -> None:
    code: CodeType | None = getattr(function, "__code__", None)
    if code and code.co_argcount == _PARAMETERS and inspect.iscoroutinefunction(function):
        return
    raise JobDefinitionError(
        function=getattr(function, "__qualname__", repr(function)),
        location=f"{code.co_filename}:{code.co_firstlineno}" if code else "unknown place",
        problem="it does not take a context and the members' results",
        fix="Write: async def total(ctx: Context, results: AsyncIterator[MemberResult]) -> int",
    )


def _over_members(function: Aggregator[R]) -> Callable[[Context, int], Coroutine[Any, Any, R]]:
    """Return a body that takes the batch's id instead of the results.

    It is given the place, the names and the globals of `function`: its return annotation may be
    text that only means something there, and errors about it shall show where it is.
    """

    async def body(ctx: Context, batch_id: int) -> R:
        return await function(ctx, ctx.members(batch_id))

    code = function.__code__
    made = FunctionType(
        body.__code__.replace(co_filename=code.co_filename, co_firstlineno=code.co_firstlineno),
        function.__globals__,
        function.__name__,
        None,
        body.__closure__,
    )
    made.__qualname__ = function.__qualname__
    made.__module__ = function.__module__
    made.__doc__ = function.__doc__
    made.__annotations__ = {"ctx": Context, "batch_id": int}
    if "return" in function.__annotations__:
        made.__annotations__["return"] = function.__annotations__["return"]
    return cast("Callable[[Context, int], Coroutine[Any, Any, R]]", made)
