"""Names what every task and timer is for: what to read when nothing goes on, or all for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import cast

LINKS_MAX = 50
"""Links of one await chain that are shown; a longer one is a recursion."""

TIMERS_MAX = 10
"""Timers that are shown: the next ones."""


def waiting_tasks(loop: asyncio.AbstractEventLoop) -> list[str]:
    """One line for each task that has not ended, oldest first, with its await chain.

    `Task-2: main (app.py:10) > Queue.get (queues.py:158) > a future`
    """
    tasks = sorted(asyncio.all_tasks(loop), key=_age)
    return [
        " > ".join([f"{task.get_name()}: {_links(task.get_coro())}", _bottom(task)])
        for task in tasks
    ]


def set_timers(loop: asyncio.AbstractEventLoop) -> list[str]:
    """One line for each of the next timers: when, and for whom.

    `at 1030.0 s: Task-2` where a task sleeps, else the function that will be called.
    """
    scheduled: list[asyncio.TimerHandle] = getattr(loop, "_scheduled", [])
    timers = sorted((timer for timer in scheduled if not timer.cancelled()), key=_due)
    lines = [f"at {timer.when()} s: {_timer_is_for(loop, timer)}" for timer in timers]
    more = [f"and {len(lines) - TIMERS_MAX} more"] if len(lines) > TIMERS_MAX else []
    return lines[:TIMERS_MAX] + more


def _due(timer: asyncio.TimerHandle) -> float:
    return timer.when()


def _timer_is_for(loop: asyncio.AbstractEventLoop, timer: asyncio.TimerHandle) -> str:
    arguments: tuple[object, ...] = getattr(timer, "_args", None) or ()
    if arguments and isinstance(arguments[0], asyncio.Future):
        for task in asyncio.all_tasks(loop):
            if getattr(task, "_fut_waiter", None) is arguments[0]:
                return task.get_name()
    callback: object = getattr(timer, "_callback", None)
    name: object = getattr(callback, "__qualname__", None)
    return name if isinstance(name, str) else type(callback).__qualname__


def _age(task: asyncio.Task[object]) -> tuple[int, int, str]:
    """By number where it has one; else Task-9 before Task-10."""
    number: int = getattr(task, "number", 0)
    return number, len(task.get_name()), task.get_name()


def _links(awaited: object) -> str:
    return " > ".join(await_chain(awaited)) or "nothing"


def _bottom(task: asyncio.Task[object]) -> str:
    """What the innermost await is for. `_fut_waiter` is only shown: its loss would cost words."""
    waits_for: object = getattr(task, "_fut_waiter", None)
    if isinstance(waits_for, asyncio.Task):
        return f"the end of {waits_for.get_name()}"
    gathered: object = getattr(waits_for, "_children", None)
    if isinstance(gathered, list):
        names = _names_of_those_not_done(cast("list[object]", gathered))
        return f"the ends of {', '.join(names) or 'nobody'}"
    return "a future" if waits_for is not None else "its next turn"


def _names_of_those_not_done(gathered: list[object]) -> list[str]:
    return [
        child.get_name() if isinstance(child, asyncio.Task) else "a future"
        for child in gathered
        if isinstance(child, asyncio.Future) and not child.done()
    ]


def await_chain(awaited: object) -> Iterator[str]:
    """The functions that wait, outermost first: `awaited`, what that awaits, and so on."""
    for _ in range(LINKS_MAX):
        link = _link(awaited)
        if link is None:
            return
        code, frame, awaited = link
        line = frame.f_lineno if frame is not None else code.co_firstlineno
        yield f"{code.co_qualname} ({code.co_filename.rpartition('/')[2]}:{line})"
    yield "..."


def _link(awaited: object) -> tuple[CodeType, FrameType | None, object] | None:
    """For a coroutine, a generator or an asynchronous generator; None for anything else."""
    for kind, following in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
        code: object = getattr(awaited, f"{kind}_code", None)
        if isinstance(code, CodeType):
            frame: object = getattr(awaited, f"{kind}_frame", None)
            return (
                code,
                frame if isinstance(frame, FrameType) else None,
                getattr(awaited, following, None),
            )
    return None
