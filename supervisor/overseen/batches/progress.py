"""How far a batch is, how fast, and how long it may still take."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

import msgspec

from overseen_storage.batch_lifecycle import BATCH_ENDED, BatchStatus
from overseen_storage.batch_records import BatchSnapshot

__all__ = ["BatchProgress", "RateEstimate", "progress_of", "watch_progress"]

WINDOW_SECONDS: Final = 30.0
"""The rate is that of the last half minute."""
SAMPLES_MIN_SECONDS: Final = 0.05
"""A rate over less time than this says nothing."""
SAMPLES_KEPT: Final = 120


class BatchProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a batch is, read at one moment: the numbers add up.

    ``waiting + running + completed + failed + cancelled == total``.
    """

    batch_id: int
    """The batch."""
    name: str
    """Its name."""
    status: BatchStatus
    """Where it is in its life."""
    sealed: bool
    """No more members are added: `total` is final."""
    total: int
    """Members so far."""
    waiting: int
    """Not started: drafts, scheduled, pending, retrying."""
    running: int
    """A body runs, or is being cancelled."""
    completed: int
    """Members that returned a value."""
    failed: int
    """Members that failed."""
    cancelled: int
    """Members that were cancelled."""
    rate_per_second: float | None = None
    """Members that ended per second, over the last half minute; None while that is not known."""
    seconds_left: float | None = None
    """How long the rest takes at that rate: 0 when all have ended. None while nothing has ended
    lately, and while the batch is open: nobody knows how much is still to come."""

    @property
    def ended(self) -> int:
        """Members that ended, however."""
        return self.completed + self.failed + self.cancelled

    @property
    def fraction(self) -> float:
        """Which part of the members has ended, from 0 to 1; 1 for an empty batch that is sealed."""
        if self.total:
            return self.ended / self.total
        return 1.0 if self.sealed else 0.0

    @property
    def over(self) -> bool:
        """Whether the batch is finalized."""
        return self.status in BATCH_ENDED


def progress_of(snapshot: BatchSnapshot) -> BatchProgress:
    """Return what the snapshot of a batch tells; rate and time left need more than one."""
    batch, counts = snapshot.batch, snapshot.counts
    if batch is None or counts is None:
        raise ValueError("a snapshot of no batch tells no progress: look at its `batch` first")
    return BatchProgress(
        batch_id=batch.id,
        name=batch.name,
        status=batch.status,
        sealed=batch.sealed_at is not None,
        total=counts.total,
        waiting=counts.waiting,
        running=counts.running,
        completed=counts.completed,
        failed=counts.failed,
        cancelled=counts.cancelled,
        seconds_left=0.0 if batch.sealed_at is not None and not counts.open else None,
    )


class RateEstimate:
    """Ends per second over a window of the recent past.

    It is fed with moments and how many had ended by then. A window rather than a smoothed value:
    when the work stalls the rate falls to nothing after the window, whatever it was before.

    >>> estimate = RateEstimate()
    >>> for second in range(5):
    ...     estimate.add(float(second), 10 * second)
    >>> estimate.per_second
    10.0
    """

    def __init__(self, window_seconds: float = WINDOW_SECONDS) -> None:
        self._window_seconds = window_seconds
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, now: float, ended: int) -> None:
        """At `now` (seconds, of any clock that does not go back) so many had ended."""
        samples = self._samples
        if samples and (now < samples[-1][0] or ended < samples[-1][1]):
            samples.clear()  # another clock or another batch: begin anew rather than tell nonsense
        # Readings that come faster than the window can hold replace the last one.
        fine = self._window_seconds / SAMPLES_KEPT
        if len(samples) > 1 and now - samples[-2][0] < fine:
            samples.pop()
        samples.append((now, ended))
        while len(samples) > 2 and samples[1][0] <= now - self._window_seconds:
            samples.popleft()

    @property
    def per_second(self) -> float | None:
        """The rate; None as long as it was watched for too short a time."""
        if not self._samples:
            return None
        (begun, before), (now, ended) = self._samples[0], self._samples[-1]
        if now - begun < SAMPLES_MIN_SECONDS:
            return None
        return (ended - before) / (now - begun)

    def applied_to(self, progress: BatchProgress) -> BatchProgress:
        """Return `progress` with the rate, and the time left at that rate."""
        rate = self.per_second
        left: float | None = None
        open_members = progress.total - progress.ended
        if progress.sealed and not open_members:
            left = 0.0
        elif progress.sealed and rate:
            left = open_members / rate
        return msgspec.structs.replace(progress, rate_per_second=rate, seconds_left=left)


async def watch_progress(
    read: Callable[[], Awaitable[BatchProgress]],
    interval_seconds: float,
    now: Callable[[], float],
    sleep: Callable[[float], Awaitable[object]],
) -> AsyncGenerator[BatchProgress, None]:
    """Yield how far a batch is: at once, then one each interval, and last its end.

    `read` tells how far it is, `now` is the clock of rate and interval, `sleep` waits by it. A
    reader that is slower than the interval gets fewer, never old ones.
    """
    estimate = RateEstimate()
    while True:
        begun = now()
        progress = await read()
        estimate.add(now(), progress.ended)
        yield estimate.applied_to(progress)
        if progress.over:
            return
        await sleep(max(0.0, begun + interval_seconds - now()))
