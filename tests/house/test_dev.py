"""dev.py keeps its promises to somebody who has only Python and pip."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def checkout(folder: Path, **modules: str) -> dict[str, str]:
    """Copy what dev.py needs, and put modules in front of those that are installed."""
    for part in ("dev.py", "pyproject.toml"):
        shutil.copy(ROOT / part, folder)
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    for module, text in modules.items():
        (folder / "before" / module).mkdir(parents=True)
        (folder / "before" / module / "__init__.py").write_text("", encoding="utf-8")
        (folder / "before" / module / "__main__.py").write_text(text, encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(folder / "before")}


def run_dev(
    folder: Path, environment: dict[str, str], *words: str, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a copy of dev.py to its end."""
    return subprocess.run(
        [sys.executable, str(folder / "dev.py"), *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=cwd,
    )


def test_a_missing_pip_is_named_with_the_way_out(tmp_path: Path) -> None:
    """With no pip and no ensurepip anywhere, dev.py says what to install."""
    broken = "raise SystemExit('broken')"
    environment = checkout(tmp_path, pip=broken, ensurepip=broken)

    done = run_dev(tmp_path, environment, "test")

    assert done.returncode == 1
    assert "No pip" in done.stderr
    assert "python3-pip" in done.stderr


# Stands in for pip where a test is about when it is called: it notes down what it was asked.
NOTING_PIP = """
import sys
if "install" in sys.argv:
    with open({notes!r}, "a") as notes:
        print(*sys.argv[1:], file=notes)
"""


def test_installing_happens_by_hash_and_again_only_after_a_change(tmp_path: Path) -> None:
    """The second run of a verb installs nothing; changed bounds or a larger set install again."""
    notes = tmp_path / "notes"
    environment = checkout(tmp_path, pip=NOTING_PIP.format(notes=str(notes)))

    def installed_by(verb: str) -> list[str]:
        notes.write_text("", encoding="utf-8")
        assert run_dev(tmp_path, environment, verb).returncode == 0
        return notes.read_text(encoding="utf-8").splitlines()

    pinned, project = installed_by("bench")
    assert "--require-hashes" in pinned
    assert "run.txt" in pinned
    assert "--no-build-isolation --editable" in project
    assert installed_by("bench") == []
    assert "test.txt" in installed_by("sim")[0]
    assert installed_by("bench") == []
    with (tmp_path / "pyproject.toml").open("a", encoding="utf-8") as bounds:
        bounds.write("# changed")
    assert "run.txt" in installed_by("bench")[0]


def test_a_broken_off_installation_is_begun_again(tmp_path: Path) -> None:
    """When pip fails, dev.py fails too, and the next run tries once more."""
    pip = "import sys; sys.exit(7 if 'install' in sys.argv else 0)"
    environment = checkout(tmp_path, pip=pip)

    first, second = (run_dev(tmp_path, environment, "bench") for _ in range(2))

    assert (first.returncode, second.returncode) == (1, 1)
    assert "pip" in second.stdout


@pytest.mark.skipif(os.name == "nt", reason="there the command is a child, and an .exe")
def test_the_demo_gets_its_arguments_the_callers_folder_and_its_exit_code_counts(
    tmp_path: Path,
) -> None:
    """`dev.py demo PATH` means the PATH that its caller means, and ends as the demo ends."""
    environment = checkout(tmp_path, pip="")
    assert run_dev(tmp_path, environment, "bench").returncode == 0
    program = tmp_path / ".venv" / "bin" / "overseen"
    program.write_text('#!/bin/sh\necho "$PWD: $@"\nexit 3\n', encoding="utf-8")
    program.chmod(0o755)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    done = run_dev(tmp_path, environment, "demo", "some path", cwd=elsewhere)

    assert done.returncode == 3
    assert f"{elsewhere}: demo some path" in done.stdout
    assert "$ .venv/bin/overseen demo 'some path'" in done.stdout
