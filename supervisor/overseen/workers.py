"""Workers: each runs one attempt, as a plain asyncio task, and reports how it ended.

A body is never run inside an anyio scope. One body that swallows its cancellation in an anyio
task group costs a whole core in re-deliveries, and the group cannot be left (measured); a plain
task can be told again at our own pace, and forgotten.

The body's coroutine catches everything, SystemExit and KeyboardInterrupt too: in a plain task
they would end the loop. Between the body's end and the report there is no await, so a report
cannot be lost to a cancellation.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, Final

from overseen.attachments.errors import AttachmentDamaged
from overseen.attempt import Attempt
from overseen.context import Context
from overseen.ended import Cancelled, Ended, GaveUp, Invalid, Raised, Returned, Snoozed
from overseen.errors import InvalidArguments, InvalidPayload
from overseen.outcome import Abandon, Snooze
from overseen_storage.records import JobError

__all__ = ["Workers", "describe", "invalid_report"]

MESSAGE_CHARACTERS_MAX: Final = 4_000
CONTEXTS_MAX: Final = 1_000
TRACEBACK_CHARACTERS_MAX: Final = 16_000


class LeftAlone(BaseException):
    """The loop ends while a body still runs in its thread."""


class Workers:
    """Starts workers. Their number is bounded by the slots of `Queues`, not here."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        make_context: Callable[[Attempt], Context],
        result_limit: int,
        report: Callable[[Attempt], None],
        thread_found: Callable[[Attempt], None],
        threads: Callable[[], Executor],
        is_over: Callable[[], bool],
        bring: Callable[[Attempt], Awaitable[None]],
    ) -> None:
        from structlog.contextvars import bind_contextvars  # heavy where rich is installed

        self._loop = loop
        self._make_context = make_context
        self._result_limit = result_limit
        self._report = report
        self._thread_found = thread_found
        self._threads = threads
        self._is_over = is_over
        self._bring = bring
        self._bind = bind_contextvars
        self._contexts: dict[tuple[str, str], contextvars.Context] = {}

    def start(self, attempt: Attempt) -> None:
        """Start a worker for an attempt whose start is on disk."""
        claimed = attempt.claimed
        context = self._context_of(claimed.kind, claimed.queue).copy()
        attempt.task = self._loop.create_task(
            self._work(attempt), name=f"job {claimed.id}", context=context
        )

    def _context_of(self, kind: str, queue: str) -> contextvars.Context:
        """What every body of a kind and queue finds in its context variables. Made once:
        with all four names bound anew, a body's begin cost 4.3 us instead of 2.3, by itself."""
        context = self._contexts.get((kind, queue))
        if context is None:
            if len(self._contexts) >= CONTEXTS_MAX:
                self._contexts.clear()
            context = self._contexts[kind, queue] = contextvars.copy_context()
            context.run(self._bind, job=kind, queue=queue)
        return context

    async def _work(self, attempt: Attempt) -> None:
        attempt.entered = True
        if attempt.told_to_stop:
            attempt.ended = Cancelled(JobError("CancelledError", "told to stop before it began"))
        else:
            try:
                attempt.ended = await self._run_body(attempt)
            except LeftAlone:
                return  # not ended: its row stays as it is, and the database stays owned
        attempt.task = None  # with its frames: the report lives on, its collector has less to do
        self._report(attempt)

    async def _run_body(self, attempt: Attempt) -> Ended:
        """Run the body to its end. Building its arguments and writing its result run code of the
        user too (``__post_init__``, hooks of models): what that raises is the outcome as well."""
        try:
            if attempt.claimed.attachments:
                await self._bring(attempt)
            arguments, keywords = self._arguments(attempt)
        except (InvalidPayload, AttachmentDamaged) as error:
            return Invalid(describe(error, frames=0))
        except asyncio.CancelledError as error:
            return Cancelled(describe(error))
        except BaseException as error:
            return Invalid(describe(error))
        try:
            if attempt.job.definition.is_async:
                body: Any = attempt.job.body
                value = await body(*arguments, **keywords)
            else:
                value = await self._in_thread(attempt, arguments, keywords)
            return Returned(attempt.job.prepare().result.encode(value, self._result_limit))
        except InvalidArguments as error:  # of another job that the body tried to submit
            return Raised(describe(error), error)
        except InvalidPayload as error:
            return Invalid(describe(error))
        except Snooze as snooze:
            return Snoozed(snooze.delay_seconds)
        except Abandon as error:
            return GaveUp(describe(error))
        except LeftAlone:
            raise
        except asyncio.CancelledError as error:
            return Cancelled(describe(error))
        except BaseException as error:  # whatever a body raises is its outcome, nothing else
            return Raised(describe(error), error)

    def _arguments(self, attempt: Attempt) -> tuple[tuple[object, ...], dict[str, object]]:
        claimed, job = attempt.claimed, attempt.job
        arguments, keywords = job.prepare().arguments.decode(claimed.arguments)
        self._bind(job_id=claimed.id, attempt=claimed.fence)
        if job.definition.takes_context:
            arguments = (self._make_context(attempt), *arguments)
        return arguments, keywords

    async def _in_thread(
        self, attempt: Attempt, arguments: tuple[object, ...], keywords: dict[str, object]
    ) -> object:
        """Run a plain ``def`` in a thread, to its end: a thread cannot be interrupted, so a
        cancellation is passed on (the body sees it at its next call of the context) and the
        worker goes on waiting. It is never called ended while its thread runs. A body that still
        waits for a free thread is different: told to stop, it never begins.

        Once the supervisor has stopped, who cancels is the loop on its way out: then it must not be
        held up, and the thread is left alone.
        """
        call = contextvars.copy_context().run
        turn = threading.Lock()  # who takes it first decides whether the body begins

        def body() -> tuple[object, BaseException | None]:
            if not turn.acquire(blocking=False):
                return None, None  # nobody waits for it any more
            try:
                if timed:
                    self._loop.call_soon_threadsafe(self._thread_found, attempt)
                return call(attempt.job.body, *arguments, **keywords), None
            except BaseException as error:
                return None, error

        timed = attempt.waits_for_thread = attempt.is_timed
        thread = self._loop.run_in_executor(self._threads(), body)
        while True:
            try:
                value, error = await asyncio.shield(thread)
            except asyncio.CancelledError:
                attempt.thread_cancel = True
                if turn.acquire(blocking=False):
                    raise
                if self._is_over():
                    raise LeftAlone from None
                continue
            if error is not None:
                raise error
            return value


