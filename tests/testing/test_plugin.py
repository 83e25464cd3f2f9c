"""The pytest plugin, in projects of its own and in processes of its own."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from tests.testing.projects import Ran, run_pytest

from overseen.testing.marks import mark_of

# With pytest-asyncio in both of its modes, with anyio's plugin, and with none.
SURROUNDINGS = [
    pytest.param(["--asyncio-mode=strict"], id="asyncio-strict"),
    pytest.param(["--asyncio-mode=auto"], id="asyncio-auto"),
    pytest.param(["-p", "no:asyncio"], id="without-asyncio"),
    pytest.param(["-p", "no:asyncio", "-p", "no:anyio"], id="with-none"),
    pytest.param(["-p", "no:asyncio", "-o", "anyio_mode=auto"], id="anyio-auto"),
]

EVERYTHING = """
import asyncio
import contextvars
import time

import anyio
import pytest

from app import supervisor, work
from overseen.testing import Simulation, SimulatedLoop
from overseen.testing import simulate as simulate_now

pytestmark = pytest.mark.simulated(supervisor)
torn_down = []


@pytest.fixture
async def ready(overseen_seed):
    assert isinstance(asyncio.get_running_loop(), SimulatedLoop)
    await asyncio.sleep(100)
    yield asyncio.get_running_loop().time()
    await asyncio.sleep(100)
    torn_down.append(asyncio.get_running_loop())


variable = contextvars.ContextVar("variable", default=0)


@pytest.fixture
async def number():
    await anyio.sleep(5)
    variable.set(5)
    return 5


async def test_fixtures_are_on_the_same_loop(ready, number):
    assert asyncio.get_running_loop().time() == ready + 5
    assert variable.get() == number == 5


async def test_fixtures_are_torn_down_there():
    (loop,) = torn_down
    assert isinstance(loop, SimulatedLoop)
    assert loop.is_closed()


async def test_sim(sim):
    began = time.perf_counter()
    handle = await supervisor.submit(work, 3_600)
    await sim.advance("10m")
    assert (await handle.wait()).reason == "timeout"
    assert time.perf_counter() - began < 5


async def test_simulate(simulate):
    async with simulate(supervisor) as sim:
        assert isinstance(sim, Simulation)
        assert await (await supervisor.submit(work, 60)).result() == 60


class TestInAClass:
    @pytest.fixture
    async def own(self):
        self.seen = 1
        yield 1

    @pytest.mark.parametrize("seconds", [1, 2])
    async def test_method(self, sim, own, seconds):
        assert self.seen == own
        assert await (await supervisor.submit(work, seconds)).result() == seconds


@pytest.mark.simulated(supervisor, seed=5, seeds=3)
async def test_seeds(sim, overseen_seed):
    assert sim.seed == overseen_seed
    assert sim.seed in (5, 6, 7)


async def test_context_variables(sim):
    with anyio.move_on_after(3_600) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught
"""


@pytest.mark.parametrize("options", SURROUNDINGS)
def test_marked_tests_and_their_fixtures_run_in_simulated_time(
    tmp_path: Path, options: list[str]
) -> None:
    """Whatever other plugin there is, or none."""
    ran = run_pytest(tmp_path, EVERYTHING, *options)

    assert ran.counts == {"passed": 10}, ran.output


OTHERS = """
import asyncio
import time

import pytest
from overseen.testing import SimulatedLoop


@pytest.fixture
async def fixture():
    return asyncio.get_running_loop()


@pytest.mark.asyncio
async def test_asynchronous(fixture):
    assert not isinstance(asyncio.get_running_loop(), SimulatedLoop)
    assert fixture is asyncio.get_running_loop()
    began = time.perf_counter()
    await asyncio.sleep(0.01)
    assert time.perf_counter() - began >= 0.01


def test_plain(request):
    time.sleep(0)
    assert type(request.node) is pytest.Function


@pytest.fixture
def simulate():
    return "a fixture of that name"


def test_name(simulate):
    assert simulate == "a fixture of that name"
"""


def test_other_tests_are_left_alone(tmp_path: Path) -> None:
    """They keep their loops, their time and their names for fixtures."""
    ran = run_pytest(tmp_path, OTHERS, "--asyncio-mode=auto")

    assert ran.counts == {"passed": 3}, ran.output


FAILING = """
import pytest
from app import supervisor, work


