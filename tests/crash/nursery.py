"""Programs of `histories.py` as processes of their own, made in milliseconds; see
`nursery_process.py`."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from tests.crash.children import ANSWER_SECONDS, HERE, ROOTS

PATHS = os.pathsep.join([ROOTS, str(HERE.parents[1])])


class Nursery:
    """Where children come from. Ended with its block; children that still live are killed."""

    def __enter__(self) -> Self:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / "nursery_process.py"), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": PATHS},
            )
        self._one_at_a_time = threading.Lock()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._orders.close()
        self._process.wait(ANSWER_SECONDS)

    def child(self, program: str, *arguments: object) -> Forked:
        """Make one. It waits for the word: `Forked.go`."""
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        order = json.dumps([program, *map(str, arguments)]).encode()
        with self._one_at_a_time, theirs:
            socket.send_fds(self._orders, [order], [theirs.fileno()])
            answer = self._orders.recv(64)
        assert answer, "the nursery has died: see its standard error"
        return Forked(int(answer), mine)


class Forked:
    """A child of the nursery, and the wire that leads to it. Killed, at the latest, at the end."""

    def __init__(self, pid: int, wire: socket.socket) -> None:
        self.pid = pid
        self._wire = wire
        self._said = b""
        self._pidfd = os.pidfd_open(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._is_over(0):
            with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                self.signal(signal.SIGKILL)
            self.wait()
        os.close(self._pidfd)
        self._wire.close()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal: to this very process, never to another that got its number."""
        signal.pidfd_send_signal(self._pidfd, number)

    def go(self) -> None:
        """Give it the word it waits for."""
        self.tell("go")

    def tell(self, words: str) -> None:
        """Say something to it."""
        self._wire.sendall(words.encode() + b"\n")

    def lines(self) -> Iterator[list[str]]:
        """What it says, line by line, until its end; a line that was cut off is not one."""
        while (words := self.hear()) is not None:
            yield words

    def hear(self) -> list[str] | None:
        """The words of its next line; None once it has ended."""
        while b"\n" not in self._said:
            ready, _, _ = select.select([self._wire], [], [], ANSWER_SECONDS)
            assert ready, f"the child says nothing for {ANSWER_SECONDS} s; so far: {self._said!r}"
            try:
                more = self._wire.recv(65_536)
            except ConnectionResetError:  # it died with words of ours unread
                return None
            if not more:
                return None
            self._said += more
        line, _, self._said = self._said.partition(b"\n")
        return line.decode().split(" ")

    def hear_word(self, word: str) -> list[str]:
        """The words of the first line from here on that begins with `word`."""
        for words in self.lines():
            if words[0] == word:
                return words
        raise AssertionError(f"it ended before it said {word!r}")

    def is_silent(self, seconds: float) -> bool:
        """Whether it says nothing for so long."""
        return b"\n" not in self._said and not select.select([self._wire], [], [], seconds)[0]

    def wait(self) -> None:
        """Return once it is gone, with all its threads and locks."""
        assert self._is_over(ANSWER_SECONDS), f"process {self.pid} does not end"

    def _is_over(self, seconds: float) -> bool:
        return bool(select.select([self._pidfd], [], [], seconds)[0])
