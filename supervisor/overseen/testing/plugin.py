"""The pytest plugin: tests marked ``@pytest.mark.simulated`` run in simulated time.

pytest finds it by itself where overseen is installed; elsewhere, ``-p overseen.testing.plugin``. It
touches no other test, and needs no plugin for asyncio: where there is one, marked tests and their
asynchronous fixtures are run here and not by it. It imports what it needs when a test asks for it.

::

    @pytest.mark.simulated
    async def test_one() -> None:
        async with simulate(supervisor) as sim: ...

    @pytest.mark.simulated(supervisor, seeds=50)       # fifty runs, each in another order
    async def test_many(sim: Simulation) -> None: ...
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest

from overseen.testing.marks import SEED_FIXTURE, mark_of, not_simulated

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from overseen.testing.simulation import Simulation

__all__ = ["overseen_seed", "sim", "simulate"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option by which a failing test is replayed."""
    parser.getgroup("overseen").addoption(
        "--overseen-seed",
        type=int,
        default=None,
        metavar="SEED",
        help="run simulated tests with this seed only, as a failing test tells it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Explain the marker."""
    config.addinivalue_line(
        "markers",
        "simulated(supervisor=None, *, seed=0, seeds=None, schedule='random', time_limit='31d'): "
        "run this coroutine test in simulated time; `seeds=N` runs it N times, from `seed` on; the "
        "fixture `sim` is a simulation of `supervisor`",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run for each seed."""
    mark = mark_of(metafunc.definition)
    if mark is not None and mark.seeds is not None:
        one: int | None = metafunc.config.getoption("--overseen-seed")
        seeds = mark.all_seeds() if one is None else [one]
        if SEED_FIXTURE not in metafunc.fixturenames:
            metafunc.fixturenames.append(SEED_FIXTURE)
        ids = [f"seed={seed}" for seed in seeds]
        metafunc.parametrize(SEED_FIXTURE, seeds, ids=ids, indirect=True, scope="function")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class,
) -> Generator[None, object, object]:
    """Take over what is marked; first, that is around what plugins for asyncio make of it."""
    made = yield
    if isinstance(made, list):
        return [_simulated(item) for item in cast("list[object]", made)]
    return _simulated(made)


def _simulated(item: object) -> object:
    if not isinstance(item, pytest.Function) or mark_of(item) is None:
        return item
    from overseen.testing.plugin_item import SimulatedTest

    return SimulatedTest.instead_of(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Asynchronous fixtures of a simulated test run on its loop."""
    function: Callable[..., Any] = fixturedef.func
    asynchronous = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    if not asynchronous or fixturedef.scope != "function" or mark_of(request.node) is None:
        return (yield)
    from overseen.testing.plugin_item import SimulatedTest

    assert isinstance(request.node, SimulatedTest)
    # Patched for this one call, so that no other plugin sees an asynchronous function.
    patched = pytest.MonkeyPatch()
    patched.setattr(fixturedef, "func", request.node.synchronous(function, request))
    try:
        return (yield)
    finally:
        patched.undo()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A simulated test that failed tells its seed, and how to see the same again."""
    report = yield
    if report.failed and mark_of(item) is not None:
        from overseen.testing.plugin_item import SimulatedTest

        if isinstance(item, SimulatedTest):
            report.sections.append(("simulated time", item.how_to_replay()))
    return report


@pytest.fixture
def overseen_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this simulated test, for its own choices: ``Random(overseen_seed)``."""
    mark = mark_of(request.node)
    if mark is None:
        raise not_simulated("overseen_seed")
    given: int | None = request.config.getoption("--overseen-seed")
    default = mark.seed if given is None else given
    seed: int = getattr(request, "param", default)
    return seed


@pytest.fixture
def simulate(
    request: pytest.FixtureRequest,
) -> Callable[..., AbstractAsyncContextManager[Simulation]]:
    """`overseen.testing.simulate`, without an import."""
    if mark_of(request.node) is None:
        raise not_simulated("simulate")
    from overseen.testing.simulating import simulate as simulate_now

    return simulate_now


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    """A simulation of the marker's supervisor, started before the test and stopped after it."""
    mark = mark_of(request.node)
    if mark is None:
        raise not_simulated("sim")
    if mark.supervisor is None:
        raise pytest.UsageError(
            "the fixture `sim` simulates the supervisor that the marker names: "
            "@pytest.mark.simulated(supervisor). Or use `async with simulate(supervisor) as sim`"
        )
    from overseen.testing.plugin_item import SimulatedTest
    from overseen.testing.simulating import simulate as simulate_now

    test = request.node
    assert isinstance(test, SimulatedTest)
    yield from test.entered(simulate_now(mark.supervisor))
