"""Keeps real time and the real network out of a simulated test, and says which line wanted them.

While a simulated loop runs, and only on its thread, `time.sleep`, name lookups and connections of
sockets are errors. A job's body that runs into one has failed like with any other error, and a test
may never look at it; so the first one of those also ends the test.
"""

from __future__ import annotations

import linecache
import socket
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

from overseen.testing.errors import RealNetwork, RealSleep, RealWorld
from overseen.testing.worlds import world_here

__all__ = ["Reality"]

_LIBRARY = sysconfig.get_path("stdlib")
_SITE = ("site-packages", "dist-packages")
_OF_SOCKETS = ("connect", "connect_ex", "bind", "sendto")
_LOOKUPS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo")


class Reality:
    """What one loop refuses while it runs."""

    def __init__(self) -> None:
        self._thread = 0
        self._unseen: RealWorld | None = None
        """The first refusal inside a supervisor's life."""

    @contextmanager
    def kept_out(self) -> Generator[None]:
        """Refuse, until the end of the block; then raise what nobody may have seen."""
        self._thread = threading.get_ident()
        with ExitStack() as until_the_end:
            for where, name, real in self._doors():
                own: object = vars(where).get(name, _MISSING)
                setattr(where, name, self._guarded(where, name, real))
                until_the_end.callback(_put_back, where, name, own)
            yield
        unseen, self._unseen = self._unseen, None
        if unseen is not None:
            raise unseen

    def _doors(self) -> Iterator[tuple[object, str, Callable[..., Any]]]:
        real_sleep = time.sleep  # noqa: TID251  to be refused
        for module in list(sys.modules.values()):
            names = getattr(module, "__dict__", {})
            if names.get("sleep") is real_sleep:  # also where it came by `from time import sleep`
                yield module, "sleep", real_sleep
        for name in _LOOKUPS:
            yield socket, name, getattr(socket, name)
        for name in _OF_SOCKETS:
            yield socket.socket, name, getattr(socket.socket, name)

    def _guarded(self, where: object, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **options: Any) -> Any:
            if threading.get_ident() != self._thread:
                return real(*arguments, **options)
            self._refuse(where, name, arguments)

        return guarded

    def _refuse(self, where: object, name: str, arguments: tuple[object, ...]) -> NoReturn:
        place = _place()
        if name == "sleep":
            error: RealWorld = RealSleep(f"time.sleep({_listed(arguments)})", place)
        elif where is socket.socket:
            error = RealNetwork(f"socket.{name}({_listed(arguments[1:])})", place)
        else:
            error = RealNetwork(f"socket.{name}({_listed(arguments)})", place)
        if world_here() is not None and self._unseen is None:
            self._unseen = error
        raise error


_MISSING = object()


def _put_back(where: Any, name: str, own: object) -> None:
    if own is _MISSING:
        delattr(where, name)
    else:
        setattr(where, name, own)


def _listed(arguments: tuple[object, ...]) -> str:
    return ", ".join(map(repr, arguments))


def _place() -> str:
    """The line that wanted it: of whoever is nearest and no library."""
    frame: Any = sys._getframe(3)  # pyright: ignore[reportPrivateUsage]  # as `traceback` does
    nearest = frame
    while frame is not None and _is_library(frame.f_code.co_filename):
        frame = frame.f_back
    found = frame or nearest
    file, line = found.f_code.co_filename, found.f_lineno
    text = linecache.getline(file, line).strip()
    return f"{file}:{line}" + (f" ({text})" if text else "")


def _is_library(file: str) -> bool:
    return file.startswith((_LIBRARY, "<frozen")) or any(part in file for part in _SITE)
