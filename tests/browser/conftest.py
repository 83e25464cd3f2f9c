"""One Chromium for all tests here, and nothing of it left when they are done.

It is the machine's own: ``apt-get install chromium``. Where it, or Playwright, is missing, the
tests are skipped and say so.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from examples import progress_page
from tests.browser.processes import descendants, mentioning, survivors, watch
from tests.browser.serving import Connections, Serving, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
EXIT_SECONDS = 10.0
PATIENCE_MS = 20_000
"""No test waits so long, unless it fails."""

# Nothing but this machine is asked for anything, by name or through a proxy.
FLAGS = [
    "--no-sandbox",  # as root there is none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-pings",
    "--no-first-run",
]


def find_chromium() -> str:
    """Where Chromium is; skips if it is not."""
    if not sys.platform.startswith("linux"):
        pytest.skip("what a browser leaves behind is looked for as Linux shows it")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"there is no {' or '.join(NAMES)} here: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """A headless Chromium with a home of its own; afterwards no process and no file is left."""
    chromium = find_chromium()
    reason = "playwright is not installed: python3 dev.py check brings it"
    pytest.importorskip("playwright", reason=reason)
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="chromium-") as home, pytest.MonkeyPatch.context() as m:
        profiles = Path(home, "tmp")
        profiles.mkdir()
        m.setenv("TMPDIR", str(profiles))  # where the driver makes the profile
        m.setenv("HOME", home)
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
            m.delenv(name, raising=False)
        before = descendants(os.getpid())
        with sync_playwright() as playwright:
            opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            yield opened
            processes = watch(descendants(os.getpid()) - before | mentioning(Path(home)))
            assert len(processes) > 2, "a driver, a browser and its helpers"
            opened.close()
        assert survivors(processes, EXIT_SECONDS) == []
        assert list(profiles.iterdir()) == []


@pytest.fixture
def page(browser: Browser) -> Generator[Page]:
    """A tab without a past. A script of it that fails, fails the test."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert errors == []


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Connections:
    """The streams of this test's server; a browser comes back to it soon."""
    monkeypatch.setattr(progress_page, "RECONNECT_MS", 10)
    return Connections()


@pytest.fixture
def server(tmp_path: Path, connections: Connections) -> Generator[Serving]:
    """The example, on a real port and a real disk."""
    with serving(tmp_path, connections=connections) as life:
        yield life
