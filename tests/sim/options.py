"""What one history is like: everything is drawn from its seed, nothing is decided later."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from overseen_actors.virtual_ready import Schedule


class Ending(StrEnum):
    """How a life of the program ends."""

    STOP = "stop"
    """In order."""
    BEFORE_COMMIT = "before commit"
    """Killed inside a transaction that was about to be committed."""
    AFTER_COMMIT = "after commit"
    """Killed when a transaction was on disk and nobody had been told."""
    STEP = "step"
    """Killed before any callback of the loop."""
    MOMENT = "moment"
    """Killed at an instant of virtual time."""


@dataclass(frozen=True, slots=True)
class LifeEnd:
    """How one life ends. `number` counts commits, callbacks or seconds; none for a stop."""

    ending: Ending
    number: int = 0

    def __str__(self) -> str:
        return self.ending.value if self.ending is Ending.STOP else f"{self.ending} {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is drawn for a history."""

    seed: int
    schedule: Schedule = Schedule.FIFO
    step_cost_seconds: float = 0.0
    timer_slack_seconds: float = 0.0
    latency_seconds: tuple[float, float] = (0.0001, 0.005)
    concurrency: int = 3
    narrow_limit: int = 1
    sweep_interval: float = 30.0
    drain_timeout: float = 10.0
    cancel_timeout: float = 5.0
    draft_timeout: float = 60.0
    mailbox_limit: int = 100
    recent_outcomes: int = 1_000
    keeps_seconds: float | None = None
    """How long ended jobs are kept; None: for ever."""
    clients: int = 2
    actions: int = 6
    """Of each client in each life."""
    faults: int = 0
    """In each life but the last."""
    lives: tuple[LifeEnd, ...] = (LifeEnd(Ending.STOP),)
    """The lives before the one that heals; their ends."""
    heals_in_place: bool = False
    """Whether the faults stop while the last of these lives still goes on."""
    reference: bool = False
    """The shape that speed is measured on: five jobs, three workers, nothing else."""
    cancels: tuple[str, int] | None = None
    """In the first life, the task that is about to take the n-th step of all whose name begins so
    is cancelled."""
    forgets: str | None = None
    """A kind that the second life does not know, as after a deploy."""
    skipped: frozenset[str] = frozenset()
    """Actions and faults that are left out, by name: for shrinking."""


def options_of(seed: int) -> Options:
    """Draw a mixed history."""
    draw = Random(f"{seed}/options")
    calm = draw.random() < 0.15
    return Options(
        seed=seed,
        schedule=draw.choices(list(SCHEDULES), list(SCHEDULES.values()))[0],
        step_cost_seconds=draw.choice((0.0, 0.0, 2e-5, 1e-3)),
        timer_slack_seconds=draw.choice((0.0, 0.0, 1e-3, 0.02)),
        latency_seconds=draw.choice(((0.0, 0.0), (1e-4, 5e-3), (1e-4, 5e-3), (1e-3, 0.5))),
        concurrency=draw.choice((1, 2, 3, 3, 8)),
        narrow_limit=draw.choice((1, 1, 2)),
        sweep_interval=draw.choice((1.0, 10.0, 30.0)),
        drain_timeout=draw.choice((0.0, 5.0, 20.0)),
        cancel_timeout=draw.choice((1.0, 5.0, 10.0)),
        draft_timeout=draw.choice((10.0, 60.0)),
        mailbox_limit=draw.choice((1, 3, 100)),
        recent_outcomes=draw.choice((0, 2, 1_000)),
        keeps_seconds=draw.choice((None, None, None, 4.0, 30.0)),
        clients=draw.choice((1, 2, 2, 3)),
        actions=draw.choice((3, 5, 8)),
        faults=0 if calm else draw.choice((0, 1, 2, 4)),
        lives=tuple(_draw_end(draw) for _ in range(draw.choice((1, 1, 1, 2, 3)))),
        heals_in_place=draw.random() < 0.3,
        forgets=draw.choice((None, None, None, "plain", "narrow")),
    )


def small_options(seed: int) -> Options:
    """Draw a small history, of which thousands fit into a minute: one client, one life that ends
    in some way, and the one that heals."""
    draw = Random(f"{seed}/small")
    drawn = options_of(seed)
    return replace(
        drawn,
        clients=1,
        actions=draw.choice((2, 3, 4)),
        faults=draw.choice((0, 1)),
        lives=drawn.lives[:1],
        sweep_interval=30.0,
    )


def reference_options(seed: int) -> Options:
    """The shape that speed is measured on, with its schedule from the seed."""
    draw = Random(f"{seed}/reference")
    schedule = draw.choices(list(SCHEDULES), list(SCHEDULES.values()))[0]
    return Options(seed=seed, schedule=schedule, reference=True, clients=1, heals_in_place=True)


def _draw_end(draw: Random) -> LifeEnd:
    ending = draw.choices(list(ENDINGS), list(ENDINGS.values()))[0]
    match ending:
        case Ending.STOP:
            return LifeEnd(ending)
        case Ending.BEFORE_COMMIT | Ending.AFTER_COMMIT:
            return LifeEnd(ending, draw.randrange(1, draw.choice((10, 100))))
        case Ending.STEP:
            return LifeEnd(ending, draw.randrange(1, draw.choice((300, 6_000))))
        case Ending.MOMENT:
            return LifeEnd(ending, draw.randrange(1, 120))


SCHEDULES = {Schedule.RANDOM: 60, Schedule.FIFO: 20, Schedule.PCT: 20}
"""How often each schedule is drawn, in percent."""

ENDINGS = {
    Ending.STOP: 25,
    Ending.BEFORE_COMMIT: 20,
    Ending.AFTER_COMMIT: 20,
    Ending.STEP: 25,
    Ending.MOMENT: 10,
}
"""How often each end of a life is drawn, in percent."""
