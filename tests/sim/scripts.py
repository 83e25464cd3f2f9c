"""What bodies are told to do, drawn at random."""

from __future__ import annotations

from random import Random

from tests.sim.bodies import BASES, Scripts


def draw_scripts(draw: Random) -> Scripts:
    """One to three attempts; every script ends sooner or later, and the last one never snoozes."""
    last = _draw_last(draw)
    first = [_draw_first(draw) for _ in range(draw.choice((0, 0, 1, 1, 2)))]
    return [*first, last]


def _draw_last(draw: Random) -> list[str]:
    match draw.randrange(12):
        case 0:
            return []
        case 1 | 2 | 3:
            return [_sleep(draw)]
        case 4:
            return ["progress 1", _sleep(draw), "progress 5", "progress 6", _sleep(draw)]
        case 5:
            return [word for _ in range(4) for word in ("beat", "sleep 3")]
        case 6:
            return ["checkpoint 1", _sleep(draw), "checkpoint 2", _sleep(draw)]
        case 7:
            return ["warn 1", "log 1", "mark 1", _sleep(draw)]
        case 8:
            return ["child", _sleep(draw)]
        case 9:
            return [f"ignore {draw.choice((3, 8, 25))}"]
        case 10:
            return [_sleep(draw), "raise"]
        case _:
            return [draw.choice(("abandon", "sleep 30", "progress 9", "block 2"))]


def _draw_first(draw: Random) -> list[str]:
    match draw.randrange(10):
        case 0 | 1 | 2:
            return [_sleep(draw), "raise"]
        case 3:
            return ["raise"]
        case 4:
            return [f"snooze {draw.choice((0.5, 5, 20))}"]
        case 5:
            return [draw.choice(("sleep 70", "sleep 20", "sleep 20"))]
        case 6:
            return [draw.choice(("cancelled", "group", "deep"))]
        case 7:
            return [f"base {draw.choice(list(BASES))}"]
        case 8:
            return ["checkpoint 1", "progress 3", _sleep(draw), "raise"]
        case _:
            return ["warn 1", "ignore 6", "raise"]


def _sleep(draw: Random) -> str:
    return f"sleep {draw.choice((0.01, 0.4, 1, 3, 7))}"
