"""What virtual time promises: it jumps, it never lies, and it says why when it cannot go on."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import math
import random
import re
import socket
import tempfile
import threading
import time
from collections.abc import Iterator

import anyio
import pytest

from overseen_actors import (
    InvalidBound,
    UnsupportedPython,
    VirtualDeadlock,
    VirtualIOError,
    VirtualLoop,
    VirtualStalled,
    VirtualStepLimit,
    VirtualTimeError,
    run_virtual,
    running_virtual_loop,
)
from overseen_actors.virtual import check_attributes, check_run_once

COLOUR = contextvars.ContextVar("COLOUR", default="none")


async def test_a_ten_minute_timeout_takes_no_real_time() -> None:
    """A thousand timeouts of ten minutes are a week, and over in well under a second."""
    loop = asyncio.get_running_loop()
    start, real_start = loop.time(), time.perf_counter()
    for _ in range(1000):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await asyncio.Event().wait()
    assert loop.time() - start == 600_000
    assert time.perf_counter() - real_start < 5


async def test_anyio_deadlines_follow_virtual_time_too() -> None:
    """anyio's sleeps, scopes and groups run here unchanged."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    with anyio.move_on_after(600) as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 100)
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert loop.time() - start == 600


async def test_ten_thousand_timers_fire_in_the_order_of_their_time() -> None:
    """Each at exactly its time, whatever order they were set in, cancelled ones not at all."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    delays = random.Random(2).sample(range(1, 1_000_000), 10_000)
    fired: list[tuple[float, float]] = []

    def fire(delay: float) -> None:
        fired.append((delay, loop.time()))

    for index, delay in enumerate(delays):
        timer = loop.call_at(start + delay, fire, delay)
        if index % 3 == 0:
            timer.cancel()
    await asyncio.sleep(1_000_001)
    expected = sorted(delay for index, delay in enumerate(delays) if index % 3)
    assert fired == [(delay, start + delay) for delay in expected]


async def test_no_time_passes_while_something_is_ready() -> None:
    """Callbacks run first in, first out, all at one instant."""
    loop = asyncio.get_running_loop()
    ran: list[tuple[int, float]] = []

    def run(number: int) -> None:
        ran.append((number, loop.time()))

    for number in range(100):
        loop.call_soon(run, number)
    start = loop.time()
    await asyncio.sleep(0)
    assert ran == [(number, start) for number in range(100)]


@pytest.mark.parametrize("delay", [1e-9, 1e-7, 0.1 + 0.2, 1 / 3, 86_400.0, 86_400 * 3650.0, 1e12])
def test_time_never_spins_whatever_its_magnitude(delay: float) -> None:
    """A sleep of a nanosecond or of ages ends after a few callbacks, not after none for ever."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for _ in range(100):
            await asyncio.sleep(delay)
        return loop.time() - start

    assert run_virtual(main(), step_limit=1000) == pytest.approx(100 * delay, rel=1e-3)


async def test_a_stall_makes_timers_late_as_a_blocking_function_does() -> None:
    """Timers that came due meanwhile fire at the end of the stall, in their order."""
    loop = running_virtual_loop()
    start = loop.time()
    fired: list[tuple[str, float]] = []
    loop.call_later(2, lambda: fired.append(("two", loop.time() - start)))
    loop.call_later(1, lambda: fired.append(("one", loop.time() - start)))
    loop.stall(30)
    await asyncio.sleep(0.5)
    assert fired == [("one", 30), ("two", 30)]
    for wrong in (-1, math.inf, math.nan):
        with pytest.raises(InvalidBound, match="seconds"):
            loop.stall(wrong)


def test_a_deadlock_names_every_task_and_where_it_waits() -> None:
    """Nothing ready and no timer is an error with each task's await chain, not a hang."""

    async def wait_for_a_letter(letter: asyncio.Event) -> None:
        await letter.wait()

    async def main() -> None:
        postman = asyncio.create_task(wait_for_a_letter(asyncio.Event()), name="postman")
        await postman

    with pytest.raises(VirtualDeadlock) as caught:
        run_virtual(main())
    lines = str(caught.value).splitlines()
    assert "wait for ever" in lines[0]
    [postman] = [line for line in lines if line.startswith("  postman: ")]
    assert "wait_for_a_letter (test_virtual.py:" in postman
    assert "> Event.wait (locks.py:" in postman
    assert postman.endswith("> a future")
    [waiting] = [line for line in lines if line.endswith("the end of postman")]
    assert "main (test_virtual.py:" in waiting


