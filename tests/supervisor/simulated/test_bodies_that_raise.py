"""Whatever a body raises is the outcome of its own job, and of nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.supervisor.simulated.conftest import Make

from overseen import Context, Reason, job


class WithoutText(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class KillsWhoAsks(Exception):
    """Asking for its text raises what ends an event loop."""

    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__


class CancelsWhoAsks(Exception):
    """Asking for its text looks like a cancellation."""

    def __str__(self) -> str:
        raise asyncio.CancelledError

    __repr__ = __str__


class Text(str):
    """Not quite a str."""

    __slots__ = ()


class OddText(Exception):
    """Its text is of a subclass."""

    def __str__(self) -> str:
        return Text("odd")


class OddName(type):
    """A class that does not want to be named."""

    def __getattribute__(cls, name: str) -> object:
        if name in ("__qualname__", "__module__", "__name__"):
            raise RuntimeError("nameless")
        return super().__getattribute__(name)


class Nameless(Exception, metaclass=OddName):
    """Of such a class."""


def too_deep() -> None:
    too_deep()


def raising(error: BaseException) -> Callable[[], None]:
    def body() -> None:
        raise error

    return body


def chained() -> None:
    try:
        raise WithoutText
    except WithoutText as error:
        raise ValueError("because of") from error


def with_a_note() -> None:
    error = ValueError("noted")
    error.add_note("\ud800 a lone surrogate")
    error.__notes__.append(object())  # type: ignore[arg-type]  # what a careless library leaves
    raise error


BODIES: dict[str, tuple[Callable[[], None], str]] = {
    "Exception": (raising(ValueError("wrong")), "ValueError"),
    "BaseException": (raising(BaseException("bare")), "BaseException"),
    "KeyboardInterrupt": (raising(KeyboardInterrupt()), "KeyboardInterrupt"),
    "SystemExit": (raising(SystemExit(3)), "SystemExit"),
    "GeneratorExit": (raising(GeneratorExit()), "GeneratorExit"),
    "StopIteration": (raising(StopIteration(1)), "RuntimeError"),
    "StopAsyncIteration": (raising(StopAsyncIteration()), "StopAsyncIteration"),
    "group": (raising(ExceptionGroup("two", [ValueError(1), KeyError(2)])), "ExceptionGroup"),
    "base group": (raising(BaseExceptionGroup("b", [SystemExit(1)])), "BaseExceptionGroup"),
    "own cancellation": (raising(asyncio.CancelledError("mine")), "CancelledError"),
    "RecursionError": (too_deep, "RecursionError"),
    "MemoryError": (raising(MemoryError()), "MemoryError"),
    "TimeoutError": (raising(TimeoutError("its own")), "TimeoutError"),
    "no text": (raising(WithoutText()), "WithoutText"),
    "text that kills": (raising(KillsWhoAsks()), "KillsWhoAsks"),
    "text that cancels": (raising(CancelsWhoAsks()), "CancelsWhoAsks"),
    "odd text": (raising(OddText()), "OddText"),
    "nameless": (raising(Nameless()), ""),
    "chained": (chained, "ValueError"),
    "odd notes": (with_a_note, "ValueError"),
    "surrogate": (raising(ValueError("\ud800 and \0")), "ValueError"),
    "huge": (raising(ValueError("x" * 3_000_000)), "ValueError"),
}


@job(grace="1h")
async def fails(ctx: Context, how: str) -> None:
    BODIES[how][0]()


@job
async def works(number: int) -> int:
    await asyncio.sleep(1)
    return number


@pytest.mark.parametrize("how", BODIES)
async def test_whatever_a_body_raises_fails_its_own_job_only(make: Make, how: str) -> None:
    """A body may raise anything: its job fails as `error` and says what it died of, jobs before,
    beside and after it complete, and no actor is started anew."""
    async with make(fails, works) as supervisor:
        beside = await supervisor.submit(works, 1)
        failing = await supervisor.submit(fails, how)
        outcome = await failing.wait()
        after = await supervisor.submit(works, 2)

        assert (outcome.answer, outcome.reason) == ("failed", Reason.ERROR)
        assert outcome.error is not None
        assert BODIES[how][1] in outcome.error.type
        assert len(outcome.error.message) <= 4_000
        assert await beside.result() == 1
        assert await after.result() == 2
        assert supervisor.figures.restarts == 0
        row = await failing.record()
        assert row.error is not None
        assert row.error.type == outcome.error.type


async def test_jobs_that_fail_in_one_group_do_not_touch_each_other(make: Make) -> None:
    """All kinds of raising bodies at once, a hundred good ones between them: each gets its own."""
    async with make(fails, works) as supervisor:
        bad = await supervisor.submit_many(fails.call(how) for how in BODIES)
        good = await supervisor.submit_many(works.call(number) for number in range(100))

        assert {(await handle.wait()).answer for handle in bad} == {"failed"}
        assert [await handle.result() for handle in good] == list(range(100))
        assert supervisor.figures.restarts == 0


async def test_the_traceback_begins_in_the_body(make: Make) -> None:
    """The stored traceback shows the body's own lines and none of the supervisor's."""

    @job
    async def divides() -> float:
        return 1 / 0

    async with make(divides) as supervisor:
        outcome = await (await supervisor.submit(divides)).wait()

    assert outcome.error is not None
    assert "in divides\n    return 1 / 0" in outcome.error.traceback
    assert "workers.py" not in outcome.error.traceback


@dataclass
class Unbuildable:
    """Can be built where it is submitted, not where it runs."""

    size: int

    def __post_init__(self) -> None:
        if self.size == 0 and Unbuildable.broken:
            raise KeyboardInterrupt("not ValueError, not TypeError, not even Exception")

    broken = False


@job
async def takes(thing: Unbuildable) -> int:
    return thing.size


async def test_an_argument_whose_class_raises_fails_its_own_job(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Building the arguments runs the user's code too: what it raises is the job's outcome."""
    async with make(takes, works) as supervisor:
        held_up = await supervisor.submit(takes.options(delay="1m"), Unbuildable(0))
        monkeypatch.setattr(Unbuildable, "broken", True)
        outcome = await held_up.wait(timeout="1h")

        assert outcome.answer == "failed"
        assert await (await supervisor.submit(works, 1)).result() == 1


async def test_a_body_that_swallows_everything_and_returns_completes(make: Make) -> None:
    """Exceptions that a body handles itself are no business of the supervisor."""

    @job
    async def careful() -> str:
        for how in ("SystemExit", "KeyboardInterrupt", "own cancellation"):
            try:
                BODIES[how][0]()
            except BaseException:
                continue
        return "fine"

    async with make(careful) as supervisor:
        assert await (await supervisor.submit(careful)).result() == "fine"
