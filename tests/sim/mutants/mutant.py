"""A mutant: the product with one guard removed, and who should notice that it is."""

from __future__ import annotations

from dataclasses import dataclass

from tests.sim.mutants.planting import Change


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug."""

    name: str
    guard: str
    """What is taken away, in words."""
    noticed_by: str
    """How the name of the invariant begins that has to notice."""
    changes: tuple[Change, ...]


def mutant(name: str, guard: str, noticed_by: str, *changes: Change) -> Mutant:
    """A planted bug."""
    assert changes, f"{name} changes nothing"
    return Mutant(name, guard, noticed_by, changes)
