"""What a body can say and ask while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Final, ParamSpec, SupportsFloat, TypeVar

import msgspec

from overseen.attachments.given import Attachments
from overseen.attempt import WARNINGS_MAX, Attempt, Mark
from overseen.codec import decode_value, encode_value
from overseen.errors import InvalidOption, InvalidPayload
from overseen.face_checks import check_job
from overseen.plain_text import plain_text
from overseen_storage.lifecycle import EventType, Reason
from overseen_storage.records import LogLine, Progress

if TYPE_CHECKING:
    from overseen.batches.aggregating import MemberResult
    from overseen.handle import Handle
    from overseen.jobs import Job
    from overseen.running import Running

__all__ = ["Context"]

P = ParamSpec("P")
R = TypeVar("R")

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
_NO_ATTACHMENTS: Final = Attachments()
INT_MAX: Final = 1 << 53
"""From here on a float does not hold every int; it is near enough for progress."""


class Saved:
    """Awaitable: returns once what was stored is on disk. May be ignored."""

    __slots__ = ("_saved",)

    def __init__(self, saved: asyncio.Future[None] | None) -> None:
        self._saved = saved

    def __await__(self) -> Generator[Any, None, None]:
        if self._saved is not None:
            yield from asyncio.shield(self._saved).__await__()


class Context:
    """The first argument of a body that asks for it (``ctx: Context``).

    Every method may be called from the body's coroutine or, for a plain ``def``, from its thread.
    None of them waits: reports are slots in which the latest wins.
    """

    __slots__ = ("_attempt", "_running", "_thread")

    def __init__(self, attempt: Attempt | None, running: Running | None) -> None:
        self._attempt = attempt
        self._running = running
        self._thread = threading.get_ident()

    @staticmethod
    def detached() -> Context:
        """Return a context that belongs to no job: for calling a body directly, as in a test.

        It accepts every report and forgets it.
        """
        return Context(None, None)

    # What the job is.

    @property
    def job_id(self) -> int:
        """Id of the job; 0 when detached."""
        return self._attempt.claimed.id if self._attempt else 0

    @property
    def kind(self) -> str:
        """The job's kind; empty when detached."""
        return self._attempt.claimed.kind if self._attempt else ""

    @property
    def queue(self) -> str:
        """The queue it came from; empty when detached."""
        return self._attempt.claimed.queue if self._attempt else ""

    @property
    def attempt(self) -> int:
        """Number of this attempt, from 1."""
        return self._attempt.claimed.fence if self._attempt else 1

    @property
    def failures(self) -> int:
        """How many earlier attempts failed by their own fault."""
        return self._attempt.claimed.failures if self._attempt else 0

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels given at submit."""
        return _strings(self._attempt.claimed.labels if self._attempt else None)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers given at submit, such as a trace context."""
        return _strings(self._attempt.claimed.headers if self._attempt else None)

    @property
    def parent_id(self) -> int | None:
        """The job whose body submitted this one."""
        return self._attempt.claimed.parent_id if self._attempt else None

    @property
    def state(self) -> Any:
        """What was given as ``Supervisor(state=...)``: pools, clients."""
        return self._running.state if self._running else None

    @property
    def attachments(self) -> Attachments:
        """The job's files by name, each compared with its digest before the body began.

        >>> async with ctx.attachments["input.mp4"].open() as reader: ...
        """
        attempt = self._attempt
        if attempt is None or attempt.attachments is None:
            return _NO_ATTACHMENTS
        return attempt.attachments

    def members(self, batch_id: int) -> AsyncIterator[MemberResult]:
        """Return how each member of a batch that has ended did so, in order of submission; for
        bodies that sum a batch up. Nothing when detached."""
        from overseen.batches.aggregating import member_results  # it imports this module

        running = self._running
        if running is None:
            return _nothing()
        return member_results(running.store, running.registry, batch_id)

    # What it should do.

    @property
    def cancelled(self) -> bool:
        """Whether the body has been told to stop (cancel, timeout, silence, shutdown).

        A coroutine is interrupted at its next ``await`` anyway; a plain ``def`` asks here, or is
        interrupted at its next call of `progress`, `heartbeat`, `warn`, `log` or `checkpoint`.
        """
        return self._attempt is not None and self._attempt.told_to_stop

    @property
    def stop_reason(self) -> Reason | None:
        """Why it was told to stop; None while it was not."""
        attempt = self._attempt
        if attempt is None or not attempt.told_to_stop:
            return None
        if attempt.cancelling:
            return attempt.cancel_reason
        return attempt.stop_reason or Reason.SHUTDOWN

    # What it can say.

    def heartbeat(self) -> None:
        """Give a sign of life. Needed only by a kind that promises one (``heartbeat=``)."""
        attempt, running = self._attempt, self._running
        if attempt is None or running is None:
            return
        attempt.last_beat = running.loop.time()
        self._obey()

    def progress(
        self,
        done: float | None = None,
        total: float | None = None,
        *,
        message: str | None = None,
        stage: str | None = None,
    ) -> None:
        """Say how far it is; also a sign of life.

        Reaches the ledger at most once per ``progress_interval``, and always with its last value
        before the end. Raises `InvalidPayload` for what is no finite number.
        """
        done, total = _number("done", done), _number("total", total)
        attempt, running = self._attempt, self._running
        if attempt is None or running is None:
            return
        attempt.last_beat = running.loop.time()
        attempt.progress = Progress(done, total, _short(message), _short(stage))
        self._report()
        self._obey()

    def warn(self, message: str, **fields: object) -> None:
        """Note something worth knowing; the job is then shown as completed with warnings."""
        attempt, running = self._attempt, self._running
        if attempt is None or running is None:
            return
        attempt.last_beat = running.loop.time()
        if attempt.warnings < WARNINGS_MAX:
            said = {"message": _short(message), **fields}
            data = encode_value(said, running.result_limit, what="warning")
            attempt.warnings += 1
            self._mark(Mark(EventType.WARNING, data, None))
        else:
            attempt.warnings_dropped += 1
        self._obey()

    def log(self, message: str, *, level: str = "info", **fields: object) -> None:
        """Store a line with the job (the newest thousand are kept) and hand it to the log."""
        if level not in LOG_LEVELS:
            raise InvalidOption("level", level, " or ".join(LOG_LEVELS))
        attempt, running = self._attempt, self._running
        if attempt is None or running is None:
            return
        data = encode_value(fields, running.result_limit, what="log") if fields else None
        line = LogLine(
            attempt.claimed.id,
            attempt.claimed.fence,
            running.stamper.now(),
            level,
            plain_text(message),
            data,
        )
        self._on_loop(lambda: running.scribe.write(line))
        self._obey()

    def checkpoint(self, value: object) -> Saved:
        """Store where it is, for the next attempt; also a sign of life.

        The value is JSON. Only the latest is kept, across attempts. ``await ctx.checkpoint(x)``
        returns once it is on disk; without ``await`` it is written with the next group.
        """
        attempt, running = self._attempt, self._running
        if attempt is None or running is None:
            return Saved(None)
        attempt.last_beat = running.loop.time()
        data = encode_value(value, running.result_limit, what="checkpoint")
        saved = running.loop.create_future() if self._in_loop() else None
        self._mark(Mark(EventType.CHECKPOINT, data, saved))
        self._obey()
        return Saved(saved)

    @property
    def last_checkpoint(self) -> Any:
        """The last checkpoint of an earlier attempt; None if there is none."""
        text = self._attempt.claimed.checkpoint if self._attempt else None
        return None if text is None else decode_value(text)

    async def submit(
        self, job: Job[P, R], /, *arguments: P.args, **keywords: P.kwargs
    ) -> Handle[R]:
        """Submit another job; this one is recorded as its parent."""
        if self._running is None:
            raise InvalidOption("ctx", "a detached Context", "the context of a running job")
        check_job(job)
        return await self._running.submit_child(self.job_id, job.call(*arguments, **keywords))

    # How it gets there.

    def _in_loop(self) -> bool:
        return threading.get_ident() == self._thread

    def _on_loop(self, call: Callable[[], None]) -> None:
        assert self._running is not None
        if self._in_loop():
            call()
        else:
            self._running.loop.call_soon_threadsafe(call)

    def _mark(self, mark: Mark) -> None:
        """Hand over a mark, on the loop: the list is taken away there, and none may be lost."""
        attempt = self._attempt
        assert attempt is not None

        def put() -> None:
            attempt.put_mark(mark)
            attempt.report_changed(attempt)

        self._on_loop(put)

    def _report(self) -> None:
        """Say that there is new progress, unless that is known or a timer will look anyway."""
        attempt = self._attempt
        assert attempt is not None
        if not attempt.changed and attempt.progress_timer is None:
            self._on_loop(lambda: attempt.report_changed(attempt))

    def _obey(self) -> None:
        """A body in a thread cannot be interrupted from outside: it is at its next call."""
        attempt = self._attempt
        if attempt is not None and attempt.thread_cancel and not self._in_loop():
            raise asyncio.CancelledError(f"job {self.job_id} was told to stop")


def _strings(text: str | None) -> Mapping[str, str]:
    return {} if text is None else msgspec.json.decode(text, type=dict[str, str])


def _short(text: str | None) -> str | None:
    return None if text is None else plain_text(text)


def _number(name: str, value: object) -> float | None:
    """Return a finite number as a plain one: an int as it is, all others as float."""
    if value is None or (type(value) is int and abs(value) < INT_MAX):
        return value
    number = math.nan
    if not isinstance(value, bool) and isinstance(value, SupportsFloat):
        with contextlib.suppress(OverflowError):
            number = float(value)
    if not math.isfinite(number):
        shown = repr(value) if isinstance(value, float) else type(value).__qualname__
        raise InvalidPayload("progress", f"$.{name}", f"expected a finite number, got {shown}")
    return number


async def _nothing() -> AsyncIterator[MemberResult]:
    return
    yield
