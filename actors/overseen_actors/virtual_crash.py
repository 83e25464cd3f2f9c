"""Drops what a crash has left: tasks that stand where they were, for ever."""

from __future__ import annotations

import asyncio
import ctypes
import warnings

from overseen_actors.virtual_order import NumberedTask

CLOSINGS_MAX = 100
"""How often a coroutine is told to end before it is believed that it never will."""


def drop_tasks_quietly(loop: asyncio.AbstractEventLoop) -> None:
    """End the suspended tasks of a loop that will never run again, oldest first, without a word.

    Python has no way to forget a suspended coroutine: at the latest when its memory is freed, its
    `finally` blocks and context managers run. So they run here, at a known moment, each as far as
    its next `await`, and whatever they raise or warn of is dropped. The loop has to be open and
    looks as if it ran: on a closed one an `await` would raise instead of waiting, and a body that
    catches everything and tries again would never give up control.
    """
    dropped = set[asyncio.Task[object]]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(loop)
        try:
            while left := asyncio.all_tasks(loop) - dropped:  # ending, they may start others
                for task in sorted(left, key=_number):
                    _drop(loop, task)
                dropped |= left
        finally:
            asyncio._set_running_loop(outer)


def _number(task: asyncio.Task[object]) -> int:
    return task.number if isinstance(task, NumberedTask) else 0


def _drop(loop: asyncio.AbstractEventLoop, task: asyncio.Task[object]) -> None:
    asyncio.tasks._enter_task(loop, task)
    try:
        _end(task.get_coro())
    finally:
        asyncio.tasks._leave_task(loop, task)


def _end(coroutine: object) -> None:
    close = getattr(coroutine, "close", None)
    if close is None:  # a task whose work has ended keeps none
        return
    for _ in range(CLOSINGS_MAX):
        try:
            close()
        except BaseException:
            continue  # it awaits again in its `finally`, or raised there: nobody is left to hear it
        return
    # It catches GeneratorExit for ever. Freed, it would complain at some later moment, so it is
    # never freed: one reference that nobody gives back.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))
