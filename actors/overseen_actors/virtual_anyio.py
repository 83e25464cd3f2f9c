"""Teaches anyio two things that a virtual loop needs. On any other loop anyio stays as it was.

* A cancel scope goes through its child scopes in a set hashed by address: which of two tasks is
  cancelled first would be new in every run. Here it is the order in which they were entered.
* `anyio.to_thread.run_sync` keeps threads of its own, of which the loop knows nothing, so time
  would jump while they work. Here it goes the way of `asyncio.to_thread`.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable
from typing import Any

from anyio._backends import _asyncio as backend

from overseen_actors.errors import UnsupportedPython
from overseen_actors.virtual_work import WithThreads

_SCOPE_ATTRIBUTES = frozenset({"_child_scopes", "_tasks"})


class ScopesInOrder(dict[object, None]):
    """What a cancel scope needs of a set, in the order of adding."""

    def add(self, scope: object) -> None:
        """Put it last, unless it is in here."""
        self[scope] = None

    def discard(self, scope: object) -> None:
        """Take it out if it is in here."""
        self.pop(scope, None)

    def remove(self, scope: object) -> None:
        """Take it out; an error if it is not in here."""
        del self[scope]


@functools.cache
def teach_anyio() -> None:
    """Do it, once in a process."""
    missing = _SCOPE_ATTRIBUTES - frozenset(backend.CancelScope.__slots__)
    if missing or not hasattr(backend.AsyncIOBackend, "run_sync_in_worker_thread"):
        raise UnsupportedPython(
            f"anyio has changed: its cancel scopes lack {sorted(missing)} or its threads are "
            "elsewhere. Virtual time is known to work with anyio 4.10 to 4.16; use one of these "
            "for simulated tests (nothing else needs it)"
        )
    _order_scopes()
    _run_threads_by_the_loop()


def _order_scopes() -> None:
    stock_init = backend.CancelScope.__init__

    @functools.wraps(stock_init)
    def init(scope: Any, *arguments: Any, **options: Any) -> None:
        stock_init(scope, *arguments, **options)
        if isinstance(asyncio._get_running_loop(), WithThreads):
            scope._child_scopes = ScopesInOrder()

    _replace(backend.CancelScope, "__init__", init)


def _run_threads_by_the_loop() -> None:
    stock_run = backend.AsyncIOBackend.run_sync_in_worker_thread

    @functools.wraps(stock_run)
    async def run_sync(
        anyio_backend: type[backend.AsyncIOBackend],
        function: Callable[..., object],
        arguments: tuple[object, ...],
        abandon_on_cancel: bool = False,
        limiter: Any = None,
    ) -> object:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, WithThreads):
            return await stock_run(function, arguments, abandon_on_cancel, limiter)
        await anyio_backend.checkpoint()
        async with limiter or anyio_backend.current_default_thread_limiter():
            with backend.CancelScope(shield=not abandon_on_cancel):
                context = contextvars.copy_context()
                work = functools.partial(context.run, function, *arguments)
                return await loop.run_in_executor(None, work)
        raise AssertionError("a scope that nobody can cancel has swallowed a cancellation")

    _replace(backend.AsyncIOBackend, "run_sync_in_worker_thread", classmethod(run_sync))


def _replace(owner: type[object], name: str, replacement: object) -> None:
    setattr(owner, name, replacement)
