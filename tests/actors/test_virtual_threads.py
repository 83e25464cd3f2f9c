"""Virtual time and threads: the executor runs inline, and a real thread is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Iterator

import pytest

from overseen_actors import VirtualLoop, VirtualStalled, VirtualTimeError, running_virtual_loop

COLOUR = contextvars.ContextVar("COLOUR", default="none")

# The executor


async def test_the_executor_runs_inline_at_a_virtual_instant_as_in_a_thread() -> None:
    """Same thread, no context variables, no running loop, after what was ready already."""
    loop = asyncio.get_running_loop()
    COLOUR.set("red")
    order: list[str] = []

    def work(number: int) -> tuple[int, int, str]:
        order.append("work")
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return number, threading.get_ident(), COLOUR.get()

    loop.call_soon(order.append, "ready before")
    start = loop.time()
    result = await loop.run_in_executor(None, work, 3)
    assert result == (3, threading.get_ident(), "none")
    assert order == ["ready before", "work"]
    assert loop.time() == start
    assert asyncio.get_running_loop() is loop
    assert await asyncio.to_thread(COLOUR.get) == "red"  # to_thread does carry the context


@pytest.mark.parametrize("error", [LookupError("lost"), SystemExit(3), StopIteration("end")])
async def test_errors_of_inline_work_reach_the_one_who_waits(error: BaseException) -> None:
    """As from a thread pool: every error comes out of the await, and the loop lives."""

    def work() -> None:
        raise error

    with pytest.raises((type(error), RuntimeError), match=r"lost|3|StopIteration"):
        await asyncio.get_running_loop().run_in_executor(None, work)


async def test_work_that_is_cancelled_before_its_turn_does_not_run() -> None:
    """Like work that is cancelled while it is queued for a thread."""
    ran: list[int] = []
    future = asyncio.get_running_loop().run_in_executor(None, ran.append, 1)
    future.cancel()
    await asyncio.sleep(1)
    assert ran == []


# Threads


class ConditionThatTells(threading.Condition):
    """Sets an event when somebody is about to wait. Who then takes the lock comes after that."""

    def __init__(self, waits: threading.Event) -> None:
        super().__init__()
        self.waits = waits

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.set()
        return super().wait(timeout)


@pytest.fixture
def held_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[VirtualLoop, threading.Event]]:
    """A held loop, and an event that is set once it waits for threads.

    Its watchdog is longer than pytest's patience: it must not be what ends the waiting.
    """
    waits = threading.Event()
    with contextlib.closing(VirtualLoop(watchdog_seconds=3600)) as loop:
        threads: object = vars(loop)["_threads"]
        monkeypatch.setattr(threads, "_changed", ConditionThatTells(waits))
        loop.hold()
        yield loop, waits


def test_a_thread_that_holds_the_clock_is_waited_for(
    held_loop: tuple[VirtualLoop, threading.Event],
) -> None:
    """No false timeout: time does not jump while a real thread is at work, and then it does."""
    loop, waits = held_loop
    answer: asyncio.Future[str] = loop.create_future()

    def work() -> None:
        waits.wait()
        loop.call_soon_threadsafe(answer.set_result, "from the thread")
        loop.release()

    async def main() -> None:
        start = loop.time()
        async with asyncio.timeout(600):
            assert await answer == "from the thread"
        assert loop.time() == start
        await asyncio.sleep(600)
        assert loop.time() == start + 600

    thread = threading.Thread(target=work)
    thread.start()
    loop.run_until_complete(main())
    thread.join()


def test_an_answer_is_taken_though_the_clock_stays_held(
    held_loop: tuple[VirtualLoop, threading.Event],
) -> None:
    """The thread may go on working: what it said so far reaches the loop at once."""
    loop, waits = held_loop
    answer: asyncio.Future[int] = loop.create_future()

    def work() -> None:
        waits.wait()
        loop.call_soon_threadsafe(answer.set_result, 1)

    thread = threading.Thread(target=work)
    thread.start()
    assert loop.run_until_complete(asyncio.wait_for(answer, 600)) == 1
    thread.join()
    loop.release()


def test_a_release_without_an_answer_lets_time_go_on(
    held_loop: tuple[VirtualLoop, threading.Event],
) -> None:
    """A thread that ends silently does not keep the clock."""
    loop, waits = held_loop

    def work() -> None:
        waits.wait()
        loop.release()

    thread = threading.Thread(target=work)
    thread.start()
    with pytest.raises(TimeoutError):
        loop.run_until_complete(asyncio.wait_for(loop.create_future(), 600))
    thread.join()


def test_a_thread_that_never_answers_is_an_error_and_not_a_hang() -> None:
    """The watchdog is real time, and names what may be wrong."""
    loop = VirtualLoop(watchdog_seconds=0.001)
    loop.hold()
    sleeping = loop.create_task(asyncio.sleep(1))
    with pytest.raises(VirtualStalled, match=r"1 hold\(s\)"):
        loop.run_until_complete(sleeping)
    loop.release()
    loop.run_until_complete(sleeping)
    loop.close()


async def test_a_thread_may_speak_while_the_loop_is_busy() -> None:
    """What a thread calls while callbacks run runs in a later turn, on the loop's thread."""
    loop = running_virtual_loop()
    seen: list[tuple[int, int]] = []

    def work() -> None:
        for number in range(3):
            loop.call_soon_threadsafe(lambda number: seen.append((number, get_ident())), number)

    get_ident = threading.get_ident
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == []
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert seen == [(number, get_ident()) for number in range(3)]


def test_threads_and_the_loops_own_thread_are_told_apart() -> None:
    """From its own thread `call_soon_threadsafe` is call_soon; a closed loop refuses both."""
    loop = VirtualLoop()
    loop.call_soon_threadsafe(loop.stop)
    loop.run_forever()
    with pytest.raises(VirtualTimeError, match="without hold"):
        loop.release()
    loop.close()
    refused: list[str] = []

    def call() -> None:
        try:
            loop.call_soon_threadsafe(print)
        except RuntimeError as error:
            refused.append(str(error))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    call()
    assert refused == ["Event loop is closed"] * 2
