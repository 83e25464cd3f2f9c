"""The source tree keeps the rules that no linter checks."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE_ROOTS = ("supervisor", "actors", "storage")
PRODUCT_LINES_MAXIMUM = 500
# Assembled here, so that this file does not hold what it looks for.
LOCK_FILES = {"uv.lock", "poetry.lock", "package-lock.json", "Pipfile.lock", "pylock.toml"}
ADDRESSES = re.compile(
    r"--(extra-)?index-url|--find-links|://[^\s)>\"']*(pypi|/simple\b|files\.python|npmjs|registry\.)"
)


def tracked() -> list[Path]:
    """List the files that git holds."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, capture_output=True, check=False, cwd=ROOT)
    if listed.returncode:
        pytest.skip("no git checkout here, so nothing tells our files from others")
    names = listed.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def texts() -> Iterator[tuple[Path, str]]:
    """Read what is tracked and text; a file another process is just replacing is left out."""
    for path in tracked():
        try:
            yield path, path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue


def product_files() -> list[Path]:
    """List the Python files that are installed."""
    return sorted(path for root in SOURCE_ROOTS for path in (ROOT / root).rglob("*.py"))


@pytest.mark.parametrize("root", SOURCE_ROOTS)
def test_a_source_root_is_not_a_package(root: str) -> None:
    """`supervisor`, `actors` and `storage` are other people's import names: ours stay folders."""
    assert not (ROOT / root / "__init__.py").exists()


@pytest.mark.parametrize(
    "package", ["supervisor/overseen", "actors/overseen_actors", "storage/overseen_storage"]
)
def test_a_source_root_holds_one_typed_package(package: str) -> None:
    """Each source root holds exactly one import package, and it says that it is typed."""
    root, name = (ROOT / package).parent, Path(package).name

    assert [path.parent.name for path in root.glob("*/__init__.py")] == [name]
    assert (root / name / "py.typed").exists()


def test_no_file_holds_a_registry_address_or_a_path_of_somebodys_machine() -> None:
    """A clone works the same for everybody: where packages come from is each machine's business."""
    machine = [f"{ROOT}/", f"{Path.home()}/", "/." + "pyenv/"]

    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path, text in texts()
        if path != Path(__file__)
        for match in [ADDRESSES.search(text), *(re.search(re.escape(m), text) for m in machine)]
        if match
    ]

    assert found == []
    assert [path.name for path in tracked() if path.name in LOCK_FILES] == []


def test_pinned_requirements_are_hashes_without_addresses_each_set_within_the_next() -> None:
    """Everything that is installed is pinned by hash; the smaller set is the larger one's part."""
    pins: list[set[str]] = []
    for name in ("run", "test", "check"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        assert "://" not in text, name
        blocks = re.split(r"\n(?=\S)", text.strip())
        pins.append({block.split(" ")[0].split("\\")[0].strip() for block in blocks})
        assert [
            block for block in blocks if "==" not in block or "--hash=sha256:" not in block
        ] == []

    assert pins[0] < pins[1] < pins[2]


def test_no_product_file_is_too_long_to_read_in_one_sitting() -> None:
    """One file is one subject."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in product_files()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > PRODUCT_LINES_MAXIMUM
    }

    assert long == {}


def test_every_test_says_its_promise() -> None:
    """Each test has a docstring: the sentence that is true while it passes."""
    silent = [
        f"{path.relative_to(ROOT)}::{node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]

    assert silent == []


def test_no_test_and_no_product_code_sleeps() -> None:
    """Waiting is for a signal: neither the product nor a test stops a thread for a while."""
    sleeps = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in [*product_files(), *sorted((ROOT / "tests").rglob("*.py"))]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep"
    ]

    assert sleeps == []


def test_every_module_defers_its_annotations() -> None:
    """Each product and test module begins with `from __future__ import annotations`."""
    eager = [
        str(path.relative_to(ROOT))
        for path in [*product_files(), *sorted((ROOT / "tests").rglob("*.py"))]
        if (text := path.read_text(encoding="utf-8")).strip()
        if len(ast.parse(text).body) > 1 and "from __future__ import annotations" not in text
    ]

    assert eager == []
