"""What is built holds what is in the tree, and nothing that could get in anybody's way."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("supervisor/overseen", "actors/overseen_actors", "storage/overseen_storage")


def build(target: str, folder: Path) -> Path:
    """Build one kind of distribution without touching the checkout."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory"]
    done = subprocess.run([*command, str(folder)], capture_output=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    (built,) = folder.iterdir()
    return built


@pytest.fixture
def product_files() -> set[str]:
    """Every file of the three packages that git holds, as a path within the wheel."""
    command = ["git", "ls-files", "-z", *PACKAGES]
    listed = subprocess.run(command, capture_output=True, check=False, cwd=ROOT)
    if listed.returncode:
        pytest.skip("no git checkout here, so nothing tells our files from others")
    names = listed.stdout.decode().split("\0")
    return {name.partition("/")[2] for name in names if (ROOT / name).is_file()}


def test_the_wheel_holds_three_packages_with_all_their_files(
    tmp_path: Path, product_files: set[str]
) -> None:
    """Only our three names become importable, and SQL, types and pages travel with the code."""
    with zipfile.ZipFile(build("wheel", tmp_path)) as wheel:
        names = set(wheel.namelist())

    tops = {name.partition("/")[0] for name in names}
    packages = {top for top in tops if not top.endswith(".dist-info")}
    assert packages == {"overseen", "overseen_actors", "overseen_storage"}
    assert product_files - names == set()


def test_the_source_distribution_can_build_and_test_itself(
    tmp_path: Path, product_files: set[str]
) -> None:
    """It holds the code, the tests, the pinned requirements and dev.py, and nothing of .venv."""
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    expected = {"dev.py", "LICENSE", "README.md", "tests/conftest.py", "requirements/test.txt"}
    assert expected - names == set()
    assert product_files - {name.partition("/")[2] for name in names} == set()
    assert [name for name in names if ".venv" in name or "__pycache__" in name] == []
