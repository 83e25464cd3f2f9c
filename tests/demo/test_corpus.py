"""Which files the demo asks about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from overseen.demo import corpus
from overseen.demo.questions import parse


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    for number in range(40):
        file = folder / f"part_{number % 4}" / f"file_{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"number = {number}\n")
    return folder


def test_finding_takes_python_files_and_leaves_caches_and_hidden_folders(library: Path) -> None:
    """Every .py file is found once, whatever else lies there."""
    for folder in ("__pycache__", ".git"):
        (library / folder).mkdir()
        (library / folder / "no.py").touch()
    (library / "notes.txt").touch()

    found = corpus.find([library, library / "part_0"])

    assert len(found) == len(set(found)) == 40
    assert {path.suffix for path in found} == {".py"}


def test_a_single_file_may_be_named_instead_of_a_folder(library: Path) -> None:
    """PATH may be one file."""
    assert corpus.find([library / "part_0" / "file_0.py"]) == [library / "part_0" / "file_0.py"]


def test_links_in_a_circle_end(library: Path) -> None:
    """A folder that links to its parent is not walked for ever."""
    (library / "again").symlink_to(library, target_is_directory=True)

    assert len(corpus.find([library])) == 40


def test_the_choice_is_the_same_in_every_run_and_grows(library: Path) -> None:
    """The same files are chosen whatever the order of finding, and more of them include fewer."""
    found = corpus.find([library])

    few, many = corpus.choose(found, 10), corpus.choose(reversed(found), 20)

    assert few == many[:10]
    assert len({path.parent for path in many}) == 4  # spread over the folders


def test_what_could_stop_the_loop_or_never_ends_is_left_out(library: Path) -> None:
    """Huge files and pipes are never chosen."""
    (library / "huge.py").write_bytes(b"#" * (corpus.SIZE_LIMIT_BYTES + 1))
    os.mkfifo(library / "pipe.py")

    chosen = corpus.choose(corpus.find([library]), 1000)

    assert len(chosen) == 40


@pytest.mark.parametrize(("name", "source"), corpus.BROKEN_SOURCES)
def test_every_broken_file_is_really_broken(name: str, source: bytes) -> None:
    """Python itself refuses each of the planted files."""
    with pytest.raises((SyntaxError, ValueError)):
        parse(source, name)


def test_the_flaky_files_are_good_python() -> None:
    """Once it can be read, a flaky file has nothing wrong."""
    assert parse(corpus.GOOD_SOURCE.encode(), "flaky.py").body


def test_gathering_mixes_the_planted_files_among_the_others(library: Path, tmp_path: Path) -> None:
    """Failures come all along the way, not all at the end; the number asked for is kept."""
    gathered = corpus.gather(corpus.find([library]), tmp_path / "planted", 30)

    planted = gathered.flaky | gathered.broken
    places = [n for n, path in enumerate(gathered.files) if path in planted]
    assert (len(gathered.files), gathered.found, len(planted)) == (30, 40, 2)
    assert 0 < min(places) < max(places) < 29


def test_planting_again_changes_nothing(tmp_path: Path) -> None:
    """The next run finds the same planted files, untouched; a spoilt one is restored."""
    first = corpus.plant(tmp_path, 600)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.py")}
    spoilt = first[0][0]
    spoilt.write_text("good = True\n")

    assert corpus.plant(tmp_path, 600) == first
    assert {p: p.stat().st_mtime_ns for p in times if p != spoilt} == {
        p: t for p, t in times.items() if p != spoilt
    }
    assert spoilt.read_bytes() == corpus.BROKEN_SOURCES[0][1]
    assert len(times) == len(corpus.BROKEN_SOURCES) + corpus.FLAKY_COUNT


def test_planted_files_are_not_found_again(library: Path) -> None:
    """Where the database lies inside PATH, the planted files are still asked about once."""
    first = corpus.gather(corpus.find([library]), library / "planted", 30)

    assert corpus.gather(corpus.find([library]), library / "planted", 30) == first


def test_a_folder_without_python_still_has_the_planted_files(tmp_path: Path) -> None:
    """Failures are real everywhere."""
    gathered = corpus.gather([], tmp_path / "planted", 30)

    assert gathered.found == 0
    assert set(gathered.files) == gathered.flaky | gathered.broken


def test_the_default_corpus_has_enough_files_anywhere() -> None:
    """The running Python's library is found, and is enough for some hundred files."""
    assert len(corpus.find(corpus.default_roots())) > 400
