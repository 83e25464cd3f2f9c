"""Teaches asyncio.as_completed to keep order on a virtual loop. On any other it stays as it was.

It takes coroutines out of a set, hashed by address, to make tasks of them: which one starts first
would be new in every run. A module that did `from asyncio import as_completed` before the first
virtual loop was made keeps the stock one; hand that one tasks.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Iterable
from typing import Any

from overseen_actors.virtual_work import WithThreads


@functools.cache
def teach_asyncio() -> None:
    """Do it, once in a process."""
    stock = asyncio.as_completed

    @functools.wraps(stock)
    def as_completed(fs: Iterable[Awaitable[Any]], *, timeout: float | None = None) -> Any:
        virtual = isinstance(asyncio._get_running_loop(), WithThreads)
        return stock(_as_tasks(fs) if virtual else fs, timeout=timeout)

    for module in (asyncio, asyncio.tasks):
        setattr(module, "as_completed", as_completed)  # noqa: B010  a plain one is a type error


def _as_tasks(awaitables: Iterable[Awaitable[Any]]) -> Iterable[Awaitable[Any]]:
    """In their order; the same one twice is one task, as in the set."""
    if asyncio.isfuture(awaitables) or asyncio.iscoroutine(awaitables):
        return awaitables  # a mistake that asyncio names well
    return [asyncio.ensure_future(awaitable) for awaitable in dict.fromkeys(awaitables)]
