"""Looks whether CPython's event loop is shaped as the virtual loop needs it, before anybody relies
on it: a loop that is silently misread would give results that mean nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from types import CodeType

from overseen_actors.errors import UnsupportedPython
from overseen_actors.virtual_order import stepped_task, task_numbering

_NAMES_RUN_ONCE_USES = frozenset(
    {"_ready", "_scheduled", "_clock_resolution", "_selector", "select", "time", "popleft"}
)


def check_run_once(loop_class: type[asyncio.AbstractEventLoop]) -> None:
    """Raise UnsupportedPython unless a turn of such a loop uses what the virtual loop replaces."""
    code: object = getattr(getattr(loop_class, "_run_once", None), "__code__", None)
    used = frozenset(code.co_names) if isinstance(code, CodeType) else frozenset[str]()
    missing = _NAMES_RUN_ONCE_USES - used
    if missing:
        raise UnsupportedPython(_unsupported(f"_run_once does not use {sorted(missing)}"))


def check_attributes(loop: asyncio.AbstractEventLoop) -> None:
    """Raise UnsupportedPython unless the loop holds its callbacks and timers as expected."""
    expected = {"_ready": deque, "_scheduled": list, "_clock_resolution": float}
    for name, kind in expected.items():
        found: object = getattr(loop, name, None)
        if not isinstance(found, kind):
            raise UnsupportedPython(_unsupported(f"{name} is {found!r}, not a {kind.__name__}"))


def check_steps(loop: asyncio.AbstractEventLoop) -> None:
    """Raise UnsupportedPython unless a task's step is told from a plain callback."""
    ready: deque[asyncio.Handle] = getattr(loop, "_ready")  # noqa: B009  its type stub hides it
    loop.set_task_factory(task_numbering())
    work = _nothing()
    task = loop.create_task(work)
    loop.set_task_factory(None)
    plain = loop.call_soon(_plainly)
    found = [stepped_task(handle) for handle in (*ready, plain)]
    for handle in ready:
        handle.cancel()
    ready.clear()
    work.close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # it was never meant to run
    if found != [task, None, None] or not hasattr(plain, "_cancelled"):
        raise UnsupportedPython(_unsupported(f"steps of tasks and callbacks are {found!r}"))


async def _nothing() -> None:
    pass


def _plainly() -> None:
    pass


def _unsupported(difference: str) -> str:
    return (
        f"asyncio's event loop has changed: {difference}. Virtual time is known to work on "
        "CPython 3.11 to 3.13; use one of these for simulated tests (nothing else needs it)"
    )
