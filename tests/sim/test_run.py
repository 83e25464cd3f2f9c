"""The command: what it prints, and how it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.sim.book import Violation
from tests.sim.history import play
from tests.sim.options import small_options
from tests.sim.run import main, show_broken
from tests.sim.shrinking import shrink


def test_histories_end_with_figures(capsys: pytest.CaptureFixture[str]) -> None:
    """So many histories are played; their figures and the conditions they reached are told."""
    assert main(["--histories", "3", "--shape", "small"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("3 histories, ")
    assert "0 histories broke a promise" in told
    assert "sometimes-conditions reached" in told


def test_a_seed_alone_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """One seed is played and told: what the clients did, the ledger, and the trace's hash, which is
    the same when it is played again."""
    main(["--seed", "7", "--shape", "small"])
    first = capsys.readouterr().out
    main(["--seed", "7", "--shape", "small"])
    assert capsys.readouterr().out == first
    for word in ("client 1", "epoch_started", "life 1 begins", "trace "):
        assert word in first


def test_a_broken_promise_is_told_with_the_way_to_see_it_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The promise, its evidence and the command that plays the history again; ends with 1."""
    record = play(small_options(7), legend=True)
    broken = replace(record, violations=(Violation("I17 nothing is lost", "job 7"),))
    assert show_broken(broken, "small", shrinks=True) == 1
    told = capsys.readouterr().out
    assert "seed 7 broke a promise:\n  I17 nothing is lost: job 7" in told
    assert "python3 dev.py sim --seed 7 --shape small" in told


def test_shrinking_keeps_what_is_needed() -> None:
    """What does not fail without an action keeps that action: here, all of them."""
    record = play(small_options(7))
    claimed = replace(record, violations=(Violation("no such promise", "said by this test"),))
    assert shrink(claimed).skipped == frozenset()
