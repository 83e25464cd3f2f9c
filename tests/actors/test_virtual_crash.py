"""What a crash promises: nothing of the program runs afterwards, and nobody hears a word of it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import warnings
from collections.abc import AsyncGenerator, Callable

import anyio
import pytest

from overseen_actors import VirtualLoop, VirtualTimeError, run_virtual, running_virtual_loop


class PowerCut(Exception):
    """How these worlds end."""


async def everything_that_tidies(ran: list[str]) -> None:
    """Tasks that stand in every construct that would run something when it is unwound."""

    @contextlib.asynccontextmanager
    async def manager() -> AsyncGenerator[None]:
        try:
            yield
        finally:
            ran.append("context manager")

    async def in_finally() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ran.append("finally")
            await asyncio.sleep(1)
            ran.append("finally, later")

    async def in_managers() -> None:
        async with manager(), asyncio.timeout(500):
            await asyncio.sleep(100)

    async def in_scope() -> None:
        with anyio.CancelScope(shield=True):
            try:
                await anyio.sleep(100)
            except BaseException:
                ran.append("except")
                raise

    async def that_never_ends() -> None:
        while True:
            try:
                await asyncio.sleep(0.5)
            except BaseException:
                ran.append("swallowed")

    async def awaiting_another() -> None:
        try:
            await asyncio.gather(in_finally(), in_scope())
        finally:
            await asyncio.create_task(in_finally())
            ran.append("finally, after a new task")

    async with asyncio.TaskGroup() as group:
        for work in (in_finally, in_managers, in_scope, that_never_ends, awaiting_another):
            group.create_task(work())


async def crash_after(ran: list[str], seconds: float) -> None:
    """Crash in the middle of all that, from a callback."""
    loop = running_virtual_loop()
    loop.call_later(seconds, loop.crash, PowerCut("now"))
    await everything_that_tidies(ran)


def test_a_crash_raises_its_error_and_runs_no_finally() -> None:
    """Out of `run_forever`, before the next callback; what was ready does not run."""
    ran = list[str]()
    loop = VirtualLoop()

    async def crash() -> None:
        loop.call_soon(ran.append, "ready before")
        asyncio.create_task(asyncio.sleep(0)).add_done_callback(lambda _: ran.append("task"))
        loop.crash(PowerCut("here"))
        loop.call_soon(ran.append, "ready afterwards")
        ran.append("to the end of this callback")
        await asyncio.sleep(0)
        ran.append("after an await")

    tasks = [loop.create_task(everything_that_tidies(ran)), loop.create_task(crash())]
    with pytest.raises(PowerCut, match="here"):
        loop.run_forever()
    assert ran == ["to the end of this callback"]
    assert not any(task.done() for task in tasks)
    for again in (loop.run_forever, lambda: loop.run_until_complete(tasks[0])):
        with pytest.raises(PowerCut, match="here"):
            again()
    assert ran == ["to the end of this callback"]
    loop.close()


@pytest.mark.parametrize("end", [VirtualLoop.close, VirtualLoop.abandon])
def test_what_a_crash_left_is_dropped_without_a_word(
    end: Callable[[VirtualLoop], None], caplog: pytest.LogCaptureFixture
) -> None:
    """No warning, no log, no error, now or when memory is freed, not even of tasks that swallow
    everything; and nothing of it gets further than the next `await`."""
    ran = list[str]()
    loop = VirtualLoop()
    failed = loop.create_future()
    failed.set_exception(LookupError("nobody looks"))
    loop.create_task(asyncio.sleep(1), name="never started")
    main = loop.create_task(crash_after(ran, 3))
    with pytest.raises(PowerCut):
        loop.run_until_complete(main)
    assert ran == []
    end(loop)
    assert loop.is_closed()
    assert "finally, later" not in ran
    assert "finally, after a new task" not in ran
    before = len(ran)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del main, failed
        gc.collect()
    assert len(ran) == before
    assert caplog.records == []
    loop.close()  # again does nothing
    loop.abandon()


def test_run_virtual_raises_the_crash_and_leaves_nothing_behind() -> None:
    """The runner would cancel every task and let it run to its end; a crashed loop refuses."""
    ran = list[str]()
    with pytest.raises(PowerCut, match="now"):
        run_virtual(crash_after(ran, 3))
    assert "finally, later" not in ran


def test_a_crash_before_any_step_can_be_enumerated() -> None:
    """A hook may crash at the n-th callback: exactly n - 1 have run, for every n."""

    async def main(ran: list[int]) -> None:
        for number in range(5):
            ran.append(number)
            await asyncio.sleep(0)

    for crash_at in range(1, 6):
        steps = 0

        def crash(_: object, crash_at: int = crash_at) -> None:
            nonlocal steps
            steps += 1
            if steps == crash_at:
                running_virtual_loop().crash(PowerCut(steps))

        ran = list[int]()
        with pytest.raises(PowerCut, match=str(crash_at)):
            run_virtual(main(ran), before_step=crash)
        assert ran == list(range(crash_at - 1))


def test_the_first_crash_counts() -> None:
    """A world ends once."""
    loop = VirtualLoop()
    loop.crash(PowerCut("first"))
    loop.crash(PowerCut("second"))
    with pytest.raises(PowerCut, match="first"):
        loop.run_forever()
    loop.close()


def test_a_thread_may_crash_the_loop() -> None:
    """In a gated thread too, where a commit is: the answer of that work never arrives."""
    ran = list[str]()

    async def main() -> None:
        loop = running_virtual_loop()
        await loop.run_in_executor(None, loop.crash, PowerCut("in a commit"))
        ran.append("answered")

    for threads in ("inline", "gated"):
        with pytest.raises(PowerCut, match="in a commit"):
            run_virtual(main(), threads=threads)
    assert ran == []


def test_a_loop_can_be_abandoned_without_a_crash_but_not_from_within() -> None:
    """A task that ignores its end for ever would else keep the runner from closing."""
    loop = VirtualLoop()

    async def main() -> None:
        with pytest.raises(VirtualTimeError, match="crash"):
            loop.abandon()

    loop.run_until_complete(main())
    waiting = loop.create_task(everything_that_tidies([]))
    loop.abandon()
    assert loop.is_closed()
    assert not waiting.done()


def test_a_task_can_be_cancelled_at_any_of_its_steps() -> None:
    """The hook sees the task before each of its steps: cancellation at every await is a loop."""

    async def work(reached: list[int]) -> None:
        for number in range(4):
            reached.append(number)
            await asyncio.sleep(0)

    def cancelled_at(step: int) -> int:
        reached, steps = list[int](), 0

        def cancel(task: asyncio.Task[object] | None) -> None:
            nonlocal steps
            if task is not None and task.get_name() == "victim":
                steps += 1
                if steps == step:
                    task.cancel()

        async def main() -> None:
            victim = asyncio.create_task(work(reached), name="victim")
            await asyncio.wait([victim])

        run_virtual(main(), before_step=cancel)
        return len(reached)

    assert [cancelled_at(step) for step in range(1, 7)] == [0, 1, 2, 3, 4, 4]
