"""The process at the terminal: it starts the one that works, kills it halfway, starts another.

It never opens the database while somebody works on it. What it is told is all it knows, which
makes it a witness: it has noted which jobs were acknowledged before it killed their keeper.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from overseen.batches.progress import BatchProgress
from overseen.demo.interrupts import INTERRUPTED, Interrupts
from overseen.demo.life import TO_BE_KILLED
from overseen.demo.messages import (
    CANCEL,
    DRAIN,
    LINE_BYTES_MAX,
    Acknowledged,
    Halfway,
    Shown,
    Told,
    decode,
)
from overseen.demo.place import Place
from overseen.demo.screen import Screen


@dataclass(slots=True)
class Course:
    """What the parent has seen of one run of the demo."""

    acknowledged: set[int] = field(default_factory=set[int])
    """Jobs whose `submit` has returned."""
    found: BatchProgress | None = None
    """How far the batch was when it was first shown."""
    killed: bool = False
    """Whether the process that worked was killed."""
    interrupted: bool = False
    """Whether somebody pressed Ctrl-C."""
    code: int = 0
    """The exit code of the last process that worked; negative: the signal that ended it."""

    @property
    def was_over(self) -> bool:
        """Whether there was nothing left to do."""
        return self.found is not None and self.found.over


async def supervise(place: Place, questions: Path, screen: Screen) -> Course:
    """Have the batch worked through by one process, killed halfway, and by another one."""
    course = Course()
    interrupts = Interrupts(screen.say, lambda: leave_at_once(screen))
    with interrupts.listening():
        command = command_of_life(place, questions)
        await follow([*command, TO_BE_KILLED], course, screen, interrupts)
        if course.killed and not interrupts.draining.is_set():
            await follow(command, course, screen, interrupts)
        course.interrupted = interrupts.draining.is_set()
    return course


def command_of_life(place: Place, questions: Path) -> list[str]:
    """What starts a process that works; ``-P``: modules come from where ours come from."""
    command = [sys.executable, "-P", "-m", "overseen.demo.life"]
    return [*command, str(place.database), str(questions)]


async def follow(
    command: list[str], course: Course, screen: Screen, interrupts: Interrupts
) -> None:
    """Start a process, pass on what is ordered, show what it tells, until it ends."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE,
        stdout=PIPE,
        limit=LINE_BYTES_MAX,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        start_new_session=True,  # Ctrl-C at the terminal is ours; we pass on what it means
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    relaying = asyncio.create_task(relay(process, interrupts))
    try:
        await listen(process, course, screen)
        course.code = await process.wait()
    finally:
        relaying.cancel()
        await asyncio.wait({relaying})
        if process.returncode is None:
            kill(process)
            await process.wait()


async def listen(process: Process, course: Course, screen: Screen) -> None:
    """Take what it tells, up to the end of its stdout. Once it is killed that is old news, and may
    end within a line."""
    assert process.stdout is not None
    killed = False
    async for line in process.stdout:
        if line.endswith(b"\n") and not killed:
            killed = take(decode(line), process, course, screen)


def take(told: Told, process: Process, course: Course, screen: Screen) -> bool:
    """Note, show or do what was told; returns whether that was to kill it."""
    match told:
        case Acknowledged(ids):
            course.acknowledged.update(ids)
        case Shown(progress):
            course.found = course.found or progress
            screen.show(progress)
        case Halfway():
            kill(process)
            course.killed = True
            screen.say(f"Halfway: kill -9 {process.pid}. Another process takes over.")
        case _:
            assert_never(told)
    return isinstance(told, Halfway)


def kill(process: Process) -> None:
    """End it here and now: it cannot even know."""
    with suppress(ProcessLookupError):
        process.kill()


async def relay(process: Process, interrupts: Interrupts) -> None:
    """Pass on what Ctrl-C asks for."""
    assert process.stdin is not None
    await interrupts.draining.wait()
    process.stdin.write(f"{DRAIN}\n".encode())
    await interrupts.cancelling.wait()
    process.stdin.write(f"{CANCEL}\n".encode())


def leave_at_once(screen: Screen) -> None:
    """End this process now, and by the end of its stdin the one that works."""
    screen.close()
    os._exit(INTERRUPTED)
