"""`simulate` takes the user's own supervisor, and gives it back as it was."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from tests.testing.shop import add, notes, supervisor

from overseen import Context, Event, NotStarted, Supervisor, SupervisorError, job
from overseen.testing import NotSimulated, run_simulated, simulate


async def test_the_supervisor_is_the_one_that_was_given(tmp_path: Path) -> None:
    """Its jobs, settings, hooks and state are its own; its database is not touched. (R70)"""
    told: list[str] = []

    @job
    async def name(ctx: Context) -> str:
        return str(ctx.state)

    own = Supervisor(tmp_path / "own.db", jobs=[name], state="its state", concurrency=3)

    @own.on("completed")
    async def hook(event: Event) -> None:
        told.append(event.type)

    async with simulate(own) as sim:
        assert sim.supervisor is own
        assert await (await own.submit(name)).result() == "its state"
        await sim.advance(1)

    assert told == ["completed"]
    assert own.settings.concurrency == 3
    assert list(tmp_path.iterdir()) == []


def test_it_works_in_real_time_afterwards(tmp_path: Path) -> None:
    """On its own database, with the host's clock."""
    own = Supervisor(tmp_path / "own.db", jobs=[add])

    async def in_simulated_time() -> None:
        async with simulate(own):
            await (await own.submit(add, 1)).result()

    async def in_real_time() -> int:
        async with own:
            return await (await own.submit(add, 5)).result()

    run_simulated(in_simulated_time)
    assert asyncio.run(in_real_time()) == 6
    run_simulated(in_simulated_time)

    assert (tmp_path / "own.db").exists()


async def test_it_is_given_back_when_the_test_fails() -> None:
    """The next test begins on a new database."""

    async def failing() -> None:
        async with simulate(supervisor) as sim:
            await supervisor.submit(add, 1)
            folders.append(sim.database.parent)
            raise LookupError

    folders: list[Path] = []
    with pytest.raises(LookupError):
        await failing()

    assert not folders[0].exists()
    with pytest.raises(NotStarted):
        await supervisor.submit(add, 1)
    async with simulate(supervisor):
        assert (await supervisor.submit(add, 1)).id == 1


async def test_the_database_may_lie_elsewhere(tmp_path: Path) -> None:
    """In a folder of the test's own, for files that memory has no room for; it is tidied up."""
    async with simulate(supervisor, folder=tmp_path) as sim:
        assert sim.database.is_relative_to(tmp_path)
        assert sim.database.exists()

    assert list(tmp_path.iterdir()) == []


async def test_one_that_is_started_is_refused() -> None:
    """Two lives at once would be nobody's test."""
    async with simulate(supervisor):
        with pytest.raises(SupervisorError, match="simulate it before anything starts it"):
            async with simulate(supervisor):
                pass
        assert await (await supervisor.submit(add, 1)).result() == 2


async def test_an_application_may_start_and_stop_it_by_itself() -> None:
    """As its lifespan does: a start of what is started is harmless, a stop is a stop."""
    async with simulate(supervisor) as sim:
        async with supervisor:
            handle = await supervisor.submit(add.options(delay="1h"), 1)
        await supervisor.start()
        await sim.advance("1h")
        assert await handle.result() == 2

        waits = await supervisor.submit(add.options(delay="1h"), 2)
        sim.crash()
        await sim.restart()
        assert await waits.result() == 3


async def test_two_supervisors_live_side_by_side() -> None:
    """Each has its database; a crash of one is none of the other."""
    other = Supervisor("none.db", jobs=[add])
    async with simulate(supervisor) as one, simulate(other) as two:
        first = await supervisor.submit(add.options(delay="1m"), 1)
        second = await other.submit(add.options(delay="1m"), 2)
        one.crash()
        await two.advance("2m")

        assert await second.result() == 3
        await one.restart()
        assert await first.result() == 2


async def test_a_body_that_never_ends_does_not_hold_up_the_end() -> None:
    """It is told to stop, found to be stuck, and then dropped."""

    @job
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                notes.append("no")

    own = Supervisor("none.db", jobs=[stubborn])
    async with simulate(own) as sim:
        await own.submit(stubborn)
        await sim.advance("1s")

    assert own.report is None  # its life in there is over and forgotten


def test_a_stock_loop_is_refused_with_the_way_out() -> None:
    """The error names the marker and the function that make a loop simulated."""

    async def main() -> None:
        async with simulate(supervisor):
            pass

    with pytest.raises(NotSimulated, match=r"@pytest\.mark\.simulated.*run_simulated"):
        asyncio.run(main())


async def test_what_is_no_supervisor_is_refused() -> None:
    """Before anything happens."""
    with pytest.raises(TypeError, match="takes a Supervisor, not str"):
        async with simulate(cast("Any", "jobs.db")):
            pass


def test_a_coroutine_in_the_place_of_its_function_is_refused() -> None:
    """It could be run only once; the error shows how to write it."""

    async def main() -> None:
        pass

    with pytest.raises(TypeError, match=r"run_simulated\(main\), not main\(\)"):
        run_simulated(cast("Any", main()))
    with pytest.raises(TypeError, match="takes a coroutine function, not 3"):
        run_simulated(cast("Any", 3))


def test_an_error_tells_its_seed() -> None:
    """So that the same run can be seen again."""

    async def main() -> None:
        raise LookupError

    with pytest.raises(LookupError) as caught:
        run_simulated(main, seed=11)

    assert caught.value.__notes__ == ["to see the same again: run_simulated(main, seed=11)"]
