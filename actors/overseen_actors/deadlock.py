"""Names what every task waits for: what to read when nothing can ever go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import CodeType, FrameType

LINKS_MAX = 50
"""Links of one await chain that are shown; a longer one is a recursion."""


def waiting_tasks(loop: asyncio.AbstractEventLoop) -> list[str]:
    """One line for each task that has not ended, oldest first, with its await chain.

    `Task-2: main (app.py:10) > Queue.get (queues.py:158) > a future`
    """
    tasks = sorted(asyncio.all_tasks(loop), key=_age)
    return [
        " > ".join([f"{task.get_name()}: {_links(task.get_coro())}", _bottom(task)])
        for task in tasks
    ]


def _age(task: asyncio.Task[object]) -> tuple[int, str]:
    """Orders Task-9 before Task-10."""
    return len(task.get_name()), task.get_name()


def _links(awaited: object) -> str:
    return " > ".join(await_chain(awaited)) or "nothing"


def _bottom(task: asyncio.Task[object]) -> str:
    """What the innermost await is for. `_fut_waiter` is only shown: its loss would cost words."""
    waits_for: object = getattr(task, "_fut_waiter", None)
    if isinstance(waits_for, asyncio.Task):
        return f"the end of {waits_for.get_name()}"
    return "a future" if waits_for is not None else "its next turn"


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
