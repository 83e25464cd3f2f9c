"""Programs of these tests, run as processes of their own: heard through a pipe, killed for real."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import overseen
import overseen_actors
import overseen_storage

HERE = Path(__file__).parent
ANSWER_SECONDS = 60.0  # a child that says nothing for so long hangs: the test says so

ROOTS = os.pathsep.join(
    str(Path(package.__file__ or "").parents[1])
    for package in (overseen, overseen_actors, overseen_storage)
)


class Child:
    """One process that runs a program beside this file. Killed, at the latest, at the end."""

    def __init__(self, program: str, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(HERE / program), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": ROOTS},
        )
        self._said = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> list[str] | None:
        """The words of its next line; None at the end of its output."""
        while b"\n" not in self._said:
            more = self._read(ANSWER_SECONDS)
            if not more:
                return None
            self._said += more
        line, _, self._said = self._said.partition(b"\n")
        return line.decode().split()

    def lines(self) -> Iterator[list[str]]:
        """What it says, line by line, until the end; a line that was cut off is not one."""
        while (words := self.hear()) is not None:
            yield words

    def hear_word(self, word: str) -> list[str]:
        """The words of the first line from here on that begins with `word`."""
        for words in self.lines():
            if words[0] == word:
                return words
        raise AssertionError(f"it ended with {self.process.wait()} before it said {word!r}")

    def is_silent(self, seconds: float) -> bool:
        """Whether it says nothing for so long."""
        if b"\n" in self._said:
            return False
        assert self.process.stdout is not None
        return not select.select([self.process.stdout], [], [], seconds)[0]

    def wait(self) -> int:
        """Its exit code, once it has ended by itself."""
        return self.process.wait(ANSWER_SECONDS)

    def _read(self, seconds: float) -> bytes:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        assert ready, f"the child says nothing for {seconds} s; so far: {self._said!r}"
        return os.read(self.process.stdout.fileno(), 65_536)
