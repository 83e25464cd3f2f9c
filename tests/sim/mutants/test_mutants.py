"""Every planted bug is caught by the simulator, in the history that is written down for it."""

from __future__ import annotations

import pytest
from tests.sim.mutants.all import MUTANTS
from tests.sim.mutants.checkers import NOT_TRIPPED, untripped
from tests.sim.mutants.hunting import play_mutant, read_catches
from tests.sim.mutants.mutant import Mutant
from tests.sim.mutants.planting import NotThere, code, planted, sql

from overseen.queues import Queues
from overseen_storage.sqlite.statements import statement

CATCHES = read_catches()
AGAIN = "if the code or the workload has changed, hunt anew: python3 dev.py sim --mutants"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_it_is_caught(mutant: Mutant) -> None:
    """With the guard taken away, the invariant that should notice does, in the recorded history."""
    catch = CATCHES.get(mutant.name)
    assert catch is not None, f"nothing caught {mutant.name!r} yet; {AGAIN}"
    record = play_mutant(mutant, catch.seed)
    names = {one.name for one in record.violations}
    found = [name for name in names if name.startswith(mutant.noticed_by)]
    assert found, f"{mutant.name!r}: seed {catch.seed} breaks {names or 'nothing'}; {AGAIN}"


def test_every_checker_is_tripped() -> None:
    """A checker that no mutant trips is not trusted: those that are left are known by name."""
    seen = {name for catch in CATCHES.values() for name in catch.caught_by}
    assert set(untripped(seen)) <= NOT_TRIPPED


def test_there_are_enough_of_them() -> None:
    """At least forty guards are known to be needed; each has a name of its own."""
    assert len({one.name for one in MUTANTS}) == len(MUTANTS) >= 40
    assert all(one.guard for one in MUTANTS)


def test_nothing_is_left_of_a_mutant() -> None:
    """After a history the program is the one that is on disk."""
    before, claims = statement("claim"), vars(Queues)["claims"]
    changes = (
        sql("claim", "fence = job.fence + 1", "fence = job.fence + 2"),
        code(Queues, "claims", ("if room <= 0:", "if room <= 1:")),
    )
    with planted(changes):
        assert statement("claim") != before
        assert vars(Queues)["claims"] is not claims
    assert statement("claim") == before
    assert vars(Queues)["claims"] is claims


@pytest.mark.parametrize(
    "change",
    [
        sql("claim", "no such text", ""),
        sql("claim", "job", "jobs"),
        code(Queues, "claims", ("no such text", "")),
    ],
)
def test_a_mutant_that_changes_nothing_is_an_error(change: object) -> None:
    """Text that is not in the code, or more than once, is refused: the code has moved on."""
    with pytest.raises(NotThere), planted((change,)):  # type: ignore[arg-type] # one of two
        pass
