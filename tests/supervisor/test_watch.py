"""When an attempt is looked at, and what is said of it: the whole table, by itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Final

import pytest

from overseen import job
from overseen.attempt import Attempt
from overseen.ended import Returned
from overseen.watch import Verdict, Watch, judge
from overseen_storage.answers import Claimed
from overseen_storage.lifecycle import Reason

SECOND: Final = 1_000_000


@job
async def works() -> None: ...


def ignore(_: Attempt) -> None: ...


def attempt_of(
    *,
    job_id: int = 1,
    now: float = 0.0,
    timeout: float | None = None,
    heartbeat: float | None = None,
    grace: float = 10.0,
    stopping_since: float | None = None,
    stuck: bool = False,
) -> Attempt:
    def us(value: float | None) -> int | None:
        return None if value is None else int(value * SECOND)

    claimed = Claimed(
        id=job_id,
        kind="works",
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
        heartbeat_us=us(heartbeat),
        grace_us=us(grace),
        timeout_us=us(timeout),
        checkpoint=None,
        labels=None,
        headers=None,
        parent_id=None,
        batch_id=None,
    )
    attempt = Attempt(claimed, works, now, ignore)
    attempt.stopping_since = stopping_since
    attempt.stuck = stuck
    return attempt


def test_an_attempt_that_promised_nothing_is_never_looked_at() -> None:
    """Without a timeout, a heartbeat and a wish to stop there is nothing to judge."""
    assert judge(attempt_of(), 1e9) == (Verdict.FINE, None)


TIMES: Final = (0.0, 4.999, 5.0, 9.999, 10.0, 10.001, 1e6)


@pytest.mark.parametrize(("timeout", "heartbeat"), list(product((None, 5, 10, 20), repeat=2)))
def test_a_running_attempt_is_judged_by_its_two_clocks(
    timeout: float | None, heartbeat: float | None
) -> None:
    """Before both deadlines: fine, to be looked at again at the earlier one. From the timeout on:
    `timeout`. Else from the heartbeat on: `silent`. Never before its moment, never after it."""
    for now in TIMES:
        verdict, again = judge(attempt_of(timeout=timeout, heartbeat=heartbeat), now)
        limits = [limit for limit in (timeout, heartbeat) if limit is not None]
        if timeout is not None and now >= timeout:
            assert (verdict, again) == (Verdict.TIMEOUT, None)
        elif heartbeat is not None and now >= heartbeat:
            assert (verdict, again) == (Verdict.SILENT, None)
        else:
            assert (verdict, again) == (Verdict.FINE, min(limits, default=None))


def test_the_verdicts_that_stop_an_attempt_have_a_reason() -> None:
    """What is told to the body is also what stands on the ledger."""
    assert Verdict.TIMEOUT.reason is Reason.TIMEOUT
    assert Verdict.SILENT.reason is Reason.SILENT


@pytest.mark.parametrize("now", [0.0, 10.0, 1e6])
@pytest.mark.parametrize("stopping_since", [None, 0.0])
def test_an_attempt_that_has_ended_is_fine(now: float, stopping_since: float | None) -> None:
    """Once a body has reported its end no clock says anything more about it. (R2)"""
    attempt = attempt_of(timeout=5, heartbeat=5, stopping_since=stopping_since)
    attempt.ended = Returned("1")

    assert judge(attempt, now) == (Verdict.FINE, None)


def told(attempt: Attempt, until: float) -> list[tuple[float, Verdict]]:
    """Follow an attempt that was told to stop; stuck as soon as that is said."""
    watch = Watch(lambda: None)
    watch.follow(attempt, attempt.stopping_since or 0.0)
    found: list[tuple[float, Verdict]] = []
    while watch.next_at is not None and watch.next_at <= until:
        now = watch.next_at
        for one, verdict in watch.take_due(now):
            found.append((now, verdict))
            one.stuck = one.stuck or verdict is Verdict.STUCK
    return found


def test_a_body_that_goes_on_is_told_again_after_1_second_and_then_every_5() -> None:
    """Told at 0 (by whoever stops it), 1, 6, 11, ... seconds, for as long as it goes on."""
    attempt = attempt_of(grace=3600, stopping_since=100.0)

    assert told(attempt, 127) == [(100.0 + n, Verdict.TELL_AGAIN) for n in (1, 6, 11, 16, 21, 26)]


def test_past_its_grace_a_body_is_stuck_once_and_told_on() -> None:
    """Exactly one verdict `stuck`, at the end of the grace; then it is told every 5 seconds."""
    assert told(attempt_of(grace=10, stopping_since=0.0), 26) == [
        (1.0, Verdict.TELL_AGAIN),
        (6.0, Verdict.TELL_AGAIN),
        (10.0, Verdict.STUCK),
        (15.0, Verdict.TELL_AGAIN),
        (20.0, Verdict.TELL_AGAIN),
        (25.0, Verdict.TELL_AGAIN),
    ]


def test_a_body_without_grace_is_stuck_at_once() -> None:
    """A grace of nothing means that the slot is released with the request."""
    assert told(attempt_of(grace=0, stopping_since=0.0), 2) == [
        (0.0, Verdict.STUCK),
        (1.0, Verdict.TELL_AGAIN),
    ]


@pytest.mark.parametrize("since", [1023.0 + n / 1_000.1 for n in range(1, 1_000)])
def test_at_the_very_moment_of_a_look_there_is_something_to_say(since: float) -> None:
    """Sums of floats are rounded, for example where 1023.5 s become 1024.5: judged exactly when it
    was to be looked at, an attempt is never to be looked at again at that same moment. (The
    simulator found it in seed 47: one callback that ran for ever.)"""
    attempt = attempt_of(stopping_since=since)

    moment = since + 1.0

    verdict, again = judge(attempt, moment)
    assert verdict is Verdict.TELL_AGAIN
    assert again is not None
    assert again > moment


def test_old_deadlines_do_not_tell_a_stopping_body_more_often() -> None:
    """An attempt with a timeout and a heartbeat that is being stopped is told by one schedule:
    its former deadlines are no further looks."""
    attempt = attempt_of(timeout=13, heartbeat=12.5, grace=3600)
    watch = Watch(lambda: None)
    watch.follow(attempt, 0.0)
    attempt.stopping_since = 10.0
    watch.follow(attempt, 10.0)
    looks: list[float] = []
    while watch.next_at is not None and watch.next_at <= 31:
        now = watch.next_at
        looks.extend(now for _ in watch.take_due(now))

    assert looks == [11, 16, 21, 26, 31]


def test_time_given_back_moves_every_clock() -> None:
    """After a stall of 100 s a deadline is 100 s later, silence begins anew, and so much of the
    grace as was left is left again."""
    running = attempt_of(job_id=1, timeout=60, heartbeat=10)
    stopping = attempt_of(job_id=2, grace=10, stopping_since=0.0)
    watch = Watch(lambda: None)
    for attempt in (running, stopping):
        watch.follow(attempt, 0.0)
    watch.give_back(100, [running, stopping], 101.0)

    assert [(a, v) for a, v in watch.take_due(101.0)] == [(stopping, Verdict.TELL_AGAIN)]
    assert judge(running, 110.9) == (Verdict.FINE, 111.0)
    running.last_beat = 159.0
    assert judge(running, 159.9) == (Verdict.FINE, 160.0)
    assert judge(running, 160.0)[0] is Verdict.TIMEOUT
    assert judge(stopping, 109.9)[0] is Verdict.TELL_AGAIN
    assert judge(stopping, 110.0)[0] is Verdict.STUCK


def beating(random: Random, attempts: list[Attempt]) -> Iterator[tuple[float, Attempt]]:
    """Moments at which attempts beat, in order, over 100 s."""
    for moment in sorted(random.uniform(0, 100) for _ in range(400)):
        yield moment, random.choice(attempts)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_beats_each_attempt_is_found_silent_exactly_when_it_is(seed: int) -> None:
    """For any pattern of signs of life, the watch finds each attempt at its last beat plus its
    heartbeat: not earlier, not later, and once."""
    random = Random(seed)
    attempts = [attempt_of(job_id=n, heartbeat=random.choice((2, 5, 9))) for n in range(8)]
    watch = Watch(lambda: None)
    silent: dict[Attempt, float] = {}

    def look(until: float) -> None:
        while watch.next_at is not None and watch.next_at <= until:
            moment = watch.next_at
            for attempt, verdict in watch.take_due(moment):
                assert verdict is Verdict.SILENT
                assert attempt not in silent
                silent[attempt] = moment

    for attempt in attempts:
        watch.follow(attempt, 0.0)
    for moment, attempt in beating(random, attempts):
        look(moment)
        if attempt not in silent:
            attempt.last_beat = moment
    look(1e9)

    for attempt in attempts:
        assert attempt.heartbeat_seconds is not None
        assert silent[attempt] == attempt.last_beat + attempt.heartbeat_seconds


def test_ended_attempts_are_forgotten_long_before_their_deadline() -> None:
    """A hundred thousand fast attempts with a timeout of a day leave a few hundred looks."""
    watch = Watch(lambda: None)
    for n in range(100_000):
        attempt = attempt_of(job_id=n, timeout=86_400)
        watch.follow(attempt, float(n) / 1_000)
        attempt.ended = Returned("1")

    assert len(watch) <= 256


def test_a_new_earliest_look_rings() -> None:
    """Whoever sleeps until the next look is told when it moved nearer, and after every look."""
    rung = 0

    def ring() -> None:
        nonlocal rung
        rung += 1

    watch = Watch(ring)
    watch.follow(attempt_of(timeout=50), 0.0)
    watch.follow(attempt_of(timeout=60), 0.0)
    assert rung == 1
    watch.follow(attempt_of(timeout=40), 0.0)
    assert rung == 2
    watch.take_due(40.0)
    assert rung == 3
