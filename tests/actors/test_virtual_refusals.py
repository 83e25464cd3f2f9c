"""What virtual time refuses: the outside world, and a Python whose loop works otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import socket
import tempfile
from collections.abc import Callable
from typing import TypeVarTuple

import pytest

from overseen_actors import UnsupportedPython, VirtualIOError, VirtualLoop
from overseen_actors.virtual_anyio import teach_anyio
from overseen_actors.virtual_selftest import check_attributes, check_run_once, check_steps

Ts = TypeVarTuple("Ts")

# The outside world


async def test_whatever_needs_the_outside_world_is_refused_before_it_happens() -> None:
    """Sockets, names and processes are errors that say what to do instead."""
    loop = asyncio.get_running_loop()
    with pytest.raises(VirtualIOError, match="stand-in"):
        await asyncio.open_connection("127.0.0.1", 9)
    with pytest.raises(VirtualIOError, match="server"):
        await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    with pytest.raises(VirtualIOError, match="true"):
        await asyncio.create_subprocess_exec("true")
    with pytest.raises(VirtualIOError, match="name lookup"):
        await loop.getaddrinfo("localhost", 80)
    one, other = socket.socketpair()
    with one, other:
        with pytest.raises(VirtualIOError, match="registered"):
            loop.add_reader(one, print)
        loop.remove_reader(one)


def test_a_virtual_loop_opens_no_file() -> None:
    """No selector, no pipe to itself: making one costs no descriptor."""
    with contextlib.closing(VirtualLoop()), tempfile.TemporaryFile() as one:
        first = one.fileno()
    with tempfile.TemporaryFile() as other:
        assert other.fileno() == first  # the lowest free number: the loop took none before it


# CPython's internals


class LoopOfAnotherShape(asyncio.SelectorEventLoop):
    """As a later Python might be: a turn that keeps its callbacks and timers elsewhere."""

    def _run_once(self) -> None:
        return


def test_a_python_whose_loop_works_otherwise_is_refused_loudly() -> None:
    """The self-test names what is missing and which versions work."""
    check_run_once(asyncio.SelectorEventLoop)
    with pytest.raises(UnsupportedPython, match=r"'_ready', '_scheduled'.*3\.11 to 3\.13"):
        check_run_once(LoopOfAnotherShape)


@pytest.mark.parametrize("name", ["_ready", "_scheduled", "_clock_resolution"])
def test_a_loop_that_lacks_an_attribute_is_refused_loudly(name: str) -> None:
    """Each attribute that is replaced is looked for when a loop is made."""
    loop = asyncio.SelectorEventLoop()
    check_attributes(loop)
    kept: object = getattr(loop, name)
    delattr(loop, name)
    try:
        with pytest.raises(UnsupportedPython, match=f"{name} is None"):
            check_attributes(loop)
    finally:
        setattr(loop, name, kept)
        loop.close()


class LoopWithHiddenSteps(asyncio.SelectorEventLoop):
    """As a later Python might be: what a callback belongs to cannot be seen."""

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        return super().call_soon(lambda: callback(*args), context=context)


def test_a_loop_whose_steps_of_tasks_look_like_callbacks_is_refused_loudly() -> None:
    """A schedule would shuffle nothing and nobody would notice."""
    with contextlib.closing(asyncio.SelectorEventLoop()) as loop:
        check_steps(loop)
    with (
        contextlib.closing(LoopWithHiddenSteps()) as loop,
        pytest.raises(UnsupportedPython, match="steps of tasks"),
    ):
        check_steps(loop)
    gc.collect()  # the task of the test would complain


def test_an_anyio_whose_scopes_are_otherwise_is_refused_loudly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rather than cancelling in an order that is new in every run."""
    monkeypatch.setattr("anyio._backends._asyncio.CancelScope.__slots__", ("_tasks",))
    with pytest.raises(UnsupportedPython, match=r"_child_scopes.*anyio 4\.10 to"):
        teach_anyio.__wrapped__()


def test_a_virtual_loop_cannot_be_made_where_the_self_test_fails() -> None:
    """No virtual loop on a Python that it would silently misread, and no coroutine left behind."""

    class VirtualLoopOnIt(VirtualLoop):
        def _run_once(self) -> None:
            return

    class VirtualLoopOfOtherNumbers(VirtualLoop):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, 1 if name == "_clock_resolution" else value)

    for loop_class in (VirtualLoopOnIt, VirtualLoopOfOtherNumbers):
        with pytest.raises(UnsupportedPython):
            loop_class()
        gc.collect()  # a loop that is thought open would complain
