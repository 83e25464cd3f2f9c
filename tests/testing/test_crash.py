"""`sim.crash()` is a `kill -9`: what was committed is kept, and nothing of the process runs on."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import anyio
import pytest
from tests.testing import shop
from tests.testing.shop import add, notes, order, patient, render, supervisor

from overseen import Context, Event, NotStarted, OutcomeUnknown, Supervisor, SupervisorFailed, job
from overseen.testing import Crashed, SimulationError, run_simulated, simulate


@pytest.fixture(autouse=True)
def _fresh_shop() -> Iterator[None]:
    notes.clear()
    shop.gate = asyncio.Event()
    yield
    shop.gate = asyncio.Event()


async def test_what_was_acknowledged_is_there_after_a_crash() -> None:
    """A handle goes on working: it leads to the same job in the next life."""
    async with simulate(supervisor) as sim:
        handle = await supervisor.submit(add.options(delay="1m"), 1)
        sim.crash()
        await sim.restart()

        assert await handle.result() == 2
        assert [record.id for record in sim.submitted(add)] == [handle.id]


async def test_a_body_that_is_killed_runs_no_finally_and_runs_again() -> None:
    """It stands where it was, for ever; the next life runs it from its beginning."""
    async with simulate(supervisor) as sim:
        handle = await supervisor.submit(render, 60)
        await sim.advance("30s")

        sim.crash()
        await asyncio.sleep(3_600)
        assert notes == ["begin film"]
        await sim.restart()

        assert supervisor.recovered.again == 1
        assert await handle.result() == "film"
        assert (await handle.record()).losses == 1
        assert notes == ["begin film", "begin film", "end film"]


async def test_a_killed_body_is_not_woken_by_the_test() -> None:
    """What it waited for may happen: it is dead."""
    async with simulate(supervisor) as sim:
        await supervisor.submit(patient)
        await sim.advance("1s")

        sim.crash()
        shop.gate.set()
        await asyncio.sleep(1)

        assert notes == []


async def test_a_plain_body_that_was_handed_over_does_not_run_any_more() -> None:
    """Nobody is there who would have run it."""
    ran: list[int] = []

    @job
    def count() -> None:
        ran.append(1)

    own = Supervisor("none.db", jobs=[count])
    async with simulate(own) as sim:
        await own.submit(count)
        while not any(event.type == "started" for event in sim.events):  # noqa: ASYNC110
            await asyncio.sleep(0)
        sim.crash()
        await asyncio.sleep(1)

        assert ran == []


async def test_who_waits_for_a_result_is_told() -> None:
    """A test's own task does not wait for ever for a supervisor that is dead."""
    async with simulate(supervisor) as sim:
        handle = await supervisor.submit(render, 60)
        waiting = asyncio.create_task(handle.result())
        await sim.advance("1s")

        sim.crash()

        with pytest.raises(Crashed, match=r"sim\.restart\(\)"):
            await waiting
        assert issubclass(Crashed, SupervisorFailed)


async def test_who_follows_events_comes_to_their_end() -> None:
    """A subscriber in the test gets what was committed, and then the end."""
    async with simulate(supervisor) as sim:
        got: list[Event] = []

        async def follow() -> None:
            async for event in supervisor.events():
                got.append(event)  # noqa: PERF401  what came before an error is kept

        following = asyncio.create_task(follow())
        await sim.advance("1s")
        await supervisor.submit(render, 60)
        await sim.advance("1s")

        sim.crash()
        with suppress(SupervisorFailed):
            await following

        assert [event.type for event in got[1:]] == ["submitted", "started"]


async def test_a_submit_that_was_not_acknowledged_is_all_there_or_not_at_all() -> None:
    """Its caller does not know; the disk does."""
    async with simulate(supervisor) as sim:
        sim.disk.slow("1s")
        submitting = asyncio.create_task(supervisor.submit(add, 1))
        await sim.advance("100ms")

        commits = sim.disk.commits
        sim.crash()

        with pytest.raises((OutcomeUnknown, Crashed)):
            await submitting
        await asyncio.sleep(60)
        assert sim.disk.commits == commits  # what was on its way to the disk does not arrive
        sim.disk.works_again()
        await sim.restart()
        assert len(await supervisor.jobs()) in (0, 1)


async def test_between_a_crash_and_the_restart_nothing_answers() -> None:
    """A supervisor that is dead is not started; its database can be looked at."""
    async with simulate(supervisor) as sim:
        await supervisor.submit(render, 60)
        sim.crash()

        with pytest.raises(NotStarted):
            await supervisor.submit(add, 1)
        with pytest.raises(SimulationError, match="restart"):
            sim.crash()

        assert len(sim.submitted(render)) == 1


