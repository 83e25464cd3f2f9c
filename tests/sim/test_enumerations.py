"""Not drawn but counted through: every commit boundary, and every await."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.sim.history import play, play_all
from tests.sim.options import Ending, LifeEnd, Options, small_options
from tests.sim.telling import no_violations

QUIET = LifeEnd(Ending.STOP)


def calm(seed: int) -> Options:
    """A small history in which nothing goes wrong by itself."""
    options = small_options(seed)
    return replace(options, faults=0, lives=(QUIET,), heals_in_place=False, actions=3)


def commits_of_first_life(options: Options) -> int:
    """How many transactions its first life commits."""
    record = play(options)
    return record.commits_of_lives[0]


@pytest.mark.parametrize("seed", [3, 5, 8, 13, 21])
def test_a_crash_at_every_commit_boundary_loses_nothing(seed: int) -> None:
    """I17 to I22 (F1): killed before or after any of its commits, the first and the last included,
    the next life finds everything that was acknowledged, and brings it to its end."""
    options = calm(seed)
    commits = commits_of_first_life(options)
    assert commits > 5, "a history with something in it"
    ends = [
        LifeEnd(ending, number)
        for number in range(1, commits + 1)
        for ending in (Ending.BEFORE_COMMIT, Ending.AFTER_COMMIT)
    ]
    records = no_violations(play_all(replace(options, lives=(end,)) for end in ends))
    assert sum(record.counts["crashes"] for record in records) == len(ends)


@pytest.mark.parametrize("seed", [5, 13])
def test_a_crash_during_recovery_is_one_more_crash(seed: int) -> None:
    """I21 (F3): killed at any commit of a start that recovers, the start after it recovers the
    rest; twice is once."""
    options = calm(seed)
    middle = LifeEnd(Ending.AFTER_COMMIT, max(2, commits_of_first_life(options) // 2))
    ends = [
        LifeEnd(ending, number)
        for number in range(1, 6)
        for ending in (Ending.BEFORE_COMMIT, Ending.AFTER_COMMIT)
    ]
    no_violations(play_all(replace(options, lives=(middle, end)) for end in ends))


@pytest.mark.parametrize(("who", "steps_min"), [("client", 20), ("job", 4)])
def test_a_cancellation_at_any_await_breaks_nothing(who: str, steps_min: int) -> None:
    """R2, I13, I19 (F18): a client, or a body, that is cancelled at any of its awaits leaves no
    half-done work: what it asked for is there or not there, and all else goes on."""
    step = 0
    while True:
        step += 1
        options = Options(seed=1, clients=1, actions=1, lives=(QUIET,), cancels=(who, step))
        (record,) = no_violations([play(options)])
        if not record.counts["cancelled by the world"]:
            break
    assert step > steps_min
