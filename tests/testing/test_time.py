"""Simulated time: it passes while a test waits, exactly as far as it is told, and costs nothing."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from tests.testing.shop import add, call_bank, never_ends, notes, render, supervisor

from overseen import InvalidOption, Status, Supervisor, job
from overseen.testing import NotIdle, simulate


@pytest.fixture(autouse=True)
def _no_notes() -> None:
    notes.clear()


async def test_a_timeout_of_ten_minutes_is_over_after_advancing_ten_minutes() -> None:
    """`advance` ends after everything that is due by then has happened."""
    async with simulate(supervisor) as sim:
        handle = await supervisor.submit(render, 3_600)

        await sim.advance("9m59s")
        assert await handle.status() == "running"
        await sim.advance("1s")

        assert (await handle.record()).reason == "timeout"
        assert notes == ["begin film", "end film"]


async def test_what_is_due_in_an_hour_has_begun_after_an_hour() -> None:
    """Also with a hundred jobs, whose stamps lie a microsecond apart."""
    async with simulate(supervisor) as sim:
        later = add.options(delay="1h")
        handles = await supervisor.submit_many(later.call(number) for number in range(100))

        await sim.advance("59m59s")
        assert {await handle.status() for handle in handles} == {Status.SCHEDULED}
        await sim.advance("1s")

        assert {await handle.status() for handle in handles} == {Status.COMPLETED}


async def test_many_small_advances_are_one_long_one() -> None:
    """The ten milliseconds that `advance` adds do not add up."""
    async with simulate(supervisor) as sim:
        for _ in range(600):
            await sim.advance("1s")

        assert sim.elapsed == pytest.approx(600.01, abs=1e-9)


async def test_idle_is_when_retries_and_delays_are_over() -> None:
    """`until_idle` lets as much time pass as it takes. (R67)"""
    async with simulate(supervisor) as sim:
        retried = await supervisor.submit(call_bank, 2)
        delayed = await supervisor.submit(add.options(delay="2h"), 1)

        await sim.until_idle()

        assert (await retried.result(), await delayed.result()) == (3, 2)
        assert 7_200 <= sim.elapsed < 7_201


async def test_what_waits_for_somebody_is_not_waited_for() -> None:
    """Drafts and jobs in a paused queue end when somebody does something."""
    async with simulate(supervisor) as sim:
        await supervisor.pause("default")
        waiting = await supervisor.submit(add, 1)
        async with supervisor.batch("open"), supervisor.draft(add, 2):
            await sim.until_idle()

        assert await waiting.status() == "pending"
        await supervisor.resume("default")
        await sim.until_idle()
        assert await waiting.result() == 2


async def test_a_held_job_is_not_waited_for() -> None:
    """An operator has to look at it first."""

    @job(on_lost="hold")
    async def fragile() -> None:
        await asyncio.sleep(60)

    own = Supervisor("none.db", jobs=[fragile])
    async with simulate(own) as sim:
        handle = await own.submit(fragile)
        await sim.advance("1s")
        sim.crash()
        await sim.restart()

        await sim.until_idle()

        assert (await handle.record()).held == "lost"
        await own.release(handle.id)
        await sim.until_idle()
        assert await handle.status() == "completed"


async def test_what_never_ends_is_named() -> None:
    """The error of `until_idle` says what goes on, and what to do. (R67)"""
    async with simulate(supervisor) as sim:
        await supervisor.submit(never_ends)

        with pytest.raises(NotIdle, match=r"after 1h .*\n  job 1 \(never_ends\) is running, a"):
            await sim.until_idle("1h")


async def test_a_batch_is_finalized_by_the_time_it_is_idle() -> None:
    """Its summary is there, however long the disk takes after the last member's end."""
    async with simulate(supervisor) as sim:
        sim.disk.slow("5s")
        async with supervisor.batch("nightly") as batch:
            await batch.submit_many(add.call(number) for number in range(5))
        await sim.until_idle()

        assert (await batch.record()).status == "completed"


async def test_the_wall_shows_the_start_and_what_has_passed() -> None:
    """`start` is what the wall shows first; `at=` goes by it."""
    start = datetime(2027, 3, 28, 1, 59, tzinfo=UTC)
    async with simulate(supervisor, start=start) as sim:
        assert sim.now == start
        nightly = await supervisor.submit(add.options(at=start + timedelta(minutes=1)), 1)

        await sim.advance("59s")
        assert await nightly.status() == "scheduled"
        await sim.advance("1s")

        assert await nightly.result() == 2
        assert sim.now == start + timedelta(minutes=1, milliseconds=10)


async def test_a_start_without_a_time_zone_is_refused() -> None:
    """What it would mean depends on the machine."""
    with pytest.raises(InvalidOption, match="time zone"):
        async with simulate(supervisor, start=datetime(2027, 1, 1)):  # noqa: DTZ001
            pass


@pytest.mark.parametrize("by", ["-1h", -3_600, timedelta(hours=-1)])
async def test_the_wall_can_be_set_back(by: str | float | timedelta) -> None:
    """Nothing else moves: delays are not longer for it."""
    async with simulate(supervisor) as sim:
        before = sim.now
        handle = await supervisor.submit(add.options(delay="10m"), 1)

        sim.clock.step(by)
        assert sim.now == before - timedelta(hours=1)
        await sim.advance("10m")

        assert await handle.result() == 2


async def test_a_step_forward_makes_wall_times_due() -> None:
    """What waits for the wall clock is looked at again within a minute."""
    async with simulate(supervisor) as sim:
        handle = await supervisor.submit(add.options(at=sim.now + timedelta(hours=5)), 1)

        sim.clock.step("5h")
        await sim.advance("1m")

        assert await handle.result() == 2


async def test_a_machine_that_sleeps_kills_no_body() -> None:
    """In suspend the wall goes on, the time of a body's timeout does not."""
    async with simulate(supervisor) as sim:
        handle = await supervisor.submit(render, 60)
        await sim.advance("30s")
        before = sim.now

        sim.suspend("8h")

        assert sim.now - before == timedelta(hours=8)
        await sim.advance("30s")
        assert await handle.result() == "film"


async def test_a_loop_that_stood_still_costs_nobody_his_time() -> None:
    """A stall is given back to those who could do nothing meanwhile."""
    async with simulate(supervisor) as sim:
        handle = await supervisor.submit(render, 599)
        await sim.advance("1m")

        sim.stall("20m")
        await sim.until_idle()

        assert await handle.result() == "film"


async def test_asyncio_and_anyio_are_as_everywhere() -> None:
    """A test's own waiting passes the same time."""
    async with simulate(supervisor) as sim:
        await asyncio.sleep(5)
        with anyio.move_on_after(10) as scope:
            await anyio.sleep_forever()

        assert scope.cancelled_caught
        assert sim.elapsed == pytest.approx(15)


async def test_a_plain_body_runs_inline() -> None:
    """No thread is started, so nothing waits for one."""
    found: list[threading.Thread] = []

    @job
    def where() -> None:
        found.append(threading.current_thread())

    own = Supervisor("none.db", jobs=[where])
    async with simulate(own):
        await (await own.submit(where)).result()

    assert found == [threading.main_thread()]