def test_a_deadlock_report_lists_the_oldest_task_first() -> None:
    """Names end in numbers: Task-9 comes before Task-10, whatever their addresses."""

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(30):
                group.create_task(asyncio.Event().wait())

    with pytest.raises(VirtualDeadlock) as caught:
        run_virtual(main())
    numbers = [int(number) for number in re.findall(r"^  Task-(\d+):", str(caught.value), re.M)]
    assert len(numbers) == 31
    assert numbers == sorted(numbers)


def test_a_timer_at_infinity_is_no_timer() -> None:
    """Sleeping for ever is a deadlock, not a jump to the end of time."""
    with pytest.raises(VirtualDeadlock, match="sleep"):
        run_virtual(anyio.sleep(math.inf))


def test_a_loop_that_never_waits_reaches_the_step_limit() -> None:
    """A livelock is an error that shows what keeps running; tasks still end in good order."""
    ended: list[str] = []

    async def spin_for_ever() -> None:
        try:
            while True:  # noqa: ASYNC110  that is what is tested
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(10)
            ended.append("in good order")

    with pytest.raises(VirtualStepLimit, match="more than 5000 callbacks") as caught:
        run_virtual(spin_for_ever(), step_limit=5000)
    assert "spin_for_ever (test_virtual.py:" in str(caught.value)
    assert "its next turn" in str(caught.value)
    assert ended == ["in good order"]


def test_a_run_gives_back_the_result_the_error_and_the_loop() -> None:
    """`run_virtual` is asyncio.run in virtual time: result, error, nested tasks cancelled."""
    ended: list[str] = []

    async def left_over() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("left over")

    async def main() -> str:
        task = asyncio.create_task(left_over())
        await asyncio.sleep(600)
        assert not task.done()
        return "ten minutes later"

    async def fail() -> None:
        raise LookupError("inside")

    assert run_virtual(main()) == "ten minutes later"
    assert ended == ["left over"]
    with pytest.raises(LookupError, match="inside"):
        run_virtual(fail())


def test_two_runs_are_the_same_to_the_last_callback() -> None:
    """The same program gives the same instants and the same number of callbacks."""

    async def main() -> tuple[list[tuple[float, int]], int, int]:
        loop = running_virtual_loop()
        seen: list[tuple[float, int]] = []
        draw = random.Random(7)

        async def worker(number: int) -> None:
            for _ in range(20):
                await asyncio.sleep(draw.random())
                seen.append((loop.time(), number))

        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(worker(number))
        return seen, loop.steps, loop.jumps

    assert run_virtual(main()) == run_virtual(main())


def test_a_stock_loop_is_not_taken_for_a_virtual_one() -> None:
    """Asking for the virtual loop outside of virtual time says how to get one."""

    async def main() -> None:
        with pytest.raises(VirtualTimeError, match="run_virtual"):
            running_virtual_loop()

    asyncio.run(main())


# The outside world


async def test_whatever_needs_the_outside_world_is_refused_before_it_happens() -> None:
    """Sockets, names, processes and signals are errors that say what to do instead."""
    loop = asyncio.get_running_loop()
    with pytest.raises(VirtualIOError, match="stand-in"):
        await asyncio.open_connection("127.0.0.1", 9)
    with pytest.raises(VirtualIOError, match="server"):
        await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    with pytest.raises(VirtualIOError, match="true"):
        await asyncio.create_subprocess_exec("true")
    with pytest.raises(VirtualIOError, match="name lookup"):
        await loop.getaddrinfo("localhost", 80)
    with pytest.raises(VirtualIOError, match="signal"):
        loop.add_signal_handler(2, print)
    assert not loop.remove_signal_handler(2)
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
        monkeypatch.setattr(loop, "_threads", ConditionThatTells(waits))
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


def test_a_run_that_cannot_begin_leaves_no_coroutine_behind() -> None:
    """The coroutine given to `run_virtual` is closed when its loop cannot be made."""
    with pytest.raises(InvalidBound, match="start is nan but must be finite"):
        run_virtual(asyncio.sleep(1), start=math.nan)
    gc.collect()  # a coroutine that was never awaited would complain