def invalid_report(type: str, message: str) -> Invalid:
    """Return the report of a body whose end cannot be kept."""
    return Invalid(JobError(type, message[:MESSAGE_CHARACTERS_MAX]))


def describe(error: BaseException, *, frames: int = 1) -> JobError:
    """Return an exception as text, cut to what is kept; `frames` of ours are left out.

    Never raises: the exception is the user's, and so are its ``__str__`` and its class.
    """
    return JobError(
        _text(lambda: _name(type(error)), "its class"),
        _text(lambda: str(error), "its __str__")[:MESSAGE_CHARACTERS_MAX],
        _text(lambda: _trace(error, frames), "its traceback")[-TRACEBACK_CHARACTERS_MAX:],
    )


def _text(made: Callable[[], str], what: str) -> str:
    """Return what `made` makes, as a plain str; all that it raises is the user's, and text too."""
    try:
        return "".join(made())
    except BaseException as failure:
        return f"<{what} raised {type.__repr__(type(failure))}>"


def _name(kind: type[BaseException]) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else _qualified(kind)


def _qualified(kind: type[BaseException]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _trace(error: BaseException, frames: int) -> str:
    if not frames:
        return ""
    start = error.__traceback__
    for _ in range(frames):
        start = start.tb_next if start is not None else None
    return "".join(traceback.format_exception(type(error), error, start or error.__traceback__))
