"""Restarts as in OTP, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest

from overseen_actors import (
    ChildExists,
    ChildrenFailedToStop,
    Ending,
    InvalidBound,
    Keeper,
    KeeperStopped,
    Restart,
    Restarted,
    RestartIntensity,
    RestartIntensityReached,
    should_restart,
)
from overseen_actors.restart import RESTARTS


async def for_ever() -> None:
    """Live until cancelled."""
    await asyncio.Event().wait()


def failing(every_seconds: float, lives: list[float]) -> Callable[[], Awaitable[None]]:
    """A child whose every life ends with an error; it writes down when each began."""

    async def live() -> None:
        lives.append(asyncio.get_running_loop().time())
        await asyncio.sleep(every_seconds)
        raise LookupError(f"life {len(lives)}")

    return live


def noting(name: str, log: list[str]) -> Callable[[], Awaitable[None]]:
    """A child that takes a second to stop and then says so."""

    async def live() -> None:
        try:
            await for_ever()
        finally:
            log.append(f"{name} stopping")
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)
            log.append(f"{name} stopped")

    return live


def test_the_table_decides_every_case_as_otp_does() -> None:
    """Permanent always, transient after errors, temporary never; nobody who was told to stop."""
    assert set(RESTARTS) == {(restart, ending) for restart in Restart for ending in Ending}
    again = {case for case in RESTARTS if should_restart(*case)}
    assert again == {
        (Restart.PERMANENT, Ending.NORMAL),
        (Restart.PERMANENT, Ending.ERROR),
        (Restart.TRANSIENT, Ending.ERROR),
    }


@pytest.mark.parametrize(("restarts", "period_seconds"), [(-1, 5.0), (3, 0.0), (3, float("nan"))])
def test_an_intensity_out_of_bounds_is_refused(restarts: int, period_seconds: float) -> None:
    """Nonsense is an error that names the bound."""
    with pytest.raises(InvalidBound, match="must be"):
        RestartIntensity(restarts, period_seconds)


async def test_a_failed_child_is_started_anew_alone_and_announced() -> None:
    """One for one: a fresh life from the factory, the sibling's life goes on."""
    lives: list[float] = []
    siblings: list[float] = []
    restarted: list[Restarted] = []

    async def sibling() -> None:
        siblings.append(asyncio.get_running_loop().time())
        await for_ever()

    async with Keeper(RestartIntensity(3, 5.0), on_restart=restarted.append) as keeper:
        keeper.start("sibling", sibling)
        keeper.start("failing", failing(10, lives))
        assert keeper.children == ("sibling", "failing")
        await asyncio.sleep(35)
        await keeper.stop()
        assert not keeper.children
    assert [at - lives[0] for at in lives] == [0, 10, 20, 30]
    assert len(siblings) == 1
    assert [(one.child, str(one.error), one.restarts_within_period) for one in restarted] == [
        ("failing", f"life {life}", 1) for life in (1, 2, 3)
    ]
    assert [one.at for one in restarted] == lives[1:]


async def test_one_restart_too_many_within_the_period_gives_up_with_the_evidence() -> None:
    """Three restarts in five seconds are allowed; the fourth end names child, times and error."""
    lives: list[float] = []
    log: list[str] = []

    async def keep() -> None:
        async with Keeper(RestartIntensity(3, 5.0)) as keeper:
            keeper.start("first", noting("first", log))
            keeper.start("second", noting("second", log))
            keeper.start("failing", failing(1, lives))
            await for_ever()

    with pytest.raises(RestartIntensityReached, match="'failing' ended once more") as caught:
        await keep()
    assert len(lives) == 4
    error = caught.value
    assert (error.child, error.restarts, error.period_seconds) == ("failing", 3, 5.0)
    assert [moment - lives[0] for moment in error.times] == [1, 2, 3, 4]
    assert isinstance(error.__cause__, LookupError)
    assert str(error.__cause__) == "life 4"
    # The others were stopped in order before the block was interrupted.
    assert log == ["second stopping", "second stopped", "first stopping", "first stopped"]


async def test_slow_failures_never_reach_the_intensity() -> None:
    """What lies longer back than the period does not count."""
    lives: list[float] = []
    async with Keeper(RestartIntensity(3, 5.0)) as keeper:
        keeper.start("failing", failing(1.7, lives))
        await asyncio.sleep(1000)
        await keeper.stop()
    assert len(lives) == 589


async def test_an_end_exactly_one_period_after_another_still_counts() -> None:
    """The period includes both its ends, as OTP's does."""
    lives: list[float] = []
    with pytest.raises(RestartIntensityReached):
        async with Keeper(RestartIntensity(1, 5.0)) as keeper:
            keeper.start("failing", failing(5, lives))
    assert len(lives) == 2


async def test_no_restarts_allowed_means_the_first_error_is_the_end() -> None:
    """Intensity 0 is a valid choice."""
    with pytest.raises(RestartIntensityReached) as caught:
        async with Keeper(RestartIntensity(restarts=0)) as keeper:
            keeper.start("failing", failing(1, []))
    assert str(caught.value.__cause__) == "life 1"


