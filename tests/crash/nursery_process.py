"""A process that has imported everything and makes children of itself on demand: a program then
starts in milliseconds instead of half a second, and is a process of its own all the same.

python nursery_process.py SOCKET     (the number of an inherited Unix socket)

Each message on the socket is a list ``program argument ...`` as JSON, and carries one descriptor:
the child's end of the wire it is steered by. The answer is its process id.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys

from tests.crash.histories import PROGRAMS, Wire
from tests.crash.under_load import main

import overseen.log
from overseen_storage.sqlite.store import SqliteStore

ANY_PROCESS_MAY_TRACE = (0x59616D61, -1)  # PR_SET_PTRACER, PR_SET_PTRACER_ANY


def serve(orders: socket.socket) -> None:
    """Make one child for each order, until the other end is closed."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(orders, 65_536, 1)
        if not message:
            return
        (wire,) = descriptors
        pid = os.fork()
        if pid == 0:
            orders.close()
            os._exit(live(wire, *json.loads(message)))
        os.close(wire)
        orders.sendall(f"{pid}\n".encode())


async def under_load(wire: Wire, database: str, seed: str, *finish: str) -> None:
    """Submit without end; see `under_load.py`."""
    await main(database, int(seed), finish=bool(finish), say=wire.say)


def live(descriptor: int, program: str, *arguments: str) -> int:
    """Be the child: wait for the word, then run the program. Returns the exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with contextlib.suppress(AttributeError, OSError):  # where Yama lets only parents trace
        ctypes.CDLL(None).prctl(*ANY_PROCESS_MAY_TRACE, 0, 0, 0)
    wire = Wire(descriptor)
    wire.await_word()
    try:
        asyncio.run({**PROGRAMS, "under_load": under_load}[program](wire, *arguments))
    except BaseException as error:
        wire.say("raised", repr(error).replace("\n", " "))
        raise
    wire.say("over")
    return 0


if __name__ == "__main__":
    overseen.log.library_logger()  # structlog comes in with the first logger,
    SqliteStore(":memory:")  # and SQLite with the first store
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the system
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        serve(orders)
