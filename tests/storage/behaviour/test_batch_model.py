"""Long histories of batches: the store and the model agree from their opening to their end."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from tests.storage.drafting import ORDER, Operation
from tests.storage.driving import Place
from tests.storage.play import BETWEEN, Play

from overseen_storage.lifecycle import EventType

OFTEN = (
    *(["submit"] * 6 + ["claim"] * 5 + ["finish"] * 12 + ["batch_order"] * 14),
    *ORDER,
)
GROUPS = 70


def history(seed: int) -> list[list[Operation] | str]:
    """Groups of operations, with something between them now and then."""
    dice = random.Random(seed)
    steps: list[list[Operation] | str] = []
    for _ in range(GROUPS):
        if dice.random() < 0.1:
            steps.append(dice.choice(BETWEEN))
        steps.append(
            [
                (dice.choice(OFTEN), dice.randrange(10_000), dice.randrange(10_000))
                for _ in range(dice.randint(2, 12))
            ]
        )
    return steps


@pytest.mark.parametrize("seed", range(3))
async def test_batches_do_what_the_model_does(new_places: Callable[[], Place], seed: int) -> None:
    """I25-I28: every answer, mark, count and event of batches is the model's, and each batch of
    the history that ended did so once; among them are stopped, tripped and empty ones."""
    play = Play(new_places())
    await play.run(history(seed))
    told = {event.type for event in play.ledger}
    assert {
        EventType.BATCH_SEALED,
        EventType.BATCH_CANCELLING,
        EventType.BATCH_FINALIZED,
    } <= told, "a history without these proves little: take another seed"
