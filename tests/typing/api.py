"""The public face as a user writes it. Never executed: mypy and pyright read it.

Every `assert_type` here is a promise about what a type checker shows to somebody who uses
overseen. What has to be an error is in test_wrong_use.py.
"""

from __future__ import annotations

from typing import assert_type

from overseen.context import Context
from overseen.jobs import AsyncJob, Call, Job, SyncJob, job
from overseen.retry_policy import Backoff


@job
async def bare(path: str, preset: str = "fast") -> int:
    return len(path + preset)


@job(queue="media", retries=3, timeout="10m", heartbeat="30s", backoff=Backoff(initial="5s"))
async def with_options(ctx: Context, path: str, preset: str = "fast") -> int:
    ctx.progress(1, 2, message=path)
    return len(preset)


@job
async def with_context(ctx: Context, *, count: int) -> list[str]:
    return [str(ctx.job_id)] * count


@job
def plain(path: str) -> bytes:
    return path.encode()


@job(name="plain-context", backoff=lambda failures, error: failures * 10)
def plain_with_context(ctx: Context, path: str) -> bool:
    return bool(path)


@job(on_lost="hold", retry_on=(OSError, TimeoutError))
async def nothing() -> None: ...


async def direct_calls() -> None:
    """Calling a job runs its body: an async one is awaited, a plain one answers at once."""
    assert_type(await bare("a", preset="slow"), int)
    assert_type(await with_options("a"), int)
    assert_type(await with_context(count=3), list[str])
    assert_type(plain("a"), bytes)
    assert_type(plain_with_context("a"), bool)
    await nothing()


def calls() -> list[Call[object]]:
    """A Call knows what its job returns, and is covariant in it."""
    assert_type(bare.call("a"), Call[int])
    assert_type(plain.call("a"), Call[bytes])
    assert_type(nothing.call(), Call[None])
    wider: Call[int] = plain_with_context.call("a")
    widest: Call[object] = wider
    many: list[Call[int]] = [bare.call("a"), plain_with_context.call("b")]
    return [widest, *many]


def options() -> None:
    """Options keep the job's type: its arguments and its result."""
    urgent = with_options.options(priority=5, delay="1h", key="a.mp4", labels={"user": "7"})
    assert_type(urgent.call("a"), Call[int])
    assert_type(urgent.options(on_conflict="replace").call("a", "slow"), Call[int])
    assert_type(plain.options(timeout=3.5)("a"), bytes)


def submit(wanted: Job[[str], object]) -> None:
    """A function can ask for a job by its arguments, whatever it returns."""
    wanted.call("a")


def kinds(first: AsyncJob[[str], int], second: SyncJob[[str], bytes]) -> None:
    """Both classes are jobs."""
    submit(first)
    submit(second)
    submit(plain)


class Method:
    """A bound method can be a job."""

    async def send(self, to: str) -> int:
        return len(to)


def methods() -> None:
    """The instance is no argument of the job."""
    assert_type(job(Method().send).call("x"), Call[int])
