"""What a body hands to its context: text of any kind is taken, what cannot be kept is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from overseen import Context, JobFailed, Reason, Supervisor, job


@job
async def sound() -> int:
    """Is registered."""
    return 1


@job
async def unknown() -> None:
    """Is not."""


async def fail_with(database: Path, wrong: Callable[[Context], Any]) -> JobFailed:
    """Run a body that misuses its context; how its job failed. Others go on."""

    @job(retries=0)
    async def misuse(ctx: Context) -> None:
        answer = wrong(ctx)
        if answer is not None:
            await answer

    async with Supervisor(database, jobs=[misuse, sound]) as supervisor:
        with pytest.raises(JobFailed) as caught:
            await (await supervisor.submit(misuse)).result()
        assert await (await supervisor.submit(sound)).result() == 1
    return caught.value


WRONG: list[tuple[str, Callable[[Context], Any], Reason, str]] = [
    (
        "a checkpoint",
        lambda c: c.checkpoint({"a": object()}),
        Reason.INVALID,
        r"checkpoint.*\$\.a",
    ),
    ("a warning", lambda c: c.warn("w", a=float("nan")), Reason.INVALID, r"warning: .*\$\.a.*NaN"),
    ("a field", lambda c: c.log("l", a=float("nan")), Reason.INVALID, r"log: .*\$\.a.*NaN"),
    ("a count", lambda c: c.progress(float("nan")), Reason.INVALID, r"progress: .*\$\.done"),
    ("a level", lambda c: c.log("l", level="loud"), Reason.ERROR, "debug or info or"),
    ("a kind", lambda c: c.submit(unknown), Reason.ERROR, r"'unknown'.*Supervisor\(jobs="),
]


@pytest.mark.parametrize(("what", "wrong", "reason", "says"), WRONG, ids=[w[0] for w in WRONG])
async def test_what_a_body_says_wrongly_is_its_own_failure(
    database: Path, what: str, wrong: Callable[[Context], Any], reason: Reason, says: str
) -> None:
    """The error names what it was, where inside the value, and what is accepted."""
    failed = await fail_with(database, wrong)
    assert failed.reason is reason, what
    assert failed.error is not None
    assert re.search(says, failed.error.message), failed.error.message


async def test_a_body_that_submits_what_is_no_job_is_told_of_the_decorator(database: Path) -> None:
    """`ctx.submit(function)` names @job, as `supervisor.submit` does."""
    function: Any = len
    failed = await fail_with(database, lambda ctx: ctx.submit(function, "x"))
    assert failed.error is not None
    assert "@job" in failed.error.message


async def test_messages_are_text_whatever_they_are(database: Path) -> None:
    """A number as a message is written as text; nobody's job fails for what it says to people."""

    @job
    async def talkative(ctx: Context) -> None:
        number: Any = 17
        ctx.log(number)
        ctx.log("\ud800\0")
        ctx.warn(number)
        ctx.progress(1, message=number)

    async with Supervisor(database, jobs=[talkative]) as supervisor:
        handle = await supervisor.submit(talkative)
        await handle.result()
        assert [line.message for line in await handle.logs()] == ["17", "\\ud800\\x00"]
