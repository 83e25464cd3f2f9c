"""What a virtual loop has instead of the outside world: nothing, said clearly."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NoReturn

from overseen_actors.errors import VirtualIOError


class SelectorOfTime(selectors.BaseSelector):
    """A selector without files. Its `select` is where an event loop waits, so time moves there."""

    def __init__(self, wait: Callable[[float | None], None]) -> None:
        self._wait = wait

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let time pass; no file is ever ready."""
        self._wait(timeout)
        return []

    def register(self, fileobj: object, events: int, data: object = None) -> NoReturn:
        """Refuse."""
        raise VirtualIOError(f"file {fileobj!r} was registered for events {events}")

    def unregister(self, fileobj: object) -> NoReturn:
        """Nothing is registered."""
        raise KeyError(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Nothing is registered."""
        return {}


def _refused(what: str) -> Callable[..., Coroutine[Any, Any, NoReturn]]:
    async def refuse(loop: object, *arguments: object, **options: object) -> NoReturn:
        raise VirtualIOError(f"{what} {arguments or options}")

    return refuse


class WithoutOutsideWorld:
    """Refuses, before anything happens outside, what asyncio would do with the outside world.

    The selector alone would be too late for most of these: the process would run, the name would
    be looked up, the socket would be bound.
    """

    getaddrinfo = _refused("name lookup")
    getnameinfo = _refused("address lookup")
    create_connection = _refused("connection")
    create_datagram_endpoint = _refused("datagram endpoint")
    create_server = _refused("server")
    create_unix_connection = _refused("connection")
    create_unix_server = _refused("server")
    connect_accepted_socket = _refused("accepted socket")
    connect_read_pipe = _refused("pipe")
    connect_write_pipe = _refused("pipe")
    subprocess_exec = _refused("process")
    subprocess_shell = _refused("process")

    # The pipe to itself by which a stock loop is woken by other threads and signals.

    def _make_self_pipe(self) -> None:
        pass

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
