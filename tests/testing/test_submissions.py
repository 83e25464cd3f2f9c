"""What was submitted can be asked, by job and arguments, whoever submitted it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from tests.testing.shop import add, order, render, supervisor

from overseen import InvalidArguments, Retention, Supervisor
from overseen.testing import simulate


async def test_a_job_is_found_by_its_arguments() -> None:
    """Given by position or by name, with or without defaults; the last one is returned."""
    async with simulate(supervisor) as sim:
        first = await supervisor.submit(add, 1)
        second = await supervisor.submit(add, other=1, one=1)

        assert sim.assert_submitted(add, 1).id == second.id
        assert sim.assert_submitted(add, one=1, other=1).id == second.id
        assert [record.id for record in sim.submitted(add)] == [first.id, second.id]


async def test_without_arguments_any_will_do() -> None:
    """It is then only the kind that counts."""
    async with simulate(supervisor) as sim:
        sim.assert_not_submitted(add)
        await supervisor.submit(add, 7)

        sim.assert_submitted(add)
        sim.assert_not_submitted(add, 8)
        sim.assert_not_submitted(render)


async def test_what_a_body_submits_counts() -> None:
    """So a test of a job can look at what it started."""
    async with simulate(supervisor) as sim:
        parent = await supervisor.submit(order, 2)
        await sim.until_idle()

        assert sim.assert_submitted(add, 1).parent_id == parent.id


async def test_a_missing_job_is_an_assertion_that_shows_what_is_there() -> None:
    """The last ones of the kind, with their arguments; else the other kinds."""
    async with simulate(supervisor) as sim:
        with pytest.raises(AssertionError, match=r"no job add\(2\) was submitted.*none at all"):
            sim.assert_submitted(add, 2)
        await supervisor.submit(add, 3)
        await sim.until_idle()

        with pytest.raises(AssertionError, match=r'of 1 of this kind.*\n  job 1, completed: \{"o'):
            sim.assert_submitted(add, 2)
        with pytest.raises(AssertionError, match=r"of others: add"):
            sim.assert_submitted(render, 2)
        with pytest.raises(AssertionError, match=r"add\(3\) was submitted, as job 1"):
            sim.assert_not_submitted(add, 3)


async def test_arguments_that_the_job_does_not_take_are_refused() -> None:
    """A test that expects what cannot be is wrong, not red."""
    async with simulate(supervisor) as sim:
        with pytest.raises(InvalidArguments):
            sim.assert_submitted(add, "two")
        with pytest.raises(TypeError, match="@job"):
            sim.assert_submitted(cast("Any", len))


async def test_events_are_kept_over_crashes_and_pruning() -> None:
    """Every event, in order, once, with its type and job."""
    own = Supervisor("none.db", jobs=[add], retention=Retention(completed="10m"))
    async with simulate(own) as sim:
        handle = await own.submit(add, 1)
        await sim.until_idle()
        sim.crash()
        await sim.restart()
        await sim.advance("11m")

        told = [event.type for event in sim.events if event.job_id == handle.id]
        assert told == ["submitted", "started", "completed"]
        assert sim.submitted(add) == []
        assert [event.seq for event in sim.events] == sorted({event.seq for event in sim.events})
