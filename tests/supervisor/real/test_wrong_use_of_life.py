"""A supervisor that is asked too early, too late, twice, or from the wrong loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio.from_thread
import pytest

from overseen import (
    DatabaseRefused,
    Event,
    InvalidOption,
    NotStarted,
    Supervisor,
    SupervisorError,
    SupervisorStopped,
    WrongLoop,
    job,
)


@job
async def add(a: int, b: int = 0) -> int:
    """Adds."""
    return a + b


QUESTIONS: dict[str, Callable[[Supervisor], Any]] = {
    "submit": lambda supervisor: supervisor.submit(add, 1),
    "submit_many": lambda supervisor: supervisor.submit_many([add.call(1)]),
    "retry": lambda supervisor: supervisor.retry(1),
    "cancel": lambda supervisor: supervisor.cancel(1),
    "promote": lambda supervisor: supervisor.promote(1),
    "change": lambda supervisor: supervisor.change(1, priority=1),
    "release": lambda supervisor: supervisor.release(1),
    "pause": lambda supervisor: supervisor.pause("default"),
    "resume": lambda supervisor: supervisor.resume("default"),
    "job": lambda supervisor: supervisor.job(1),
    "jobs": lambda supervisor: supervisor.jobs(),
    "history": lambda supervisor: supervisor.history(1),
    "logs": lambda supervisor: supervisor.logs(1),
    "counts": lambda supervisor: supervisor.counts(),
    "events": lambda supervisor: supervisor.events(),
    "result": lambda supervisor: supervisor.handle(1).result(),
    "wait": lambda supervisor: supervisor.handle(1).wait(),
    "status": lambda supervisor: supervisor.handle(1).status(),
    "figures": lambda supervisor: supervisor.figures,
    "degraded": lambda supervisor: supervisor.degraded,
    "recovered": lambda supervisor: supervisor.recovered,
}


async def ask(question: str, supervisor: Supervisor) -> None:
    """Ask, and wait for the answer if there is one to wait for."""
    answer = QUESTIONS[question](supervisor)
    if isinstance(answer, Awaitable):
        await answer


@pytest.mark.parametrize("question", QUESTIONS)
async def test_before_the_start_every_question_names_the_start(
    database: Path, question: str
) -> None:
    """The error says how to start it; nothing is opened by asking."""
    with pytest.raises(NotStarted, match="async with supervisor"):
        await ask(question, Supervisor(database, jobs=[add]))
    assert not database.exists()


@pytest.mark.parametrize("question", [q for q in QUESTIONS if q not in ("result", "wait")])
async def test_after_the_stop_every_question_names_the_way_back(
    database: Path, question: str
) -> None:
    """The error says that it has stopped, what is kept, and how to go on."""
    supervisor = Supervisor(database, jobs=[add])
    async with supervisor:
        await (await supervisor.submit(add, 1)).result()
    with pytest.raises(SupervisorStopped, match=r"has stopped.*Start it again.*is stored"):
        await ask(question, supervisor)


async def test_a_recent_outcome_can_still_be_asked_for_after_the_stop(database: Path) -> None:
    """What is in memory is answered; of what is not, the error says why not."""
    supervisor = Supervisor(database, jobs=[add])
    async with supervisor:
        ended = await supervisor.submit(add, 1, 2)
        await ended.result()
        waiting = await supervisor.submit(add.options(delay="1h"), 1)
    assert await ended.result() == 3
    with pytest.raises(SupervisorStopped, match=f"job {waiting.id} had not ended"):
        await waiting.result()
    async with supervisor:
        assert await supervisor.handle(waiting.id).status() == "scheduled"


async def test_a_question_during_the_start_is_told_to_wait(database: Path) -> None:
    """While the database is being opened there is a clear answer, not half a supervisor."""
    supervisor = Supervisor(database, jobs=[add])
    starting = asyncio.create_task(supervisor.start())
    await asyncio.sleep(0)
    for question in ("submit", "figures", "jobs", "pause"):
        with pytest.raises(NotStarted, match="still starting"):
            await ask(question, supervisor)
    await starting
    assert await (await supervisor.submit(add, 1)).result() == 1
    await supervisor.stop()


async def test_two_starts_at_once_open_it_once_and_both_wait(database: Path) -> None:
    """The second start returns when the first has opened it, and a third does nothing."""
    supervisor = Supervisor(database, jobs=[add])
    first = asyncio.create_task(supervisor.start())
    await asyncio.sleep(0)
    await supervisor.start()
    assert await (await supervisor.submit(add, 1)).result() == 1
    await first
    await supervisor.start()
    await supervisor.stop()


async def test_two_starts_that_fail_both_say_why(tmp_path: Path) -> None:
    """Whoever waited for somebody else's start gets its error too, and it can be tried again."""
    folder = tmp_path / "later"
    supervisor = Supervisor(folder / "jobs.db", jobs=[add])
    first = asyncio.create_task(supervisor.start())
    await asyncio.sleep(0)
    for starting in (supervisor.start(), first):
        with pytest.raises(DatabaseRefused, match="Make it first"):
            await starting
    folder.mkdir()
    async with supervisor:
        assert await (await supervisor.submit(add, 1)).result() == 1