async def test_a_transient_child_may_finish_and_a_temporary_one_only_lives_once() -> None:
    """Leaving the block waits for children that end by themselves; a dropped error is reported."""
    reported: list[dict[str, object]] = []
    lives: list[float] = []

    async def finish() -> None:
        await asyncio.sleep(5)

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: reported.append(context))
    start = loop.time()
    async with Keeper() as keeper:
        keeper.start("transient", finish, Restart.TRANSIENT)
        keeper.start("temporary", failing(1, lives), Restart.TEMPORARY)
    assert loop.time() - start == 5
    assert len(lives) == 1
    assert [str(one["exception"]) for one in reported] == ["life 1"]


async def test_a_permanent_child_that_returns_is_started_anew() -> None:
    """It has to be there: even a quiet end counts."""
    lives = 0

    async def finish() -> None:
        nonlocal lives
        lives += 1

    with pytest.raises(RestartIntensityReached) as caught:
        async with Keeper(RestartIntensity(2, 1.0)) as keeper:
            keeper.start("finishing", finish)
    assert lives == 3
    assert caught.value.__cause__ is None


async def test_a_cancellation_nobody_asked_for_is_an_error_like_another() -> None:
    """A permanent child does not vanish because something it awaited was cancelled."""
    lives: list[int] = []

    async def await_a_cancelled_task() -> None:
        lives.append(1)
        if len(lives) > 1:
            await for_ever()
        task = asyncio.create_task(for_ever())
        asyncio.get_running_loop().call_later(1, task.cancel)
        await task

    restarted: list[Restarted] = []
    async with Keeper(on_restart=restarted.append) as keeper:
        keeper.start("child", await_a_cancelled_task)
        await asyncio.sleep(2)
        assert keeper.children == ("child",)
        await keeper.stop()
    assert [type(one.error) for one in restarted] == [asyncio.CancelledError]
    assert len(lives) == 2


async def test_stop_cancels_in_reverse_order_and_waits_for_each() -> None:
    """Who was started last, and may need the others, goes first."""
    log: list[str] = []
    async with Keeper() as keeper:
        for name in ("a", "b", "c"):
            keeper.start(name, noting(name, log))
        await asyncio.sleep(1)
        await keeper.stop()
        assert log[::2] == ["c stopping", "b stopping", "a stopping"]
        await keeper.stop()
        with pytest.raises(KeeperStopped, match="'late'"):
            keeper.start("late", for_ever)


async def test_a_child_stopped_before_its_first_turn_never_lives() -> None:
    """Start and stop in one turn: the factory is not called."""
    lives: list[float] = []
    async with Keeper() as keeper:
        keeper.start("child", failing(1, lives))
        await keeper.stop()
    assert lives == []


async def test_an_error_while_being_stopped_is_no_restart_and_is_not_lost() -> None:
    """The others are stopped all the same; then the block tells who raised what."""
    log: list[str] = []

    async def stumble() -> None:
        try:
            await for_ever()
        finally:
            raise LookupError("stumbled")

    async def keep() -> None:
        async with Keeper() as keeper:
            keeper.start("first", noting("first", log))
            keeper.start("stumbling", stumble)
            await asyncio.sleep(1)
            await keeper.stop()

    with pytest.raises(ChildrenFailedToStop, match="'stumbling': LookupError") as caught:
        await keep()
    assert [str(error) for error in caught.value.errors.values()] == ["stumbled"]
    assert log == ["first stopping", "first stopped"]


async def test_an_error_of_the_block_stops_the_children_in_order_and_comes_out_as_it_is() -> None:
    """No exception group around it, and nobody left behind."""
    log: list[str] = []

    async def keep() -> None:
        async with Keeper() as keeper:
            keeper.start("a", noting("a", log))
            keeper.start("b", noting("b", log))
            await asyncio.sleep(1)
            raise LookupError("of the block")

    with pytest.raises(LookupError, match="of the block"):
        await keep()
    assert log[::2] == ["b stopping", "a stopping"]


async def test_the_error_of_the_block_wins_over_those_of_children_being_stopped() -> None:
    """What went wrong first is what comes out."""

    async def stumble() -> None:
        try:
            await for_ever()
        finally:
            raise KeyError("stumbled")

    async def keep() -> None:
        async with Keeper() as keeper:
            keeper.start("stumbling", stumble)
            await asyncio.sleep(1)
            raise LookupError("of the block")

    with pytest.raises(LookupError, match="of the block"):
        await keep()


async def test_cancelling_the_block_ends_the_children_and_stays_a_cancellation() -> None:
    """A keeper inside a cancelled task restarts nothing."""
    lives: list[float] = []
    log: list[str] = []

    async def keep() -> None:
        async with Keeper() as keeper:
            keeper.start("a", noting("a", log))
            keeper.start("failing", failing(10, lives))
            await for_ever()

    task = asyncio.create_task(keep())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["a stopping", "a stopped"]
    assert len(lives) == 1


async def test_a_timeout_around_the_block_works() -> None:
    """The keeper does not swallow a cancellation that is somebody else's."""
    with anyio.move_on_after(30) as scope:
        async with Keeper() as keeper:
            keeper.start("child", for_ever)
    assert scope.cancelled_caught
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30), Keeper() as keeper:
            keeper.start("child", for_ever)


async def test_two_children_of_one_name_are_refused_and_so_is_a_keeper_not_entered() -> None:
    """Wrong use is told at once."""
    with pytest.raises(KeeperStopped):
        Keeper().start("child", for_ever)
    async with Keeper() as keeper:
        keeper.start("child", for_ever)
        with pytest.raises(ChildExists, match="'child'"):
            keeper.start("child", for_ever)
        await keeper.stop()
