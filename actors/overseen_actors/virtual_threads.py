"""Real threads under virtual time: who is at work, what they said, and one at a time if asked.

Three ways, from the most to the least exact:

* inline: what would be a thread's work runs on the loop's own thread (`run_in_executor`);
* gated: a real thread does it, and the loop stands still until it has answered. The order of
  everything is the same as inline. For a thread with a queue of its own, as a database connection
  has one, put a `GatedQueue` in front of that;
* free: threads run as they like and `hold` keeps time from jumping. Correct, but what they say
  comes between other callbacks at moments that do not repeat.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Generic, NoReturn, Protocol, TypeVar

from overseen_actors.errors import VirtualStalled, VirtualTimeError

T = TypeVar("T")
Item = TypeVar("Item")
Puts = TypeVar("Puts", contravariant=True)


class Threads(StrEnum):
    """Where a virtual loop runs what is given to an executor."""

    INLINE = "inline"
    """On the loop's own thread: fast."""

    GATED = "gated"
    """Each piece in a new thread while the loop stands still: finds what leans on the thread."""


class ThreadsAtWork:
    """Which real threads work for a loop, and what they want it to run."""

    def __init__(self, watchdog_seconds: float) -> None:
        self._watchdog_seconds = watchdog_seconds
        self._changed = threading.Condition()
        self._inbox: deque[asyncio.Handle] = deque()
        self._holds = 0
        self._heard = 0

    @property
    def has_spoken(self) -> bool:
        """Whether there is something to `take`. May be asked at any time, without waiting."""
        return bool(self._inbox)

    def hold(self) -> None:
        """A thread is at work."""
        with self._changed:
            self._holds += 1

    def release(self) -> None:
        """It has ended."""
        with self._changed:
            if self._holds == 0:
                raise VirtualTimeError("release() without hold()")
            self._holds -= 1
            self._changed.notify_all()

    def say(self, handle: asyncio.Handle) -> None:
        """From a thread: let the loop run this in its next turn."""
        with self._changed:
            self._inbox.append(handle)
            self._heard += 1
            self._changed.notify_all()

    def take(self) -> Iterable[asyncio.Handle]:
        """What was said since the last time, in that order."""
        with self._changed:
            said = tuple(self._inbox)
            self._inbox.clear()
        return said

    def wait(self) -> None:
        """Wait, really, until a thread has spoken or none is at work."""
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._inbox or not self._holds, self._watchdog_seconds
            ):
                raise VirtualStalled(
                    f"{self._holds} hold(s) and no answer within {self._watchdog_seconds} real "
                    "seconds: a thread is stuck, has died, or nobody called release()"
                )

    def gate(self, hand_over: Callable[[], object]) -> None:
        """Hand something over to a thread and wait, really, until one has spoken."""
        with self._changed:
            heard = self._heard
            hand_over()
            if not self._changed.wait_for(lambda: self._heard > heard, self._watchdog_seconds):
                raise VirtualStalled(
                    f"the thread that got {hand_over!r} did not answer by call_soon_threadsafe "
                    f"within {self._watchdog_seconds} real seconds: it is stuck or has died"
                )

    def run(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread of its own and wait for its end; its error comes out here."""
        ended: list[Callable[[], T]] = []

        def in_thread() -> None:
            try:
                result = work()
            except BaseException as error:
                ended.append(_raiser(error))
            else:
                ended.append(lambda: result)

        thread = threading.Thread(target=in_thread, name="overseen-gated", daemon=True)
        thread.start()
        thread.join(self._watchdog_seconds)
        if not ended:
            raise VirtualStalled(
                f"{work!r} did not end within {self._watchdog_seconds} real seconds"
            )
        return ended[0]()


def _raiser(error: BaseException) -> Callable[[], NoReturn]:
    def raise_it() -> NoReturn:
        raise error

    return raise_it


class TakesItems(Protocol[Puts]):
    """The side of a queue on which things are put in."""

    def put_nowait(self, item: Puts, /) -> object:
        """Put it in."""
        ...


class GatingLoop(Protocol):
    """What a gated queue needs of its loop."""

    def time(self) -> float:
        """Virtual seconds."""
        ...

    def is_running(self) -> bool:
        """Whether callbacks run."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Run it then."""
        ...

    def call_soon(self, callback: Callable[[], object]) -> asyncio.Handle:
        """Run it next."""
        ...

    def draw_latency(self) -> float:
        """How many virtual seconds the next piece of work takes."""
        ...

    def gate(self, hand_over: Callable[[], object]) -> None:
        """Hand over, and stand still until a thread has answered."""
        ...


class GatedQueue(Generic[Item]):
    """Stands in front of the queue from which one real thread takes its work.

    Each item reaches the thread at a virtual instant, in the order of putting, and the loop stands
    still until the thread has answered it by `call_soon_threadsafe`. So every item has to be
    answered exactly once. While the loop does not run, items pass at once.

        connection._tx = GatedQueue(loop, connection._tx)     # aiosqlite, before it starts
    """

    def __init__(self, loop: GatingLoop, queue: TakesItems[Item]) -> None:
        self._loop = loop
        self._queue = queue
        self._items: deque[Item] = deque()
        self._last_at = loop.time()

    def put_nowait(self, item: Item) -> None:
        """Let the thread have it, after what was put before."""
        if not self._loop.is_running():
            self._queue.put_nowait(item)
            return
        self._items.append(item)
        # The thread does one after the other, and each takes its time. Of timers at the same
        # instant either may fire first, and takes the first item.
        at = max(self._loop.time(), self._last_at) + self._loop.draw_latency()
        self._last_at = at
        if at > self._loop.time():
            self._loop.call_at(at, self._pass_one)
        else:
            self._loop.call_soon(self._pass_one)

    def _pass_one(self) -> None:
        item = self._items.popleft()
        self._loop.gate(lambda: self._queue.put_nowait(item))
