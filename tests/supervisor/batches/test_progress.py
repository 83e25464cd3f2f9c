"""How far a batch is: numbers that add up, a rate, an estimate that is honest or absent."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overseen.batches.progress import BatchProgress, RateEstimate, progress_of, watch_progress
from overseen_actors.virtual import run_virtual
from overseen_storage.batch_lifecycle import BatchPolicy, BatchStatus
from overseen_storage.batch_records import BatchCounts, BatchRecord, BatchSnapshot

counted = st.integers(0, 10**6)


@st.composite
def snapshots(draw: st.DrawFn) -> BatchSnapshot:
    """A batch in any state."""
    waiting, running, completed, failed, cancelled = (draw(counted) for _ in range(5))
    sealed = draw(st.booleans())
    over = sealed and not waiting + running
    return BatchSnapshot(
        BatchRecord(
            id=3,
            name="some",
            status=BatchStatus.COMPLETED
            if over
            else BatchStatus.PROCESSING
            if sealed
            else BatchStatus.OPEN,
            policy=BatchPolicy.CONTINUE,
            created_at=1,
            sealed_at=2 if sealed else None,
        ),
        BatchCounts(
            total=waiting + running + completed + failed + cancelled,
            waiting=waiting,
            running=running,
            completed=completed,
            failed=failed,
            cancelled=cancelled,
        ),
        seq=9,
    )


def progress(ended: int, total: int, *, sealed: bool = True) -> BatchProgress:
    """A batch that is so far."""
    over = sealed and ended == total
    return BatchProgress(
        batch_id=1,
        name="some",
        status=BatchStatus.COMPLETED if over else BatchStatus.PROCESSING,
        sealed=sealed,
        total=total,
        waiting=total - ended,
        running=0,
        completed=ended,
        failed=0,
        cancelled=0,
    )


@given(snapshots())
def test_the_numbers_add_up(snapshot: BatchSnapshot) -> None:
    """Waiting, running and ended members are all there are, and the fraction says the same."""
    told = progress_of(snapshot)
    parts = told.waiting + told.running + told.completed + told.failed + told.cancelled
    assert parts == told.total
    assert 0 <= told.fraction <= 1
    assert (told.fraction == 1) == (told.ended == told.total and (told.total > 0 or told.sealed))


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 1_000)), max_size=300),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_rate_and_time_left_are_never_nonsense(
    steps: list[tuple[float, int]], still_open: int, sealed: bool
) -> None:
    """Whatever the rhythm, the rate is None or finite and not negative, between the slowest and
    the fastest the work ever was; the time left is None or finite, None for a batch that is open or
    stands still, and 0 exactly when nothing is left."""
    estimate, now, ended = RateEstimate(), 1000.0, 0
    total = sum(step for _, step in steps) + still_open
    for pause, step in steps:
        now += pause
        ended += step
        estimate.add(now, ended)
        told = estimate.applied_to(progress(ended, total, sealed=sealed))
        rate, left = told.rate_per_second, told.seconds_left
        assert rate is None or 0 <= rate < math.inf
        assert left is None or 0 <= left < math.inf
        if sealed and ended == total:
            assert left == 0
        elif not sealed or not rate:
            assert left is None
        else:
            assert left == pytest.approx((total - ended) / rate)


@given(st.floats(0.1, 10), st.integers(1, 10_000), st.integers(5, 400))
def test_even_work_is_estimated_exactly(interval: float, each: int, count: int) -> None:
    """Work that goes on evenly has its own rate, however often one looks, and however long."""
    estimate = RateEstimate()
    for n in range(count):
        estimate.add(50 + n * interval, n * each)
    assert estimate.per_second == pytest.approx(each / interval, rel=1e-6)


def test_work_that_changes_its_speed_is_estimated_by_the_new_one() -> None:
    """A minute after the speed changed only the new one counts; work that stands still has a rate
    of 0 and no time left."""
    estimate = RateEstimate()
    ended = 0
    for second in range(180):
        estimate.add(float(second), ended)
        ended += 100 if second < 60 else 7 if second < 120 else 0
        if second == 110:
            assert estimate.per_second == pytest.approx(7)
    told = estimate.applied_to(progress(ended, 2 * ended))
    assert (told.rate_per_second, told.seconds_left) == (0, None)


def test_numbers_that_go_back_begin_anew() -> None:
    """A clock or a count that goes back, as after a restart, gives no rate rather than a wrong
    one."""
    estimate = RateEstimate()
    rates: list[float | None] = []
    for now, ended in [(10.0, 100), (20.0, 200), (5.0, 200), (6.0, 150), (8.0, 170)]:
        estimate.add(now, ended)
        rates.append(estimate.per_second)
    assert rates == [None, 10, None, None, 10]


async def watched(
    read_seconds: float, reader_seconds: float, interval_seconds: float, job_count: int
) -> list[tuple[float, BatchProgress]]:
    """Watch a batch of which one member ends each second."""
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def read() -> BatchProgress:
        ended = min(job_count, int(loop.time() - begun + 1e-6))
        await asyncio.sleep(read_seconds)
        return progress(ended, job_count)

    def watch() -> AsyncGenerator[BatchProgress, None]:
        return watch_progress(read, interval_seconds, loop.time, asyncio.sleep)

    found: list[tuple[float, BatchProgress]] = []
    async for told in watch():
        found.append((loop.time() - begun, told))
        await asyncio.sleep(reader_seconds)
    return found


@given(st.floats(0, 1), st.floats(0, 3), st.floats(0.05, 5), st.integers(0, 30))
def test_a_watch_tells_at_most_one_each_interval_and_always_the_end(
    read_seconds: float, reader_seconds: float, interval_seconds: float, job_count: int
) -> None:
    """The first comes at once, the last is the end, no two are closer than the interval, and each
    is as young as its read."""
    found = run_virtual(watched(read_seconds, reader_seconds, interval_seconds, job_count))
    moments = [moment for moment, _ in found]
    assert moments[0] == pytest.approx(read_seconds)
    assert found[-1][1].over
    assert not any(told.over for _, told in found[:-1])
    for before, after in pairwise(moments):
        assert after - before >= interval_seconds - 1e-6
    for moment, told in found:
        assert told.ended >= min(job_count, int(moment - read_seconds - 1e-6))
