"""Bodies of many kinds. Each does what its arguments say, one word after the other.

``[["sleep 3", "raise"], ["beat", "sleep 1"]]`` fails in its first attempt and succeeds in the
second and all later ones. A body returns its tag.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import cast

from tests.sim.witness import NARROW, Run, Witness

from overseen import (
    Abandon,
    Backoff,
    BatchSummary,
    Context,
    MemberResult,
    Snooze,
    batch_summary,
    job,
)
from overseen.attachments.errors import AttachmentError
from overseen_actors import running_virtual_loop

Scripts = list[list[str]]

INPUT = "input"
SOON = Backoff(initial=2.0, maximum=30.0)
BASES = {one.__name__: one for one in (KeyboardInterrupt, SystemExit, GeneratorExit)}


def content_of(tag: int) -> bytes:
    """What the file of a job with this tag holds."""
    return sha256(str(tag).encode()).digest() * (tag % 5)


async def perform(ctx: Context, tag: int, scripts: Scripts) -> int:
    """Be a body."""
    witness = cast(Witness, ctx.state)
    run = witness.begin(ctx)
    try:
        _look_for_checkpoint(ctx, witness)
        for step in scripts[min(ctx.attempt, len(scripts)) - 1]:
            verb, _, number = step.partition(" ")
            await do(ctx, run, verb, number, tag)
        witness.returned(run, tag)
        return tag
    finally:
        witness.ended(run)


def _look_for_checkpoint(ctx: Context, witness: Witness) -> None:
    known = witness.book.checkpoints.get(ctx.job_id)
    found: object = ctx.last_checkpoint
    if known is not None:
        witness.book.sometimes.reach_if(found is not None, "a checkpoint was found again")
        if not isinstance(found, int) or found < known:
            what = f"job {ctx.job_id} was told {known} is stored, finds {found!r}"
            witness.book.broken("I17 an acknowledged checkpoint is there", what)


async def do(ctx: Context, run: Run, verb: str, number: str, tag: int) -> None:
    """One step of a body."""
    match verb:
        case "sleep":
            await asyncio.sleep(float(number))
        case "beat":
            ctx.heartbeat()
        case "progress":
            ctx.progress(int(number), 10, message=f"step {number}")
        case "warn":
            ctx.warn("not good", step=number)
        case "log":
            ctx.log(f"line {number}")
        case "mark":
            ctx.checkpoint(run.attempt * 100 + int(number))
        case "checkpoint":
            await _checkpoint(ctx, run.attempt * 100 + int(number))
        case "child":
            await ctx.submit(plain, tag * 1_000 + run.attempt, [["sleep 1"]])
        case "read":
            await _read(ctx, tag)
        case "ignore":
            await _ignore(run, float(number))
        case "block":
            running_virtual_loop().stall(float(number))
        case _:
            _leave(verb, number)


def _leave(verb: str, number: str) -> None:
    """The ways to end that are no return."""
    match verb:
        case "raise":
            raise ValueError(f"no luck {number}")
        case "abandon":
            raise Abandon("it makes no sense")
        case "snooze":
            raise Snooze(float(number))
        case "cancelled":
            raise asyncio.CancelledError("of my own")
        case "base":
            raise BASES[number]("from a body")
        case "group":
            raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])
        case "deep":
            raise RecursionError("too deep")
        case _:
            raise AssertionError(f"no body can do {verb!r}")


async def _checkpoint(ctx: Context, value: int) -> None:
    witness = cast(Witness, ctx.state)
    await ctx.checkpoint(value)
    if not witness.dead:
        known = witness.book.checkpoints
        known[ctx.job_id] = max(value, known.get(ctx.job_id, 0))


async def _read(ctx: Context, tag: int) -> None:
    witness = cast(Witness, ctx.state)
    try:
        found = await ctx.attachments[INPUT].read_bytes()
    except (OSError, AttachmentError) as error:
        witness.book.broken("a job reads the file it was given", f"job {ctx.job_id}: {error!r}")
        raise
    if found != content_of(tag):
        what = f"job {ctx.job_id} with tag {tag} reads {len(found)} other bytes"
        witness.book.broken("a job reads the file it was given", what)
    witness.book.sometimes.reach("an attachment was read by its job")


async def _ignore(run: Run, seconds: float) -> None:
    """Go on, whatever it is told."""
    run.ignores = True
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        try:
            await asyncio.sleep(until - loop.time())
        except asyncio.CancelledError:
            continue
    run.ignores = False


@job(retries=1, backoff=SOON, timeout=60)
async def plain(ctx: Context, tag: int, scripts: Scripts) -> int:
    return await perform(ctx, tag, scripts)


@job(retries=3, backoff=SOON, timeout=20, grace=3, losses=2)
async def sturdy(ctx: Context, tag: int, scripts: Scripts) -> int:
    return await perform(ctx, tag, scripts)


@job(heartbeat=5, retries=1, backoff=SOON, timeout=120, grace=2)
async def beating(ctx: Context, tag: int, scripts: Scripts) -> int:
    return await perform(ctx, tag, scripts)


@job(on_lost="fail", timeout=60)
async def once(ctx: Context, tag: int, scripts: Scripts) -> int:
    return await perform(ctx, tag, scripts)


@job(on_lost="hold", losses=1, timeout=60)
async def careful(ctx: Context, tag: int, scripts: Scripts) -> int:
    return await perform(ctx, tag, scripts)


@job(queue=NARROW, queue_timeout=40, timeout=60)
async def narrow(ctx: Context, tag: int, scripts: Scripts) -> int:
    return await perform(ctx, tag, scripts)


@job(attachments=(INPUT,), retries=1, backoff=SOON, timeout=60)
async def reader(ctx: Context, tag: int, scripts: Scripts) -> int:
    return await perform(ctx, tag, [["read", *script] for script in scripts])


@job(retries=1, backoff=SOON)
def threaded(ctx: Context, tag: int, scripts: Scripts) -> int:
    """A plain function: no waiting in here, so only what does not wait."""
    if ctx.attempt == 1 and len(scripts) > 1:
        raise ValueError("no luck in a thread")
    ctx.progress(1, 1)
    return tag


@job(retries=2, backoff=SOON)
async def report(ctx: Context, summary: BatchSummary) -> int:
    return summary.total


@batch_summary(retries=2, backoff=SOON)
async def total(ctx: Context, results: AsyncIterator[MemberResult]) -> int:
    return len([one async for one in results])


KINDS = (plain, sturdy, beating, once, careful, narrow)
"""Kinds that any client submits."""

ALL_KINDS = (*KINDS, reader, threaded, report, total)
"""Every kind of the simulated program."""