@pytest.mark.simulated(supervisor, seeds=4)
async def test_order(sim):
    handles = await supervisor.submit_many(work.call(1) for _ in range(5))
    ended = []
    supervisor_events = supervisor.events(kind=work, after="start")
    async for event in supervisor_events:
        if event.type == "completed":
            ended.append(event.job_id)
        if len(ended) == 5:
            break
    await supervisor_events.aclose()
    assert sim.seed == 0, f"{ended} at {sim.now}"
"""


def test_a_failing_test_tells_how_to_replay_it_byte_for_byte(tmp_path: Path) -> None:
    """The command of the report fails with the same words."""
    ran = run_pytest(tmp_path, FAILING, hash_seed="1")
    assert ran.counts == {"passed": 1, "failed": 3}, ran.output
    command = re.search(r"pytest (\S+seed=3\S+ --overseen-seed=3)$", ran.output, re.M)
    assert command, ran.output

    again = run_pytest(tmp_path, FAILING, *shlex.split(command[1]), hash_seed="2")

    assert again.counts == {"failed": 1}, again.output
    assert said(again, 3) == said(ran, 3)


def test_a_seed_that_is_given_is_the_only_one(tmp_path: Path) -> None:
    """Also one that the marker does not name."""
    ran = run_pytest(tmp_path, FAILING, "--overseen-seed=0")

    assert ran.counts == {"passed": 1}, ran.output


def said(ran: Ran, seed: int) -> str:
    """What the report tells of one seed's failure, from its heading to its command."""
    found = re.search(rf"_ test_order\[seed={seed}\] _.*?overseen-seed={seed}\n", ran.output, re.S)
    assert found, ran.output
    return re.sub("0x[0-9a-f]+", "0x", found[0])


WRONG = """
import pytest
from app import supervisor


async def needs_simulate(simulate):
    pass


@pytest.mark.simulated
async def test_sim_without_supervisor(sim):
    pass


@pytest.mark.simulated
def test_plain():
    pass


def test_without_the_mark(simulate):
    pass


def test_seed_without_the_mark(overseen_seed):
    pass
"""


def test_wrong_use_is_an_error_with_the_next_step(tmp_path: Path) -> None:
    """Each says what to write instead."""
    ran = run_pytest(tmp_path, WRONG)

    assert ran.counts == {"error": 4}, ran.output
    for said in (
        "@pytest.mark.simulated(supervisor). Or use `async with simulate(supervisor) as sim`",
        "test_plain is marked as simulated, but is no `async def`",
        "the fixture `simulate` is for tests in simulated time: mark the test with",
        "the fixture `overseen_seed` is for tests in simulated time",
    ):
        assert said in ran.output


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (pytest.mark.simulated(seeds=0), "it must be 1 or more"),
        (pytest.mark.simulated(sed=3), "takes a supervisor and seed, seeds, schedule, time_limit"),
        (pytest.mark.simulated(None, 2), "takes a supervisor and seed"),
    ],
)
def test_a_mark_that_cannot_be_is_refused(
    request: pytest.FixtureRequest, mark: pytest.MarkDecorator, message: str
) -> None:
    """The error says what it takes."""
    request.node.add_marker(mark)

    with pytest.raises(pytest.UsageError, match=message):
        mark_of(request.node)


def test_a_wrong_mark_ends_the_collection(tmp_path: Path) -> None:
    """Before any test is run."""
    test = "import pytest\n@pytest.mark.simulated(sed=3)\nasync def test_it(): pass\n"

    assert "takes a supervisor and seed" in run_pytest(tmp_path, test).output


def test_a_test_that_never_ends_is_ended(tmp_path: Path) -> None:
    """By a limit of simulated time, or because nothing can ever happen; both name who waits."""
    test = """
import asyncio

import pytest
from app import supervisor

@pytest.mark.simulated(supervisor, time_limit="1h")
async def test_waits_in_vain(sim):
    await asyncio.Event().wait()

@pytest.mark.simulated
async def test_nothing_can_happen():
    await asyncio.Event().wait()
"""
    ran = run_pytest(tmp_path, test)

    assert ran.counts["failed"] == 2, ran.output
    assert "VirtualTimeLimit: more than 3600" in ran.output
    assert "test_nothing_can_happen (test_app.py" in ran.output
