"""The ring beside a plain list of events: the same events, whatever is added, forgotten, asked."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overseen.ring import Ring, Which
from overseen_storage.lifecycle import Cause, EventType
from overseen_storage.records import Event

SMALL_PAGE = 4
SMALL_RING = 20


@pytest.fixture(autouse=True, scope="module")
def small() -> Generator[None]:
    """Pages and a ring that a short ledger fills many times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("overseen.ring.PAGE_EVENTS", SMALL_PAGE)
        patch.setattr("overseen.ring.RING_EVENTS", SMALL_RING)
        yield


def event(seq: int, job_id: int | None, batch_id: int | None) -> Event:
    kind = None if job_id is None else f"kind {job_id % 2}"
    return Event(
        seq=seq,
        at=seq,
        type=EventType.PROGRESS,
        cause=Cause.BODY,
        job_id=job_id,
        batch_id=batch_id,
        kind=kind,
    )


few = st.none() | st.integers(1, 3)
whiches = st.builds(Which, few, few, st.none() | st.sampled_from(["kind 0", "kind 1"]))


@st.composite
def ledgers(draw: st.DrawFn) -> list[tuple[list[Event], int]]:
    """What the tail reads, page after page: seqs rise, a few are missing, pruned meanwhile."""
    seq = begun = draw(st.integers(0, 30))
    pages: list[tuple[list[Event], int]] = [([], begun)]
    for _ in range(draw(st.integers(1, 12))):
        events: list[Event] = []
        for _ in range(draw(st.integers(0, 9))):
            seq += draw(st.sampled_from([1, 1, 1, 1, 2, 6]))
            events.append(event(seq, draw(few), draw(few)))
        seq += draw(st.sampled_from([0, 0, 1, 9]))
        pages.append((events, seq))
    return pages


@given(ledgers(), whiches, st.data())
def test_the_ring_tells_what_a_list_would(
    pages: list[tuple[list[Event], int]], which: Which, data: st.DataObject
) -> None:
    """From any cursor that the ring reaches, at any moment, following its pages gives each wanted
    event that comes after exactly once, in order, up to its end; what it has forgotten it refuses.
    Those up to a snapshot are marked as history, and only those."""
    ring, told = Ring(), list[Event]()
    ring.restart(pages[0][1])
    for events, to in pages[1:]:
        ring.extend(events, to)
        told += events
        assert ring.end == to
        assert ring.end - ring.begin <= SMALL_RING + SMALL_PAGE
        cursor = data.draw(st.integers(0, to + 2), label="cursor")
        height = data.draw(st.integers(0, to + 2), label="height of the snapshot")
        assert ring.reaches(cursor) == (ring.begin <= cursor < ring.end)
        if not ring.reaches(cursor):
            assert ring.page(cursor, which) is None
            continue
        expected = [one for one in told if one.seq > cursor and which.wants(one)]
        found: list[Event] = []
        marked: list[Event] = []
        while (page := ring.page(cursor, which)) is not None:
            assert page.searched_to > cursor
            cursor = page.searched_to
            found += page.events
            marked += page.marked(height)
        assert cursor == ring.end
        assert found == expected
        assert [one.seq for one in marked] == [one.seq for one in expected]
        assert [one.replayed for one in marked] == [one.seq <= height for one in expected]


def test_a_page_does_not_grow_after_it_was_given() -> None:
    """What a subscriber holds stays as it was, while the ring goes on."""
    ring = Ring()
    ring.extend([event(1, 1, 1), event(2, 1, 1)], 2)
    held = [ring.page(0, Which()), ring.page(0, Which(batch_id=1))]
    ring.extend([event(3, 1, 1)], 3)
    for page in held:
        assert page is not None
        assert [one.seq for one in page.events] == [1, 2]
        assert [one.seq for one in page.marked(3)] == [1, 2]
        assert page.searched_to == 2
