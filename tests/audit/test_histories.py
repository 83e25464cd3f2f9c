"""Random histories through the real store leave a database that the audit finds nothing in."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from tests.storage.behaviour.test_model import histories
from tests.storage.conftest import new_place
from tests.storage.drafting import Operation
from tests.storage.play import Play

from overseen_storage.audit import Check, audit_file

DECIDED = {Check.COUNTERS, Check.PAUSES, Check.LIVE, Check.BATCH_STUCK}
"""What a supervisor decides: these histories speak to the store without one."""


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # the model's own test makes histories small
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=histories)
async def test_any_history_verifies_clean(
    tmp_path: Path, steps: list[list[Operation] | str]
) -> None:
    """The database file itself, read back by the audit's own statements: nothing is wrong, pruned
    jobs included."""
    path = tmp_path / f"{next(NUMBERS)}.db"
    await Play(new_place("sqlite-inline", path)).run(steps)

    audit = audit_file(path, only=set(Check) - DECIDED)

    assert audit.problems == 0, audit.findings
    assert audit.looked is not None


NUMBERS = count()
