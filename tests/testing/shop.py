"""A user's module, as small as it can be: jobs, and one supervisor for the whole program."""

from __future__ import annotations

import asyncio

import anyio

from overseen import Context, Supervisor, job

notes: list[str] = []
"""What bodies did; a test clears it."""

gate = asyncio.Event()
"""What `patient` waits for."""


@job(timeout="10m")
async def render(seconds: float, name: str = "film") -> str:
    """Works for so long."""
    notes.append(f"begin {name}")
    try:
        await asyncio.sleep(seconds)
    finally:
        notes.append(f"end {name}")
    return name


@job(retries=3)
async def call_bank(failures: int) -> int:
    """Fails so often at first."""
    notes.append("call")
    if notes.count("call") <= failures:
        raise ConnectionError("the line is busy")
    return notes.count("call")


@job
def add(one: int, other: int = 1) -> int:
    """Runs in a thread, as far as it knows."""
    return one + other


@job
async def patient() -> None:
    """Waits until somebody lets it go."""
    with anyio.CancelScope():
        await gate.wait()
    notes.append("let go")


@job
async def order(ctx: Context, count: int) -> None:
    """Submits others."""
    for number in range(count):
        await ctx.submit(add, number)


@job
async def never_ends() -> None:
    """Comes back for ever."""
    while True:  # noqa: ASYNC110  that is what it is for
        await asyncio.sleep(60)


supervisor = Supervisor(
    "no/such/folder/shop.db", jobs=[render, call_bank, add, patient, order, never_ends]
)
