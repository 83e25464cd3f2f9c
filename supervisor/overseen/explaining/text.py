"""An explanation as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from overseen.explaining.explanation import Explanation, Step
from overseen.explaining.story import by
from overseen.explaining.times import moment

__all__ = ["text_of"]

STEPS_MAX: Final = 100
"""Of a longer history the first and the last are shown."""


def text_of(told: Explanation) -> str:
    """Write it for people."""
    return "\n".join(_lines(told))


def _lines(told: Explanation) -> Iterator[str]:
    yield f"job {told.job_id}  {told.kind}  in queue {told.queue!r}  {told.status}"
    yield told.summary
    yield from _section("Why", [line for line in told.why if line != told.summary])
    yield from _section("Next", told.next)
    attempts = [
        f"{moment(one.started_at)}  {one.text or f'attempt {one.attempt}: has not ended'}"
        for one in told.attempts
    ]
    yield from _section("Attempts", attempts)
    yield from _section("History", list(_history(told)))


def _section(title: str, lines: list[str] | tuple[str, ...]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"{title}:"
        for line in lines:
            yield f"  {line}"


def _history(told: Explanation) -> Iterator[str]:
    steps = told.history
    if len(steps) <= STEPS_MAX:
        yield from map(_step, steps)
    else:
        half = STEPS_MAX // 2
        yield from map(_step, steps[:half])
        yield f"... {len(steps) - 2 * half:,} more ..."
        yield from map(_step, steps[-half:])
    if told.progress_events:
        yield f"(and {told.progress_events:,} of progress and checkpoints)"


def _step(step: Step) -> str:
    return f"{step.time}  {step.text}, {by(step.cause)}"
