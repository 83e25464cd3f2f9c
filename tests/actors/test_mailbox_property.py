"""Any history of a mailbox keeps its promises, compared with what a simple model expects."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from overseen_actors import Mailbox, MailboxClosed, run_virtual

LIMIT = 3


@dataclass(eq=False)
class Message:
    """Distinct from every other; by its number one sees the order of sending."""

    number: int
    way: str


@dataclass
class History:
    """A mailbox and everything that was done with it."""

    mailbox: Mailbox[Message] = field(default_factory=lambda: Mailbox[Message](limit=LIMIT))
    sent: list[Message] = field(default_factory=list[Message])
    drained: list[Message] = field(default_factory=list[Message])
    withdrawn: list[Message] = field(default_factory=list[Message])
    puts: dict[Message, asyncio.Task[None]] = field(
        default_factory=dict[Message, "asyncio.Task[None]"]
    )

    def message(self, way: str) -> Message:
        message = Message(len(self.sent), way)
        self.sent.append(message)
        return message

    async def act(self, action: str, which: int) -> None:
        mailbox = self.mailbox
        match action:
            case "post":
                mailbox.post(self.message(action))
            case "post_many":
                mailbox.post_many([self.message(action) for _ in range(which % 4)])
            case "put":
                message = self.message(action)
                self.puts[message] = asyncio.create_task(mailbox.put(message))
            case "cancel" if self.puts:
                list(self.puts.values())[which % len(self.puts)].cancel()
            case "withdraw" if self.sent:
                message = self.sent[which % len(self.sent)]
                if mailbox.withdraw(message):
                    self.withdrawn.append(message)
            case "drain":
                self.drained += mailbox.drain()
            case "turn":
                await asyncio.sleep(0)
            case _:
                pass

    async def finish(self) -> None:
        while self.mailbox.waiting or len(self.mailbox):
            self.drained += self.mailbox.drain()
            await asyncio.sleep(0)
        self.mailbox.close()
        await asyncio.gather(*self.puts.values(), return_exceptions=True)

    def check(self) -> None:
        assert len(self.drained) == len(set(self.drained)), "a message was drained twice"
        assert not set(self.drained) & set(self.withdrawn), "drained though withdrawn"
        for message in self.sent:
            put = self.puts.get(message)
            taken = put is None or (not put.cancelled() and put.exception() is None)
            if taken and message not in self.withdrawn:
                assert message in self.drained, f"{message} was accepted and lost"
        for ways in ({"put"}, {"post", "post_many"}):
            numbers = [message.number for message in self.drained if message.way in ways]
            assert numbers == sorted(numbers), f"{ways} overtook each other"


ACTIONS = ("post", "post_many", "put", "put", "put", "cancel", "withdraw", "drain", "turn", "turn")


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 30)), max_size=60))
def test_no_history_loses_doubles_or_reorders(actions: list[tuple[str, int]]) -> None:
    """Accepted and not withdrawn is drained, once, in the order sent; nobody waits beside room."""

    async def main() -> None:
        history = History()
        for action, which in actions:
            await history.act(action, which)
            mailbox = history.mailbox
            assert not (mailbox.waiting and len(mailbox) < LIMIT), (
                "a put waits though there is room"
            )
            assert mailbox.high_water >= len(mailbox)
        await history.finish()
        history.check()

    run_virtual(main())


@given(st.integers(1, 5), st.integers(0, 40))
def test_only_posts_go_above_the_limit(limit: int, puts: int) -> None:
    """However many put at once, no more than the limit lie in the mailbox."""

    async def main() -> None:
        mailbox: Mailbox[object] = Mailbox(limit=limit)
        tasks = [asyncio.create_task(mailbox.put(object())) for _ in range(puts)]
        await asyncio.sleep(0)
        drained = 0
        while group := mailbox.drain():
            assert len(group) <= limit
            drained += len(group)
        assert drained == puts
        assert mailbox.high_water == min(limit, puts)
        await asyncio.gather(*tasks)

    run_virtual(main())


@given(st.integers(0, 10))
def test_closing_answers_every_put(puts: int) -> None:
    """Each put of a closed mailbox either was taken or is told so; none hangs."""

    async def main() -> None:
        mailbox: Mailbox[object] = Mailbox(limit=LIMIT)
        tasks = [asyncio.create_task(mailbox.put(object())) for _ in range(puts)]
        await asyncio.sleep(0)
        mailbox.close()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        refused = sum(isinstance(answer, MailboxClosed) for answer in answers)
        assert refused == max(0, puts - LIMIT)
        assert len(mailbox.drain()) == puts - refused

    run_virtual(main())
