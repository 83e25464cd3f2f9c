"""The life of an actor."""

from __future__ import annotations

import asyncio

import pytest

from overseen_actors import Actor, Keeper, Mailbox, Restart


class Recorder(Actor[str]):
    """Writes down what happens to it; fails when told to."""

    def __init__(self, mailbox: Mailbox[str], log: list[str]) -> None:
        super().__init__("recorder", mailbox)
        self.log = log

    async def started(self) -> None:
        self.log.append("started")

    async def receive(self, messages: list[str]) -> None:
        self.log.append("+".join(messages))
        await asyncio.sleep(1)
        if "fail" in messages:
            raise LookupError("told to")

    async def stopped(self) -> None:
        self.log.append("stopped")


class Plain(Actor[str]):
    """Only what has to be there."""

    async def receive(self, messages: list[str]) -> None:
        messages.clear()


async def test_messages_that_come_while_a_group_is_handled_form_the_next_group() -> None:
    """One group at a time, everything that waits in each, in order, until closed and empty."""
    mailbox: Mailbox[str] = Mailbox()
    log: list[str] = []
    mailbox.post("a")
    running = asyncio.create_task(Recorder(mailbox, log).run())
    await asyncio.sleep(0.5)
    mailbox.post("b")
    mailbox.post("c")
    mailbox.close()
    await running
    assert log == ["started", "a", "b+c", "stopped"]


async def test_an_error_in_receive_comes_out_of_run_after_stopped() -> None:
    """An actor does not hide its bug, and tidies up before it goes."""
    mailbox: Mailbox[str] = Mailbox()
    log: list[str] = []
    mailbox.post("fail")
    with pytest.raises(LookupError, match="told to"):
        await Recorder(mailbox, log).run()
    assert log == ["started", "fail", "stopped"]


async def test_a_cancelled_actor_is_told_that_it_stopped() -> None:
    """Cancellation reaches `stopped` too."""
    log: list[str] = []
    running = asyncio.create_task(Recorder(Mailbox(), log).run())
    await asyncio.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert log == ["started", "stopped"]


async def test_started_and_stopped_need_not_be_written() -> None:
    """The two hooks are optional."""
    mailbox: Mailbox[str] = Mailbox()
    mailbox.post("x")
    mailbox.close()
    await Plain("plain", mailbox).run()
    assert len(mailbox) == 0


async def test_a_restarted_actor_goes_on_with_the_mailbox_of_the_failed_one() -> None:
    """What was not drained when an actor failed is handled by its successor."""
    mailbox: Mailbox[str] = Mailbox()
    log: list[str] = []
    async with Keeper() as keeper:
        keeper.start("recorder", lambda: Recorder(mailbox, log).run(), Restart.TRANSIENT)
        mailbox.post("fail")
        await asyncio.sleep(0.5)
        mailbox.post("next")
        mailbox.close()
    assert log == ["started", "fail", "stopped", "started", "next", "stopped"]
