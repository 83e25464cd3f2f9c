"""Claims: which jobs start now, and everything their attempts need."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass, field

import msgspec

from overseen_storage.groups import Group
from overseen_storage.items import ClaimFrom
from overseen_storage.lifecycle import EVENT_CODES, EventType
from overseen_storage.sqlite.rows import document
from overseen_storage.sqlite.translate_errors import code_of
from overseen_storage.sqlite.writer import Writer

Candidate = tuple[int, int, int, str]
"""Priority with its sign turned, ready_at, id, kind: in the order of claiming."""

_decode_candidates = msgspec.json.Decoder(list[Candidate]).decode
_decode_ids = msgspec.json.Decoder(list[int]).decode
_UNREGISTERED = '{"held":"unregistered"}'


@dataclass(slots=True)
class Claims:
    """What a group claims; its parameters are made before the transaction begins."""

    wanted: list[ClaimFrom]
    limit: int
    epoch: int
    known: frozenset[str] | None
    kinds: str | None
    timeouts: str | None

    @classmethod
    def of(cls, group: Group) -> Claims:
        """The claims of `group`; a queue named twice is asked once, with the higher limit."""
        limits: dict[str, int] = {}
        for claim in group.claims:
            limits[claim.queue] = max(limits.get(claim.queue, 0), claim.limit)
        wanted = [ClaimFrom(queue, limit) for queue, limit in limits.items() if limit > 0]
        return cls(
            wanted if group.claim_limit > 0 else [],
            group.claim_limit,
            group.epoch,
            group.kinds,
            None if group.kinds is None else document(sorted(group.kinds)),
            document(group.timeouts_us) if group.timeouts_us else None,
        )


@dataclass(slots=True)
class ClaimedText:
    """What was claimed, as JSON texts of the jobs: they are decoded on the loop's side."""

    rows: list[str] = field(default_factory=list[str])
    held: int = 0
    short_queues: list[str] = field(default_factory=list[str])


def claim(writer: Writer, claims: Claims) -> ClaimedText:
    """START of the jobs that go first: highest priority, then oldest `ready_at`, then id."""
    done = ClaimedText()
    if not claims.wanted:
        return done
    ids = None
    if len(claims.wanted) == 1:
        ids = _choose_simply(writer, claims, done)
    if ids is None:
        ids = document(_choose(writer, claims, done))
    if ids != "[]":
        done.rows = _start(writer, claims, ids)
    return done


def _start(writer: Writer, claims: Claims, ids: str) -> list[str]:
    changed = writer.run(
        "claim", ids=ids, at=writer.at, epoch=claims.epoch, timeouts=claims.timeouts
    )
    started = EVENT_CODES[EventType.STARTED]
    writer.run("moved_events", ids=ids, seq=writer.seq, type=started, of_attempt=True)
    writer.seq += changed
    writer.at += changed
    return _read(writer, ids)


def _read(writer: Writer, ids: str) -> list[str]:
    """What the attempts of `ids` need, as one text, or as several if SQLite cannot make one so
    long (a thousand million bytes, arguments escaped)."""
    try:
        return [writer.text("claimed", ids=ids)]
    except sqlite3.DataError as error:
        numbers = _decode_ids(ids)
        if code_of(error) != sqlite3.SQLITE_TOOBIG or len(numbers) == 1:
            raise
    middle = len(numbers) // 2
    left = _read(writer, document(numbers[:middle]))
    return left + _read(writer, document(numbers[middle:]))


def _choose_simply(writer: Writer, claims: Claims, done: ClaimedText) -> str | None:
    """The ids of one queue without looking at each; None if unknown kinds are among them."""
    wanted = claims.wanted[0]
    limit = min(wanted.limit, claims.limit)
    name = "claimable_unstopped" if writer.batches.stopped else "claimable"
    row = writer.one(name, queue=wanted.queue, limit=limit, kinds=claims.kinds)
    assert row is not None
    ids, found, unknown = row
    assert isinstance(ids, str)
    assert isinstance(found, int)
    if unknown:
        return None
    if found < limit:
        done.short_queues.append(wanted.queue)
    return ids


