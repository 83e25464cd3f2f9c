"""The public faces: what `__all__` names is there and explained, and importing it costs little."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "overseen": ROOT / "supervisor" / "overseen",
    "overseen_actors": ROOT / "actors" / "overseen_actors",
    "overseen_storage": ROOT / "storage" / "overseen_storage",
}
# A bare checkout runs its tests uninstalled.
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(str(p.parent) for p in PACKAGES.values()),
}

# structlog imports rich when that is installed: so it, too, is imported where it is first used.
HEAVY = ("cyclopts", "fastapi", "httpx2", "pydantic", "rich", "textual", "uvicorn")


def documented_assignments(package: str) -> set[str]:
    """Find the constants and type aliases of a package that are explained in the source.

    They have no docstring of their own at run time: it is the string below them, or a `#:` comment
    above them.
    """
    found: set[str] = set()
    for path in PACKAGES[package].rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        body = ast.parse(text).body
        for node, after in zip(body, [*body[1:], None], strict=True):
            if isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names = [node.target.id]
            else:
                continue
            below = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            above = node.lineno > 1 and lines[node.lineno - 2].startswith("#:")
            if below or above:
                found.update(names)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_exists_and_is_documented(package: str) -> None:
    """`__all__` holds no name twice, none that is missing, and none that is left unexplained."""
    module = importlib.import_module(package)
    names: list[str] = module.__all__
    elsewhere = documented_assignments(package)

    assert len(names) == len(set(names))
    assert [name for name in names if not hasattr(module, name)] == []
    assert [
        name
        for name in names
        if name not in elsewhere and name != "__version__"
        if not is_explained(getattr(module, name))
    ] == []


def is_explained(value: object) -> bool:
    """Whether a class or function has a docstring of its own (dataclasses get one made: no)."""
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return False
    doc = value.__doc__ or ""
    return bool(doc) and not doc.startswith(f"{value.__name__}(")


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_is_light(package: str) -> None:
    """A program that embeds a supervisor does not pay for the command line and the HTTP parts."""
    code = f"import sys, {package}; print(*sys.modules, sep='\\n')"
    command = [sys.executable, "-c", code]

    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)

    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert package in loaded
    assert sorted(loaded.intersection(HEAVY)) == []


def test_the_version_stands_in_one_place() -> None:
    """`overseen.__version__` is what the packaging reads for the distribution."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    place = ROOT / project["tool"]["hatch"]["version"]["path"]

    version: str = importlib.import_module("overseen").__version__

    assert f'__version__ = "{version}"' in place.read_text(encoding="utf-8")
