"""One simulated test, as pytest sees it: a loop of its own, from its first fixture to its last."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import inspect
import shlex
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Self, TypeVar, cast

import pytest

from overseen.durations import format_seconds, seconds
from overseen.testing.loop import SimulatedLoop
from overseen.testing.marks import SEED_FIXTURE, SimulatedMark, mark_of

__all__ = ["SimulatedTest"]

T = TypeVar("T")


class SimulatedTest(pytest.Function):
    """A coroutine function that runs on a simulated loop, and so do its asynchronous fixtures."""

    _runner: asyncio.Runner | None = None
    _elapsed = 0.0

    @classmethod
    def instead_of(cls, item: pytest.Function) -> Self:
        """Make one that stands where `item` stood."""
        make = cast("Callable[..., Self]", getattr(cls, "from_parent"))  # noqa: B009  untyped there
        made = make(
            item.parent,
            name=item.name,
            callspec=getattr(item, "callspec", None),
            callobj=item.obj,
            fixtureinfo=getattr(item, "_fixtureinfo"),  # noqa: B009  as plugins for asyncio do
            keywords=item.keywords,
            originalname=item.originalname,
        )
        made.own_markers = item.own_markers
        return made

    @property
    def mark(self) -> SimulatedMark:
        """What the marker says."""
        mark = mark_of(self)
        assert mark is not None
        return mark

    @property
    def seed(self) -> int:
        """The seed of this run."""
        callspec: Any = getattr(self, "callspec", None)
        given: int | None = self.config.getoption("--overseen-seed")
        default = self.mark.seed if given is None else given
        seed: int = default if callspec is None else callspec.params.get(SEED_FIXTURE, default)
        return seed

    def setup(self) -> None:
        """Make the loop before any fixture, so that it is closed after all of them."""
        if not inspect.iscoroutinefunction(self.obj):
            raise pytest.UsageError(
                f"{self.nodeid} is marked as simulated, but is no `async def`. Make it one, or "
                "call overseen.testing.run_simulated(main) in it"
            )
        new_loop = functools.partial(
            SimulatedLoop,
            seed=self.seed,
            schedule=self.mark.schedule,
            time_limit_seconds=seconds(self.mark.time_limit, name="time_limit"),
        )
        self._runner = asyncio.Runner(loop_factory=new_loop)
        self._context = contextvars.copy_context()
        self._began = self._runner.get_loop().time()
        self.addfinalizer(self._close)
        super().setup()

    def _close(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.close()

    def runtest(self) -> None:
        """Run the test on its loop."""
        names: tuple[str, ...] = getattr(self, "_fixtureinfo").argnames  # noqa: B009
        self.run(self.obj(**{name: self.funcargs[name] for name in names}))

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run something of this test on its loop. Cyclic garbage is not collected meanwhile:
        finalizers would run at moments that do not repeat."""
        runner = self._runner
        assert runner is not None
        collects = gc.isenabled()
        gc.disable()
        try:
            return runner.run(coroutine, context=self._context)
        finally:
            self._elapsed = runner.get_loop().time() - self._began
            if collects:
                gc.enable()

    def entered(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Yield once, between entering and leaving."""
        yield self.run(_entering(manager))
        self.run(_leaving(manager))

    def synchronous(
        self, function: Callable[..., Any], request: pytest.FixtureRequest
    ) -> Callable[..., Any]:
        """Make a fixture function of an asynchronous one."""

        def set_up(**arguments: Any) -> Any:
            bound, instance = function, request.instance
            if inspect.ismethod(function) and type(function.__self__) is type(instance):
                bound = function.__func__.__get__(instance)  # to the instance of this very test
            made: Any = bound(**arguments)
            if inspect.iscoroutine(made):
                return self.run(made)
            generator: AsyncGenerator[Any, None] = made
            request.addfinalizer(functools.partial(self._finish, generator))
            return self.run(_first(generator))

        return set_up

    def _finish(self, generator: AsyncGenerator[Any, None]) -> None:
        self.run(_rest(generator))

    def how_to_replay(self) -> str:
        """What a failure tells of the simulation."""
        test = shlex.quote(self.nodeid)
        return (
            f"seed {self.seed}, at {format_seconds(max(self._elapsed, 0.0))} of simulated time. "
            f"To see exactly this again:\n  pytest {test} --overseen-seed={self.seed}"
        )


async def _entering(manager: AbstractAsyncContextManager[T]) -> T:
    return await manager.__aenter__()


async def _leaving(manager: AbstractAsyncContextManager[Any]) -> None:
    await manager.__aexit__(None, None, None)


async def _first(generator: AsyncGenerator[T, None]) -> T:
    return await anext(generator)


async def _rest(generator: AsyncGenerator[Any, None]) -> None:
    try:
        await anext(generator)
    except StopAsyncIteration:
        return
    await generator.aclose()
    raise pytest.UsageError("an asynchronous fixture yielded twice")
