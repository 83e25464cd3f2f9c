"""What a mailbox promises to those who write to it and to the one who reads."""

from __future__ import annotations

import asyncio

import pytest

from overseen_actors import InvalidBound, Mailbox, MailboxClosed, MailboxInUse


async def turns(count: int = 5) -> None:
    """Let the loop turn, so that whoever can go on does."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_messages_are_drained_in_order_of_arrival_whatever_the_way_in() -> None:
    """A drain gives everything, oldest first, and leaves nothing."""
    mailbox: Mailbox[str] = Mailbox(limit=10)
    mailbox.post("a")
    await mailbox.put("b")
    mailbox.post_many(["c", "d"])
    assert mailbox.drain() == ["a", "b", "c", "d"]
    assert mailbox.drain() == []


async def test_put_waits_while_full_and_goes_on_first_come_first_served() -> None:
    """A full mailbox makes `put` wait; a drain lets in as many as fit, in the order they came."""
    mailbox: Mailbox[int] = Mailbox(limit=2)
    done: list[int] = []

    async def put(number: int) -> None:
        await mailbox.put(number)
        done.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(7):
            group.create_task(put(number))
        await turns()
        assert done == [0, 1]
        assert (len(mailbox), mailbox.waiting) == (2, 5)
        drained: list[list[int]] = []
        for _ in range(4):
            drained.append(mailbox.drain())
            await turns()
    assert drained == [[0, 1], [2, 3], [4, 5], [6]]
    assert done == list(range(7))


async def test_post_is_taken_above_the_limit_and_never_lets_put_overtake_those_who_wait() -> None:
    """A report is never refused; high water shows by how much it went over."""
    mailbox: Mailbox[str] = Mailbox(limit=1)
    mailbox.post("first")
    waiting = asyncio.create_task(mailbox.put("waiting"))
    await turns()
    mailbox.post("report")
    assert len(mailbox) == mailbox.high_water == 2
    assert mailbox.drain() == ["first", "report"]
    late = asyncio.create_task(mailbox.put("late"))
    await turns()
    assert mailbox.drain() == ["waiting"]
    assert mailbox.drain() == ["late"]
    await asyncio.gather(waiting, late)
    assert mailbox.high_water == 2


async def test_cancelling_a_put_that_waits_withdraws_its_message() -> None:
    """A caller who gives up while waiting leaves nothing behind, and those behind it move up."""
    mailbox: Mailbox[str] = Mailbox(limit=1)
    mailbox.post("first")
    impatient = asyncio.create_task(mailbox.put("impatient"))
    patient = asyncio.create_task(mailbox.put("patient"))
    await turns()
    impatient.cancel()
    await turns()
    assert mailbox.waiting == 1
    assert mailbox.drain() == ["first"]
    assert mailbox.drain() == ["patient"]
    await patient
    assert impatient.cancelled()


async def test_cancelling_in_the_moment_of_being_let_in_still_withdraws() -> None:
    """Let in by a drain and cancelled before its task runs again: the message is taken back."""
    mailbox: Mailbox[str] = Mailbox(limit=1)
    mailbox.post("first")
    put = asyncio.create_task(mailbox.put("second"))
    await turns()
    assert mailbox.drain() == ["first"]
    assert len(mailbox) == 1
    put.cancel()
    await turns()
    assert put.cancelled()
    assert mailbox.drain() == []


@pytest.mark.parametrize("drains", [0, 1, 2])
async def test_who_gives_up_learns_whether_his_message_was_taken(drains: int) -> None:
    """`not_taken` is called for a message that still waits, or is let in and taken back; not for
    one that the reader has already."""
    mailbox: Mailbox[str] = Mailbox(limit=1)
    mailbox.post("first")
    said: list[str] = []
    put = asyncio.create_task(mailbox.put("second", not_taken=lambda: said.append("not taken")))
    await turns()
    taken = [message for _ in range(drains) for message in mailbox.drain()]
    put.cancel()
    await turns()
    assert put.cancelled()
    assert said == ([] if "second" in taken else ["not taken"])
    assert ("second" in taken) is (drains == 2)


async def test_cancelled_and_let_in_within_one_turn_is_skipped() -> None:
    """A drain does not let in the message of a task that is cancelled and has not run since."""
    mailbox: Mailbox[str] = Mailbox(limit=1)
    mailbox.post("first")
    put = asyncio.create_task(mailbox.put("cancelled"))
    next_one = asyncio.create_task(mailbox.put("next"))
    await turns()
    put.cancel()
    assert mailbox.drain() == ["first"]
    assert mailbox.drain() == ["next"]
    await next_one
    assert put.cancelled() or put.cancelling()
    await turns()


async def test_withdraw_finds_by_identity_and_only_before_the_drain() -> None:
    """An equal message of somebody else stays; one that is drained cannot be taken back."""
    mailbox: Mailbox[list[int]] = Mailbox(limit=2)
    mine, theirs = [1], [1]
    mailbox.post(theirs)
    mailbox.post(mine)
    waiting = asyncio.create_task(mailbox.put([2]))
    await turns()
    assert mailbox.withdraw(mine)
    assert not mailbox.withdraw(mine)
    await waiting  # the room that was made is given away at once
    drained = mailbox.drain()
    assert drained == [theirs, [2]]
    assert drained[0] is theirs
    assert not mailbox.withdraw(theirs)
    mailbox.post_many([[3], [4], mine])
    mailbox.withdraw(mine)
    assert (len(mailbox), mailbox.high_water) == (2, 3)


async def test_wait_returns_at_the_first_message_and_at_once_if_there_is_one() -> None:
    """A reader sleeps until something comes, however it comes."""
    mailbox: Mailbox[str] = Mailbox(limit=1)

    async def post(text: str) -> None:
        mailbox.post(text)

    async def post_many(text: str) -> None:
        mailbox.post_many([text])

    for way_in in (post, post_many, mailbox.put):
        reader = asyncio.create_task(mailbox.wait())
        await turns()
        assert not reader.done()
        await way_in("x")
        await reader
        await mailbox.wait()
        assert mailbox.drain() == ["x"]


async def test_a_message_withdrawn_before_the_reader_runs_does_not_wake_it_for_nothing() -> None:
    """`wait` returns only when there is something to drain."""
    mailbox: Mailbox[str] = Mailbox(limit=1)
    message = "here and gone"
    reader = asyncio.create_task(mailbox.wait())
    await turns()
    mailbox.post(message)
    assert mailbox.withdraw(message)
    await turns()
    assert not reader.done()
    mailbox.post("stays")
    await reader
    assert len(mailbox) == 1


async def test_a_cancelled_reader_leaves_room_for_the_next() -> None:
    """A reader that was cancelled, even just after it was woken, loses nothing."""
    mailbox: Mailbox[str] = Mailbox(limit=1)
    first = asyncio.create_task(mailbox.wait())
    await turns()
    mailbox.post("kept")
    first.cancel()
    await turns()
    await mailbox.wait()
    assert mailbox.drain() == ["kept"]
    second = asyncio.create_task(mailbox.wait())
    await turns()
    second.cancel()
    await turns()
    third = asyncio.create_task(mailbox.wait())
    await turns()
    mailbox.post("x")
    await third


async def test_a_second_reader_is_refused() -> None:
    """One mailbox, one reader: the second is told what to do."""
    mailbox: Mailbox[str] = Mailbox(limit=1, name="orders")
    reader = asyncio.create_task(mailbox.wait())
    await turns()
    with pytest.raises(MailboxInUse, match=r"orders.*of its own"):
        await mailbox.wait()
    mailbox.post("x")
    await reader


async def test_closing_refuses_everybody_but_keeps_what_was_taken() -> None:
    """After `close` nothing goes in, who waited is told, and the reader gets the rest first."""
    mailbox: Mailbox[str] = Mailbox(limit=1, name="orders")
    mailbox.post("kept")
    waiting = [asyncio.create_task(mailbox.put(text)) for text in ("x", "y")]
    await turns()
    mailbox.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [MailboxClosed, MailboxClosed]
    assert mailbox.waiting == 0
    with pytest.raises(MailboxClosed, match="orders"):
        mailbox.post("z")
    with pytest.raises(MailboxClosed):
        mailbox.post_many(["z"])
    with pytest.raises(MailboxClosed):
        await mailbox.put("z")
    await mailbox.wait()
    assert mailbox.drain() == ["kept"]
    with pytest.raises(MailboxClosed):
        await mailbox.wait()
    mailbox.close()


async def test_closing_wakes_the_reader() -> None:
    """A reader that sleeps on an empty mailbox learns that nothing will come."""
    mailbox: Mailbox[str] = Mailbox()
    reader = asyncio.create_task(mailbox.wait())
    await turns()
    mailbox.close()
    with pytest.raises(MailboxClosed):
        await reader
    assert mailbox.closed


def test_a_limit_below_one_is_refused_and_an_empty_mailbox_is_true() -> None:
    """Nonsense is an error with the bound in it; emptiness does not make a mailbox false."""
    with pytest.raises(InvalidBound, match="limit is 0 but must be 1 or more"):
        Mailbox[str](limit=0)
    mailbox: Mailbox[str] = Mailbox(limit=3, name="orders")
    assert mailbox
    assert mailbox.limit == 3
    assert repr(mailbox) == "<Mailbox 'orders': 0 of 3>"
