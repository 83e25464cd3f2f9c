"""dev.py keeps its promises to somebody who has only Python and pip."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEV = ROOT / "dev.py"


def test_dev_needs_the_standard_library_only() -> None:
    """Nothing has to be installed to run dev.py."""
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(DEV.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }

    assert imported <= sys.stdlib_module_names


def test_an_older_python_can_read_dev_and_so_say_that_it_is_too_old() -> None:
    """The file parses as Python 3.7, else the message about the version would be a SyntaxError."""
    ast.parse(DEV.read_text(encoding="utf-8"), feature_version=(3, 7))


def test_without_a_verb_dev_explains_itself_and_an_unknown_one_is_an_error() -> None:
    """Bare `dev.py` prints the verbs and succeeds; a word that is none of them does not succeed."""
    bare, unknown = (
        subprocess.run([sys.executable, DEV, *words], capture_output=True, text=True, check=False)
        for words in ([], ["tset"])
    )

    assert (bare.returncode, unknown.returncode) == (0, 2)
    for verb in ("demo", "test", "check", "bench", "sim", "docs"):
        assert f"dev.py {verb}" in bare.stdout
        assert f"dev.py {verb}" in unknown.stdout


def test_a_python_that_is_too_old_is_told_so() -> None:
    """The refusal names the version that runs, the one that is needed, and a command to try."""
    code = (
        "import sys, runpy; sys.version_info = (3, 9, 1);"
        f"sys.argv = ['dev.py', 'test']; runpy.run_path({str(DEV)!r}, run_name='__main__')"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "3.11" in done.stderr
    assert "this is 3.9" in done.stderr


def test_a_missing_pip_is_named_with_the_way_out(tmp_path: Path) -> None:
    """With no pip and no ensurepip anywhere, dev.py says what to install."""
    for part in ("dev.py", "pyproject.toml"):
        shutil.copy(ROOT / part, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    blocked = tmp_path / "blocked"
    for module in ("pip", "ensurepip"):
        (blocked / module).mkdir(parents=True)
        (blocked / module / "__init__.py").write_text(f"raise ImportError('no {module}')\n")
    environment = {**os.environ, "PYTHONPATH": str(blocked)}
    command = [sys.executable, str(tmp_path / "dev.py"), "test"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    assert done.returncode == 1
    assert "No pip" in done.stderr
    assert "python3-pip" in done.stderr
