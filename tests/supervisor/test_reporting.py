"""The slots of an attempt, by themselves."""

from __future__ import annotations

import pytest

from overseen import Context, Progress, job
from overseen.attempt import Attempt
from overseen.reporting import take_progress
from overseen_storage.answers import Claimed


@job
async def body(ctx: Context) -> None:
    """Does nothing."""


@pytest.fixture
def attempt() -> Attempt:
    """A live attempt of nobody."""
    claimed = Claimed(
        *(1, "body", "default", 0, 1, "{}", 20, 0, 0, 0, 3, 0),
        *(None, None, None, None, None, None, None, None),
    )
    return Attempt(claimed, body, 0.0, lambda attempt: None)


class WritesMeanwhile(Attempt):
    """A thread that reports progress in the middle of the loop's look at the slot."""

    __slots__ = ()
    newer = Progress(2)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "progress_taken" and value is not None:
            super().__setattr__("progress", self.newer)


def test_progress_that_a_thread_writes_while_another_is_taken_is_not_lost(
    attempt: Attempt,
) -> None:
    """What comes between the look at the slot and the taking stays for the next look."""
    attempt.progress = Progress(1)
    attempt.__class__ = WritesMeanwhile

    first = take_progress(attempt, 0.0, 0.5, last=False)
    assert first is not None
    assert first.progress == Progress(1)
    assert attempt.has_progress
    second = take_progress(attempt, 0.0, 0.5, last=True)
    assert second is not None
    assert second.progress == WritesMeanwhile.newer


def test_progress_is_taken_once(attempt: Attempt) -> None:
    """The same progress does not reach the ledger twice."""
    attempt.progress = Progress(1)

    assert take_progress(attempt, 0.0, 0.5, last=False) is not None
    assert take_progress(attempt, 9.0, 0.5, last=True) is None
