"""Drops what a crash has left: tasks that stand where they were, for ever."""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Iterable

CLOSINGS_MAX = 100
"""How often a coroutine is told to end before it is believed that it never will."""


def drop_quietly(coroutines: Iterable[object]) -> None:
    """End suspended coroutines without a word.

    Python has no way to forget a suspended coroutine: at the latest when its memory is freed, its
    `finally` blocks and context managers run. So they run here, at a known moment, after the loop
    was closed, and whatever they raise, warn of or leave unawaited is dropped. A program that was
    killed would not have run them: what they could spoil, a connection above all, has to be dead
    or copied before.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for coroutine in coroutines:
            _end(coroutine)


def _end(coroutine: object) -> None:
    close = getattr(coroutine, "close", None)
    if close is None:  # a task that never had work, or has given it back
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
