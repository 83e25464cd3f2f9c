"""All mutants."""

from __future__ import annotations

from tests.sim.mutants.mutant import Mutant
from tests.sim.mutants.of_batches import BATCHES
from tests.sim.mutants.of_lives import LIVES
from tests.sim.mutants.of_moves import MOVES
from tests.sim.mutants.of_supervisor import SUPERVISOR
from tests.sim.mutants.of_telling import TELLING

MUTANTS: tuple[Mutant, ...] = (*MOVES, *BATCHES, *SUPERVISOR, *TELLING, *LIVES)
"""In the order in which they are hunted."""
