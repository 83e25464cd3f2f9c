"""The five incidents of the design, under the simulator: impossible with the guards in place, and
there again without them."""

from __future__ import annotations

import os

import pytest
from tests.sim.history import play
from tests.sim.mutants.incidents import INCIDENTS, Incident
from tests.sim.mutants.planting import planted
from tests.sim.options import options_of
from tests.sim.template import template

SEEDS = 1_000 if os.environ.get("OVERSEEN_NIGHTLY") else 200
CHUNKS = 8
"""Parts of the seeds, each a test of its own: a failure says early where it is."""
HUNTED = 200


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_with_the_guards_nothing_happens(chunk: int) -> None:
    """Two hundred histories, a thousand in a night: no incident, nor anything else. (I1-I30)"""
    for seed in range(chunk * SEEDS // CHUNKS, (chunk + 1) * SEEDS // CHUNKS):
        record = play(options_of(seed))
        assert not record.violations, f"seed {seed}: {record.violations}\n{record.legend}"


@pytest.mark.parametrize("incident", INCIDENTS, ids=str)
def test_without_them_the_incident_is_there(incident: Incident) -> None:
    """The same histories without the guards show the incident, by its own symptom."""
    template()
    with planted(incident.changes):
        for seed in range(HUNTED):
            record = play(options_of(seed))
            if any(_is_symptom(incident, str(one)) for one in record.violations):
                return
    pytest.fail(f"{HUNTED} histories without guards, and never was it so that {incident.happened}")


def _is_symptom(incident: Incident, violation: str) -> bool:
    return violation.startswith(incident.symptom) and incident.shown_by in violation
