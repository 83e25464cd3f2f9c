"""Which tasks and callbacks belong to one life of a supervisor, so that a crash can end just these.

A killed process runs nothing any more, not even a `finally`. Cancelling its tasks would be another
thing. So everything that a life starts carries its world in a context variable, which tasks and
callbacks inherit from whoever started them; once a world has ended, the loop runs nothing of it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator
from typing import Any
from weakref import WeakSet

__all__ = ["World", "context_of", "world_here", "world_in"]


class World:
    """One life of one supervisor, as the loop sees it."""

    def __init__(self) -> None:
        self.ended = False
        """Nothing of it runs any more."""
        self.tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        """What it started."""
        self.generators: WeakSet[AsyncGenerator[Any, Any]] = WeakSet()
        """Asynchronous generators that it began."""


_WORLD: contextvars.ContextVar[World | None] = contextvars.ContextVar("overseen_world")


def world_here() -> World | None:
    """The world of the code that runs now; None: it is the test's own."""
    return _WORLD.get(None)


def world_in(context: contextvars.Context | None) -> World | None:
    """The world of what would run in `context`; None stands for the present one."""
    return _WORLD.get(None) if context is None else context.get(_WORLD)


def context_of(world: World) -> contextvars.Context:
    """The present context, but in `world`."""
    context = contextvars.copy_context()
    context.run(_WORLD.set, world)
    return context
