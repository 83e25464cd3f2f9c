"""Who is woken by which events: everybody whom they concern, once, and nobody else."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from overseen.ring import Which
from overseen.waiting import Waiting
from overseen_storage.lifecycle import Cause, EventType
from overseen_storage.records import Event

few = st.none() | st.integers(1, 4)
whiches = st.builds(Which, few, few, st.none() | st.sampled_from(["a", "b"]))


@given(
    st.lists(whiches, max_size=30),
    st.lists(st.tuples(few, few, st.sampled_from(["a", "b", None])), max_size=6),
)
def test_events_wake_whom_they_concern(
    waiting: list[Which],
    told: list[tuple[int | None, int | None, str | None]],
) -> None:
    """Everybody who wants one of the events is taken out, once, with a seq that lies before it and
    not before anything older that he wants; who follows something else, or left, is not."""
    loop = asyncio.new_event_loop()
    registry = Waiting()
    futures: list[asyncio.Future[int]] = [loop.create_future() for _ in waiting]
    for which, future in zip(waiting, futures, strict=True):
        registry.add(which, future)
    gone = set(range(0, len(waiting), 5))
    for index in gone:
        registry.discard(waiting[index], futures[index])
    events = [
        Event(
            seq=seq,
            at=seq,
            type=EventType.PROGRESS,
            cause=Cause.BODY,
            job_id=job_id,
            batch_id=batch_id,
            kind=kind,
        )
        for seq, (job_id, batch_id, kind) in enumerate(told, 11)
    ]
    woken = list(registry.take(events))
    taken = dict(woken)
    assert len(woken) == len(taken)
    for index, (which, future) in enumerate(zip(waiting, futures, strict=True)):
        wanted = [event.seq for event in events if which.wants(event)]
        if index in gone:
            assert future not in taken
        elif wanted:
            assert taken[future] < wanted[0]
        elif future in taken:  # woken by one condition of several: he looks and waits on
            assert which.key is None or not which.is_key_alone
    assert set(registry.take_all()) == {
        future for index, future in enumerate(futures) if index not in gone and future not in taken
    }
    assert not registry
    loop.close()
