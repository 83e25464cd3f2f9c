"""Hooks: told of every event after its commit, and no danger to anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.supervisor.ledger import of_type, whole_ledger
from tests.supervisor.simulated.conftest import Make

from overseen import Event, EventType, InvalidOption, SupervisorStopped, job


@job
async def work(fails: bool = False) -> None:
    """Short."""
    await asyncio.sleep(0.01)
    if fails:
        raise RuntimeError


async def test_hooks_get_the_types_they_named_in_order(make: Make) -> None:
    """A hook is called once for every event of its types, in the ledger's order, whether it is a
    function or a coroutine function; one without types gets all events."""
    supervisor = make(work)
    some: list[Event] = []
    everything: list[Event] = []

    @supervisor.on("completed", "failed")
    def note_end(event: Event) -> None:
        some.append(event)

    @supervisor.on()
    async def note(event: Event) -> None:
        await asyncio.sleep(0)
        everything.append(event)

    assert callable(note_end)
    assert callable(note)
    async with supervisor:
        for n in range(20):
            await (await supervisor.submit(work, n % 3 == 0)).wait()
        ledger = await whole_ledger(supervisor)
    ends = of_type(ledger, EventType.COMPLETED, EventType.FAILED)
    assert [event.seq for event in some] == [event.seq for event in ends]
    after_start = [event.seq for event in ledger if event.type is not EventType.EPOCH_STARTED]
    assert [event.seq for event in everything][: len(after_start)] == after_start


ERRORS: dict[str, Callable[[], BaseException]] = {
    "error": lambda: RuntimeError("the hook's own"),
    "exit": lambda: SystemExit(3),
    "cancelled": lambda: asyncio.CancelledError("the hook's own"),
}


@pytest.mark.parametrize("what", ERRORS)
@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_hook_that_raises_disturbs_nobody(
    make: Make, what: str, asynchronous: bool
) -> None:
    """Whatever a hook raises is counted; jobs, the other hooks and its own next call go on."""
    supervisor = make(work)
    called: list[int] = []
    good: list[int] = []

    def bad(event: Event) -> None:
        called.append(event.seq)
        raise ERRORS[what]()

    def fine(event: Event) -> None:
        good.append(event.seq)

    async def worse(event: Event) -> None:
        bad(event)

    supervisor.on("completed")(worse if asynchronous else bad)
    supervisor.on("completed")(fine)
    async with supervisor:
        for _ in range(5):
            assert (await (await supervisor.submit(work)).wait()).answer == "completed"
        await asyncio.sleep(1)
        figures = supervisor.figures
    assert called == good
    assert len(good) == 5
    assert (figures.hook_errors, figures.restarts) == (5, 0)


async def test_a_slow_hook_delays_only_hooks(make: Make) -> None:
    """A hook that takes an hour for each event delays no job; nothing is lost for it."""
    supervisor = make(work)
    seen: list[int | None] = []

    @supervisor.on("completed")
    async def slow(event: Event) -> None:
        await asyncio.sleep(3600)
        seen.append(event.job_id)

    assert callable(slow)
    async with supervisor:
        begun = asyncio.get_running_loop().time()
        for _ in range(10):
            await (await supervisor.submit(work)).result()
        assert asyncio.get_running_loop().time() - begun < 5
        await asyncio.sleep(11 * 3600)
        assert seen == list(range(1, 11))


async def test_hooks_are_told_of_what_a_stop_drains(make: Make) -> None:
    """The end of a job that was drained by the stop reaches the hooks before the stop returns; a
    hook that never returns does not keep the stop from its end."""
    supervisor = make(work)
    seen: list[str] = []

    @supervisor.on("completed", "failed")
    async def note(event: Event) -> None:
        await asyncio.sleep(1)
        seen.append(event.type.value)

    assert callable(note)
    async with supervisor:
        await supervisor.submit(work)
        await supervisor.submit(work, fails=True)
    assert sorted(seen) == ["completed", "failed"]

    hanging = make(work)

    @hanging.on("completed")
    async def never(event: Event) -> None:
        await asyncio.sleep(1e9)

    assert callable(never)
    begun = asyncio.get_running_loop().time()
    async with hanging:
        await (await hanging.submit(work)).result()
    assert asyncio.get_running_loop().time() - begun < 60


async def test_a_hook_may_stop_the_supervisor(make: Make) -> None:
    """A hook that stops the supervisor, as at the first failure, stops it; nothing hangs. (R63)"""
    supervisor = make(work)

    @supervisor.on("failed")
    async def stop(event: Event) -> None:
        await supervisor.stop()

    assert callable(stop)
    await supervisor.start()
    handle = await supervisor.submit(work, fails=True)
    assert (await handle.wait()).answer == "failed"
    await asyncio.sleep(10)
    with pytest.raises(SupervisorStopped):
        await supervisor.submit(work)
    assert supervisor.report is not None
    assert supervisor.report.clean


async def test_a_hook_that_ignores_its_cancellation_holds_up_no_stop(make: Make) -> None:
    """It is told once, and left alone. (R63)"""
    supervisor = make(work)
    let_go, told = asyncio.Event(), list[float]()

    @supervisor.on("completed")
    async def deaf(event: Event) -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                told.append(asyncio.get_running_loop().time())

    assert callable(deaf)
    async with asyncio.timeout(60), supervisor:
        await (await supervisor.submit(work)).result()
    await asyncio.sleep(10)
    assert len(told) == 1
    let_go.set()
    await asyncio.sleep(1)


async def test_a_type_that_does_not_exist_is_refused(make: Make) -> None:
    """Registering a hook for an unknown type is an error that lists the types."""
    with pytest.raises(InvalidOption, match="one of submitted, scheduled"):
        make(work).on("finished")(print)
    with pytest.raises(InvalidOption):
        make(work).on("snapshot")(print)