async def test_children_of_a_killed_body_are_kept() -> None:
    """What a body submitted before the crash is there, and it submits again."""
    async with simulate(supervisor) as sim:
        handle = await supervisor.submit(order, 3)
        await handle.result()
        sim.crash()
        await sim.restart()
        await sim.until_idle()

        assert [record.status for record in sim.submitted(add)] == ["completed"] * 3


async def test_a_body_may_crash_its_own_process() -> None:
    """As a segmentation fault would: it does not get beyond its next await."""
    crashes: list[int] = []

    @job
    async def fault() -> str:
        if not crashes:
            crashes.append(1)
            sim.crash()
            await asyncio.sleep(0)
            crashes.append(2)
        return "survived"

    own = Supervisor("none.db", jobs=[fault])
    async with simulate(own) as sim:
        handle = await own.submit(fault)
        await asyncio.sleep(1)
        await sim.restart()

        assert await handle.result() == "survived"
        assert crashes == [1]


async def test_files_of_jobs_survive() -> None:
    """Attachments lie beside the database and come along."""

    @job
    async def measure() -> int:
        return 1

    own = Supervisor("none.db", jobs=[measure])
    async with simulate(own) as sim:
        async with own.draft(measure.options(delay="1h")) as draft:
            await draft.attach("text", b"hello")
        sim.crash()
        await sim.restart()

        assert (await draft.handle.record()).attachments == 1
        assert await draft.handle.result() == 1


async def test_a_crash_while_it_starts_tells_who_starts_it() -> None:
    """Recovery itself may be killed; the next start begins anew."""
    async with simulate(supervisor) as sim:
        handle = await supervisor.submit(render, 60)
        await sim.advance("1s")
        sim.crash()
        sim.disk.slow("1s")
        starting = asyncio.create_task(sim.restart())
        await asyncio.sleep(2.5)

        sim.crash()
        with pytest.raises(Crashed):
            await starting
        sim.disk.works_again()
        await sim.restart()

        assert await handle.result() == "film"


async def test_a_restart_without_a_crash_is_a_deploy() -> None:
    """It stops in order: who runs may end, within the drain timeout."""
    async with simulate(supervisor) as sim:
        handle = await supervisor.submit(render, 20)
        await sim.advance("1s")

        await sim.restart()

        assert supervisor.report is not None
        assert supervisor.report.drained == 1
        assert await handle.result() == "film"


async def test_twenty_crashes_in_a_row_lose_nothing() -> None:
    """Each life goes on where the one before was killed."""
    async with simulate(supervisor) as sim:
        handles = await supervisor.submit_many(render.call(7, f"film {n}") for n in range(10))
        for _ in range(20):
            await sim.advance("1s")
            sim.crash()
            await sim.restart()
        outcomes = [await handle.wait() for handle in handles]

        assert {outcome.answer for outcome in outcomes} <= {"completed", "failed"}
        assert {outcome.reason for outcome in outcomes} <= {None, "lost"}


async def test_a_simulation_may_end_in_ruins() -> None:
    """Who does not restart after a crash has nothing to tidy up."""
    async with simulate(supervisor) as sim:
        await supervisor.submit(render, 60)
        await sim.advance("1s")
        folder = sim.database.parent.parent
        sim.crash()

    assert not folder.exists()


def test_what_was_killed_is_dropped_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """However it stood: in a generator, in a task group, with a `finally` that waits."""

    async def numbers() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
                await asyncio.sleep(1)
        finally:
            await asyncio.sleep(1)

    @job
    async def complicated(ctx: Context) -> None:
        try:
            async with anyio.create_task_group() as group, asyncio.TaskGroup() as other:
                group.start_soon(anyio.sleep, 1_000)
                other.create_task(asyncio.sleep(1_000))
                async for number in numbers():
                    ctx.progress(number)
        finally:
            await ctx.submit(add, 1)

    own = Supervisor("none.db", jobs=[complicated, add])

    async def main() -> None:
        async with simulate(own) as sim:
            await own.submit(complicated)
            sim.disk.slow("1ms")
            for _ in range(3):
                await sim.advance("10s")
                sim.crash()
                await sim.restart()
            await sim.advance("10s")
            sim.crash()

    run_simulated(main)
    gc.collect()

    assert [record for record in caplog.records if record.name == "asyncio"] == []
