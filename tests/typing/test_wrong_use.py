"""Wrong use of the face is an error in both type checkers, on the line where it is written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Every line that ends in "# error" has to be reported, and no other.
WRONG = """
from overseen.context import Context
from overseen.jobs import Call, job
from overseen.testing import Simulation, run_simulated


@job
async def transcode(ctx: Context, path: str, preset: str = "fast") -> int:
    return 1


@job(retries=1)
def shrink(path: str, *, by: int) -> str:
    return path


async def wrong() -> None:
    transcode.call(3)  # error
    transcode.call()  # error
    transcode.call("a", speed="slow")  # error
    transcode.options(prio=5)  # error
    transcode.options(priority="high")  # error
    transcode.options(priority=5).call(3)  # error
    shrink.call("a", 3)  # error
    shrink.call("a", by="3")  # error
    text: str = await transcode("a")  # error
    narrow: Call[bool] = transcode.call("a")  # error
    transcode.kind = "other"  # error
    print(text, narrow)


async def wrong_test(sim: Simulation) -> None:
    sim.fail_next("comit")  # error
    await sim.advance(None)  # error
    sim.clock.step([])  # error
    sim.disk.slow()  # error
    sim.seed = 3  # error
    run_simulated(wrong, seed="x")  # error
    run_simulated(wrong())  # error
    run_simulated(wrong, schedule="lifo")  # error


@job(retrys=3)  # error
async def misspelt() -> None: ...


@job(on_lost="ignore")  # error
async def unknown_word() -> None: ...
"""
EXPECTED = {n for n, line in enumerate(WRONG.splitlines(), 1) if line.endswith("# error")}


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.py"
    path.write_text(WRONG)
    return path


def test_mypy_reports_every_wrong_use(wrong: Path, tmp_path: Path) -> None:
    """mypy reports each wrong argument, option and result on its line, and nothing else."""
    pytest.importorskip("mypy")
    settings = ["--strict", "--config-file", str(ROOT / "pyproject.toml")]
    cache = ["--cache-dir", str(tmp_path / "cache"), "--follow-imports", "silent"]
    output = run("mypy", *settings, *cache, str(wrong))
    assert {int(line) for line in re.findall(r"wrong\.py:(\d+): error", output)} == EXPECTED


def test_pyright_reports_every_wrong_use(wrong: Path, tmp_path: Path) -> None:
    """pyright reports each wrong argument, option and result on its line, and nothing else."""
    pytest.importorskip("pyright")
    settings = {
        "typeCheckingMode": "strict",
        "include": [str(wrong)],
        "extraPaths": [str(ROOT / part) for part in ("supervisor", "actors", "storage")],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    python = ["--pythonpath", sys.executable]
    output = run("pyright", "--project", str(tmp_path), *python, "--outputjson")
    found = json.loads(output)["generalDiagnostics"]
    assert {item["range"]["start"]["line"] + 1 for item in found} == EXPECTED


def run(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False).stdout
