"""What ran, in words that are the same in every run: two runs can be compared byte for byte."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from types import CodeType
from typing import Any

from overseen_actors.virtual_order import NumberedTask

TraceHook = Callable[[int, int, str], None]
"""Called before each callback with the virtual nanoseconds, the number of the task that takes a
step (0 for a plain callback), and the name of the task's function or of the callback."""

StepHook = Callable[["asyncio.Task[Any] | None"], None]
"""Called before each callback with the task that takes a step. It may cancel that task, call
`stall` or `crash`; it must not run anything of the program by itself."""


class Trace:
    """A hook that keeps what it was told, one line for each callback.

    trace = Trace()
    run_virtual(main(), trace=trace)
    assert trace.digest() == the_digest_of_another_run
    """

    __slots__ = ("lines",)

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, at_ns: int, task: int, name: str) -> None:
        """A callback is about to run."""
        self.lines.append(f"{at_ns} {task} {name}")

    def digest(self) -> str:
        """A hash of all lines, to compare runs of different processes by."""
        return hashlib.blake2b("\n".join(self.lines).encode(), digest_size=16).hexdigest()


def step_name(handle: asyncio.Handle, task: NumberedTask | None) -> str:
    """What runs next: without address, process-wide number or anything that is new in each run."""
    if task is not None:
        return function_name(task.get_coro())
    callback: object = getattr(handle, "_callback", None)
    name: object = getattr(callback, "__qualname__", None)
    return name if isinstance(name, str) else type(callback).__qualname__


def function_name(coroutine: object) -> str:
    """The qualified name of the function that a coroutine or generator runs."""
    for attribute in ("cr_code", "gi_code"):
        code: object = getattr(coroutine, attribute, None)
        if isinstance(code, CodeType):
            return code.co_qualname
    return type(coroutine).__qualname__
