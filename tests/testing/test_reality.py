"""Real time and the real network are errors in a simulated test, and the line is named."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from time import sleep

import pytest

from overseen import Supervisor, job
from overseen.testing import RealNetwork, RealSleep, RealWorld, run_simulated, simulate

HERE = __file__.rpartition("/")[2]
nap: Callable[[float], None] = getattr(time, "sleep")  # noqa: B009  the house looks for calls of it


async def nap_in_a_body() -> None:
    getattr(time, "sleep")(5)  # noqa: B009


def connect() -> None:
    with socket.socket() as one:
        one.connect(("192.0.2.1", 80))


def look_up() -> None:
    socket.getaddrinfo("example.org", 80)


def fetch() -> None:
    urllib.request.urlopen("http://192.0.2.1/", timeout=1)


async def test_a_real_sleep_names_its_line() -> None:
    """Also through a name that a module has imported. (R66)"""
    with pytest.raises(RealSleep, match=rf"time\.sleep\(5\) at .*{HERE}:\d+ \(getattr.*sim\.stall"):
        await nap_in_a_body()
    with pytest.raises(RealSleep, match=HERE):
        _imported()(1)


def _imported() -> Callable[[float], None]:
    return sleep


@pytest.mark.parametrize("call", [connect, look_up, fetch])
async def test_the_network_is_refused_before_anything_is_sent(call: Callable[[], None]) -> None:
    """The nearest line that is no library's is named."""
    with pytest.raises(RealNetwork, match=rf"{HERE}:\d+ \("):
        call()


@pytest.mark.parametrize("is_async", [True, False])
def test_a_sleep_in_a_body_fails_the_test_even_if_nobody_looks(is_async: bool) -> None:
    """Its job has failed like others do; that alone would be easy to miss. (R66)"""

    @job
    async def sleeps() -> None:
        getattr(time, "sleep")(3)  # noqa: B009

    @job
    def sleeps_in_a_thread() -> None:
        getattr(time, "sleep")(3)  # noqa: B009

    own = Supervisor("none.db", jobs=[sleeps, sleeps_in_a_thread])

    async def main() -> None:
        async with simulate(own) as sim:
            await own.submit(sleeps if is_async else sleeps_in_a_thread)
            await sim.until_idle()

    with pytest.raises(RealSleep, match=HERE):
        run_simulated(main)


def test_everything_is_as_before_afterwards() -> None:
    """Nothing stays patched, and a loop that failed gives it back as well."""
    before = (time.sleep, sleep, socket.getaddrinfo, dict(vars(socket.socket)))

    async def main() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        run_simulated(main)

    assert (time.sleep, sleep, socket.getaddrinfo, dict(vars(socket.socket))) == before


async def test_other_threads_are_left_alone() -> None:
    """What runs beside the simulation, a debugger or a test runner, may wait really."""
    errors: list[RealWorld] = []

    def beside() -> None:
        try:
            getattr(time, "sleep")(0)  # noqa: B009
        except RealWorld as error:
            errors.append(error)

    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()

    assert errors == []


async def test_sleeping_on_the_loop_is_no_real_sleep() -> None:
    """A user's own waiting is as everywhere."""
    before = asyncio.get_running_loop().time()
    await asyncio.sleep(3_600)

    assert asyncio.get_running_loop().time() == before + 3_600
