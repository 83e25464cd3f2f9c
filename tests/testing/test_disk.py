"""A disk that does what a test says: full, broken, slow, or failing once."""

from __future__ import annotations

import pytest
from tests.testing.shop import add, notes, render, supervisor

from overseen import Degraded, InvalidOption
from overseen.testing import simulate
from overseen.testing.disk import Failure
from overseen_storage.errors import StoreUnavailable


@pytest.fixture(autouse=True)
def _no_notes() -> None:
    notes.clear()


@pytest.mark.parametrize("trouble", ["full", "broken"])
async def test_work_goes_on_when_the_disk_is_in_order_again(trouble: str) -> None:
    """Meanwhile nothing is stored, and what ended is kept until it can be written."""
    async with simulate(supervisor) as sim:
        handle = await supervisor.submit(render, 5)
        await sim.advance("1s")

        sim.disk.full() if trouble == "full" else sim.disk.broken()
        with pytest.raises(Degraded):
            await supervisor.submit(add, 1)
        await sim.advance("1m")
        assert supervisor.degraded
        assert await handle.status() == "running"
        sim.disk.works_again()
        await sim.until_idle()

        assert await handle.result() == "film"
        assert notes == ["begin film", "end film"]


async def test_a_slow_disk_takes_its_time() -> None:
    """Each transaction takes so long, in simulated time."""
    async with simulate(supervisor) as sim:
        before = sim.elapsed
        sim.disk.slow("200ms")
        await supervisor.submit(add, 1)

        assert 0.2 <= sim.elapsed - before < 1


@pytest.mark.parametrize("failure", ["write", "commit"])
async def test_a_failure_that_stores_nothing_is_told(failure: Failure) -> None:
    """The next submit fails, for certain; the one after that works."""
    async with simulate(supervisor) as sim:
        sim.fail_next(failure)
        with pytest.raises(Degraded):
            await supervisor.submit(add, 1)
        await sim.advance("5s")

        await supervisor.submit(add, 2)
        assert [record.arguments for record in sim.submitted(add)] == ['{"one":2}']


async def test_a_commit_that_is_on_disk_after_all_is_acknowledged() -> None:
    """The store looks at the disk before it answers."""
    async with simulate(supervisor) as sim:
        sim.fail_next("commit_unknown")
        handle = await supervisor.submit(add, 1)

        assert await handle.result() == 2
        assert len(sim.submitted(add)) == 1


async def test_a_read_may_fail_once() -> None:
    """Who reads is told so, once."""
    async with simulate(supervisor) as sim:
        handle = await supervisor.submit(add.options(delay="1h"), 1)
        await sim.advance("1s")

        sim.fail_next("read")
        with pytest.raises(StoreUnavailable):
            await handle.record()

        assert (await handle.record()).status == "scheduled"


async def test_a_failure_that_does_not_exist_is_refused() -> None:
    """The error names those that do."""
    async with simulate(supervisor) as sim:
        with pytest.raises(InvalidOption, match="write, commit, commit_unknown, read"):
            sim.fail_next("comit")  # type: ignore[arg-type]


async def test_commits_are_counted() -> None:
    """For tests that count what something costs."""
    async with simulate(supervisor) as sim:
        before = sim.disk.commits
        await supervisor.submit_many(add.call(number) for number in range(50))

        await sim.until_idle()
        assert sim.disk.commits - before <= 5
