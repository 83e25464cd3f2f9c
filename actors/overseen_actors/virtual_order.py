"""Tasks and futures that have a number, so that sets of them come in an order that repeats.

asyncio.TaskGroup, asyncio.wait, asyncio.as_completed and anyio keep tasks in sets and go through
them, for example to cancel them. A stock task is hashed by its address, so that order is another
one in every run, and with it everything that follows.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any


class NumberedTask(asyncio.Task[Any]):
    """A task whose hash is its number: 1 for the first task of its loop, and so on."""

    def __init__(
        self, work: Generator[Any, Any, Any] | Coroutine[Any, Any, Any], number: int, **options: Any
    ) -> None:
        # First of all: making a task puts it into a set already.
        self.number = number
        self.priority: float | None = None  # drawn by the schedule that goes by priorities
        super().__init__(work, **options)

    def __hash__(self) -> int:
        return self.number

    def set_name(self, value: object, /) -> None:
        """As everywhere, but None leaves the name: CPython 3.13.0 would make it "None"."""
        if value is not None:
            super().set_name(value)


class NumberedFuture(asyncio.Future[Any]):
    """A future whose hash is a number that it gets when somebody first asks: most never do."""

    numbers: Iterator[int]
    number: int

    def __hash__(self) -> int:
        try:
            return self.number
        except AttributeError:
            self.number = next(self.numbers)
            return self.number


def task_numbering() -> Callable[..., NumberedTask]:
    """Make a task factory that counts from 1 and names tasks by their number."""
    numbers = itertools.count(1)

    def make(
        loop: asyncio.AbstractEventLoop,
        work: Generator[Any, Any, Any] | Coroutine[Any, Any, Any],
        **options: Any,
    ) -> NumberedTask:
        number = next(numbers)
        # asyncio's own numbers go on from loop to loop, so two runs would differ in them.
        if options.get("name") is None:
            options["name"] = f"Task-{number}"
        return NumberedTask(work, number, loop=loop, **options)

    return make


def stepped_task(handle: asyncio.Handle) -> NumberedTask | None:
    """The task that a callback would take a step of; None for a plain callback."""
    callback: object = getattr(handle, "_callback", None)
    owner: object = getattr(callback, "__self__", None)
    return owner if isinstance(owner, NumberedTask) else None
