"""What Ctrl-C does to the demo. With real signals, sent to this process."""

from __future__ import annotations

import os
import signal

import pytest

from overseen.demo.interrupts import Interrupts


class Said(list[str]):
    """What was said, in order."""


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def interrupts(said: Said) -> Interrupts:
    return Interrupts(said.append, lambda: said.append("left"))


async def test_the_first_drains_the_second_cancels_the_third_leaves(
    interrupts: Interrupts, said: Said
) -> None:
    """Each Ctrl-C asks for more, and each is answered."""
    with interrupts.listening():
        os.kill(os.getpid(), signal.SIGINT)
        await interrupts.draining.wait()
        assert not interrupts.cancelling.is_set()

        os.kill(os.getpid(), signal.SIGINT)
        await interrupts.cancelling.wait()
    interrupts.press()

    assert [words.split()[0] for words in said] == ["Stopping:", "Cancelling", "left"]


async def test_sigterm_drains_and_never_more(interrupts: Interrupts, said: Said) -> None:
    """A service manager's request, repeated or not, lets running jobs end."""
    with interrupts.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        await interrupts.draining.wait()
    interrupts.terminate()

    assert not interrupts.cancelling.is_set()
    assert len(said) == 1


async def test_the_signals_are_given_back(interrupts: Interrupts) -> None:
    """After the demo its process has the handlers it had before."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]

    with interrupts.listening():
        assert [signal.getsignal(number) for number in numbers] != before

    assert [signal.getsignal(number) for number in numbers] == before