@dataclass(slots=True)
class _Look:
    """How far one queue has been looked at."""

    queue: str
    limit: int
    """Jobs it may give at most."""
    asked: int
    """Jobs it was asked for: `limit` in the end, unless others go first."""
    found: list[Candidate] = field(default_factory=list[Candidate])
    looked_at_all: bool = True
    """Whether no unknown kinds are left among the first."""


def _choose(writer: Writer, claims: Claims, done: ClaimedText) -> list[int]:
    """The ids that go first over all queues; unknown kinds that come up are held meanwhile.

    With many queues each gives a few only, so each is asked for a few, and those that gave all of
    them for more: a thousand full queues are not read a thousand times as deep as needed.

    At most `claims.limit` jobs are held in one group: the stamps reserved end there. A queue
    full of unknown kinds is worked off over several groups, so it is not reported short.
    """
    share = 1 + claims.limit // len(claims.wanted)
    looks: list[_Look] = []
    for wanted in claims.wanted:
        limit = min(wanted.limit, claims.limit)
        looks.append(_Look(wanted.queue, limit, min(2 * share, limit)))
    best: list[tuple[Candidate, str]] = []
    taken: Counter[str] = Counter()
    asking = looks
    while asking:
        for look in asking:
            look.found, look.looked_at_all = _candidates(
                writer, claims, look.queue, look.asked, done
            )
        all_found = [(candidate, look.queue) for look in looks for candidate in look.found]
        best = sorted(all_found)[: claims.limit]
        taken = Counter(queue for _, queue in best)
        asking = [look for look in looks if _may_have_more(look, taken)]
        for look in asking:
            look.asked = min(4 * look.asked, look.limit)
    done.short_queues.extend(
        look.queue
        for look in looks
        if look.looked_at_all and taken[look.queue] == len(look.found) < look.asked
    )
    return [candidate[2] for candidate, _ in best]


def _may_have_more(look: _Look, taken: Counter[str]) -> bool:
    """Whether all that the queue gave goes first, so that what follows there might too."""
    gave_all = taken[look.queue] == len(look.found) == look.asked
    return look.looked_at_all and gave_all and look.asked < look.limit


def _candidates(
    writer: Writer, claims: Claims, queue: str, limit: int, done: ClaimedText
) -> tuple[list[Candidate], bool]:
    """At most `limit` jobs of known kinds; False if unknown ones still stand among the first."""
    name = "claimable_ranked_unstopped" if writer.batches.stopped else "claimable_ranked"
    while True:
        rows = writer.text(name, queue=queue, limit=limit)
        found = _decode_candidates(rows)
        known = claims.known
        unknown = [] if known is None else [one[2] for one in found if one[3] not in known]
        if not unknown:
            return found, True
        room = claims.limit - done.held
        if not room:
            assert known is not None
            return [one for one in found if one[3] in known], False
        _hold(writer, unknown[:room])
        done.held += len(unknown[:room])


def _hold(writer: Writer, ids: list[int]) -> None:
    text = document(ids)
    writer.run("hold", ids=text, at=writer.at)
    kind = EVENT_CODES[EventType.HELD]
    writer.run("hold_events", ids=text, seq=writer.seq, at=writer.at, type=kind, data=_UNREGISTERED)
    writer.seq += len(ids)
    writer.at += len(ids)


def release_holds(writer: Writer, kinds: list[str], limit: int) -> int:
    """Un-hold jobs whose kinds are known now; how many."""
    found = writer.text("held_of_kinds", kinds=document(kinds), limit=limit)
    ids = _decode_ids(found)
    if ids:
        text = document(ids)
        writer.run("release_held", ids=text, at=writer.at)
        kind = EVENT_CODES[EventType.UNHELD]
        writer.run("hold_events", ids=text, seq=writer.seq, at=writer.at, type=kind, data=None)
        writer.seq += len(ids)
        writer.at += len(ids)
    return len(ids)
