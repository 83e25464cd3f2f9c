"""A worker by itself: from the start of an attempt to its report."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

import pytest

from overseen import Context, Job, job
from overseen.attempt import Attempt
from overseen.ended import Cancelled, Returned
from overseen.workers import Workers
from overseen_storage.answers import Claimed

begun: list[str] = []


@job
async def coroutine() -> int:
    begun.append("coroutine")
    return 1


@job
def function() -> int:
    begun.append("function")
    return 1


def claimed(kind: str) -> Claimed:
    return Claimed(
        id=1,
        kind=kind,
        queue="default",
        priority=0,
        fence=1,
        arguments="{}",
        attempt_started_at=1,
        failures=0,
        losses=0,
        retries=0,
        losses_allowed=3,
        warnings=0,
        heartbeat_us=None,
        grace_us=None,
        timeout_us=None,
        checkpoint=None,
        labels=None,
        headers=None,
        parent_id=None,
        batch_id=None,
    )


async def no_files(attempt: Attempt) -> None:
    raise AssertionError("a job without files is brought none")


def no_threads() -> Executor:
    raise AssertionError("a body that was told to stop takes no thread")


def started(job: Job[..., int], reported: list[Attempt]) -> tuple[Workers, Attempt]:
    """A worker that has not made its first step."""
    loop = asyncio.get_running_loop()
    workers = Workers(
        loop=loop,
        make_context=lambda attempt: Context.detached(),
        result_limit=1_000,
        report=reported.append,
        thread_found=lambda _: None,
        threads=no_threads,
        is_over=lambda: False,
        bring=no_files,
    )
    attempt = Attempt(claimed(job.kind), job, loop.time(), lambda _: None)
    workers.start(attempt)
    return workers, attempt


@pytest.mark.parametrize("body", [coroutine, function], ids=["coroutine", "function"])
async def test_a_body_told_to_stop_before_its_first_step_never_begins(
    body: Job[..., int],
) -> None:
    """A cancellation between the start on disk and the first step is reported like others, although
    asyncio would drop such a task unseen; the body does not begin."""
    begun.clear()
    reported: list[Attempt] = []
    _, attempt = started(body, reported)
    attempt.stopping_since = asyncio.get_running_loop().time()
    attempt.deliver_cancellation()
    assert attempt.task is not None
    await attempt.task

    assert reported == [attempt]
    assert isinstance(attempt.ended, Cancelled)
    assert begun == []


async def test_each_body_is_reported_exactly_once_with_its_end() -> None:
    """A body that returns is reported once, with its value on the attempt."""
    reported: list[Attempt] = []
    _, attempt = started(coroutine, reported)
    assert attempt.task is not None
    await attempt.task

    assert reported == [attempt]
    assert attempt.ended == Returned("1")