@pytest.mark.parametrize("question", [*QUESTIONS, "start", "stop"])
async def test_another_loop_is_told_which_way_leads_here(database: Path, question: str) -> None:
    """From another thread's loop every call is refused, and the text names the two ways."""
    supervisor = Supervisor(database, jobs=[add])

    async def elsewhere() -> None:
        if question in QUESTIONS:
            await ask(question, supervisor)
        else:
            await getattr(supervisor, question)()

    async with supervisor:
        with pytest.raises(WrongLoop, match=r"another thread.*anyio\.from_thread\.run.*threadsafe"):
            await asyncio.to_thread(asyncio.run, elsewhere())
        assert await supervisor.jobs() == []
        assert await (await supervisor.submit(add, 1)).result() == 1


async def test_the_ways_the_text_names_do_work(database: Path) -> None:
    """`anyio.from_thread.run` and `run_coroutine_threadsafe` submit from a thread."""
    async with Supervisor(database, jobs=[add]) as supervisor:
        loop = asyncio.get_running_loop()
        submit: Any = supervisor.submit

        def in_a_thread() -> Any:
            return anyio.from_thread.run(submit, add, 1)

        def in_any_thread() -> int:
            submitted = asyncio.run_coroutine_threadsafe(supervisor.submit(add, 2), loop)
            return submitted.result().id

        assert (await anyio.to_thread.run_sync(in_a_thread)).id == 1
        assert await asyncio.to_thread(in_any_thread) == 2
        assert await supervisor.handle(2).result() == 2


def test_another_loop_of_the_same_thread_is_refused_too(database: Path) -> None:
    """A supervisor belongs to the loop that started it, not to its thread."""
    with asyncio.Runner() as first, asyncio.Runner() as second:
        supervisor = Supervisor(database, jobs=[add])
        first.run(supervisor.start())
        with pytest.raises(WrongLoop, match="another event loop"):
            second.run(supervisor.submit(add, 1))
        with pytest.raises(WrongLoop, match="another event loop"):
            second.run(supervisor.stop())
        first.run(supervisor.stop())


def nothing(event: Event) -> None:
    """A hook."""


async def test_a_hook_that_would_never_be_called_is_refused(database: Path) -> None:
    """An unknown event, the decorator without parentheses, a hook too late: an error at once."""
    supervisor = Supervisor(database, jobs=[add])
    bare: Any = nothing
    no_function: Any = 3
    with pytest.raises(InvalidOption, match="one of submitted, "):
        supervisor.on("exploded")
    with pytest.raises(InvalidOption, match=r"@supervisor.on\(\) for all"):
        supervisor.on(bare)
    with pytest.raises(InvalidOption, match="function that takes an event"):
        supervisor.on("failed")(no_function)
    async with supervisor:
        with pytest.raises(SupervisorError, match=r"before the start.*supervisor.events"):
            supervisor.on("failed")(nothing)
