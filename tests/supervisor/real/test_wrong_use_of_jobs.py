"""Jobs that cannot be jobs, and a supervisor that is given something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from overseen import (
    Context,
    DuplicateJob,
    InvalidOption,
    JobDefinitionError,
    Supervisor,
    UnknownJob,
    job,
)


@job
async def add(a: int, b: int = 0) -> int:
    """Adds."""
    return a + b


@job(name="add")
async def another_add(a: int) -> int:
    """Has the same kind as `add`."""
    return a


@job
async def addd(a: int) -> int:
    """Is registered nowhere."""
    return a


def test_two_functions_of_one_kind_are_refused_by_the_supervisor(database: Path) -> None:
    """The error names the kind, both places, and how to name one of them otherwise."""
    with pytest.raises(DuplicateJob, match=r"'add'.*add.*another_add.*@job\(name=") as caught:
        Supervisor(database, jobs=[add, another_add])
    assert str(caught.value).count(__file__) == 2
    assert not database.exists()


async def test_an_unregistered_job_is_refused_at_submit(database: Path) -> None:
    """The error names the kind, a similar one, and where to register it; nothing is stored."""
    async with Supervisor(database, jobs=[add]) as supervisor:
        with pytest.raises(UnknownJob, match=r"'addd'.*mean 'add'.*Supervisor\(jobs=") as caught:
            await supervisor.submit(addd, 1)
        assert caught.value.near == ("add",)
        assert await supervisor.jobs() == []
        assert await (await supervisor.submit(add, 2, 3)).result() == 5


async def test_another_function_of_a_registered_kind_is_refused_at_submit(database: Path) -> None:
    """A job that only has the same name is not taken for the registered one."""
    async with Supervisor(database, jobs=[add]) as supervisor:
        with pytest.raises(DuplicateJob, match="defined twice"):
            await supervisor.submit(another_add, 1)
        assert await supervisor.jobs() == []


def test_a_first_parameter_that_hides_the_context_is_named() -> None:
    """A type checker would eat an unannotated `ctx`; the error gives the annotation to write."""

    async def hides(ctx: Context, path: str) -> None: ...

    del hides.__annotations__["ctx"]
    with pytest.raises(JobDefinitionError, match=r"parameter, `ctx`.*with `Context`") as caught:
        job(hides)
    assert "hides" in caught.value.function
    assert caught.value.location.startswith(__file__)


def plain(a: int) -> int:
    """Is no job: it is not decorated."""
    return a


@pytest.mark.parametrize("jobs", [[plain], [3], ["add"], [add.call(1)], add, "add", 3, None])
def test_what_is_no_list_of_jobs_is_refused(database: Path, jobs: Any) -> None:
    """A function that was not decorated, a name, a single job: the error says what is wanted."""
    with pytest.raises(InvalidOption, match=r"jobs?=.*jobs=\[|submit_many"):
        Supervisor(database, jobs=jobs)


@pytest.mark.parametrize("thing", [plain, "add", None, add.call(1)])
async def test_what_is_no_job_cannot_be_submitted(database: Path, thing: Any) -> None:
    """The error names @job, or for a call `submit_many`; nothing is stored."""
    async with Supervisor(database, jobs=[add]) as supervisor:
        with pytest.raises(InvalidOption, match=r"@job|submit_many"):
            await supervisor.submit(thing, 1)
        assert await supervisor.jobs() == []


@pytest.mark.parametrize(
    "calls",
    [lambda: add, lambda: [add], lambda: 3, lambda: "add", lambda: [3], lambda: {"a": 1}],
    ids=["job", "jobs", "number", "text", "numbers", "mapping"],
)
async def test_what_is_no_call_cannot_be_submitted(
    database: Path, calls: Callable[[], Any]
) -> None:
    """The error shows how a call is made; nothing is stored."""
    async with Supervisor(database, jobs=[add]) as supervisor:
        with pytest.raises(InvalidOption, match=r"made by job.call\("):
            await supervisor.submit_many(calls())
        among: list[Any] = [add.call(1), calls()]
        with pytest.raises(InvalidOption, match=r"made by job.call\("):
            await supervisor.submit_many(among)
        assert await supervisor.jobs() == []
