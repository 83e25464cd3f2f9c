"""Where the demo keeps its database."""

from __future__ import annotations

from pathlib import Path

import pytest

from overseen.demo.place import NotADemo, Place, cache_folder, default_place, remove


def test_another_corpus_or_python_is_another_database() -> None:
    """Runs over different files never mix; the same command finds the same database."""
    cache = Path("/cache")
    places = [
        default_place("lib", [Path("/a")], cache, (3, 11)),
        default_place("lib", [Path("/a"), Path("/b")], cache, (3, 11)),
        default_place("lib", [Path("/a")], cache, (3, 12)),
    ]

    assert len({place.database for place in places}) == 3
    assert places[0] == default_place("lib", [Path("/a")], cache, (3, 11))


@pytest.mark.parametrize("label", ["", "..", "a/b\\c:d", "x" * 500, "über"])
def test_any_folder_name_makes_a_good_file_name(label: str) -> None:
    """Names are short and have nothing a file system objects to."""
    name = default_place(label, [Path("/a")], Path("/cache")).database.name

    assert len(name) < 80
    assert name.replace("-", "").replace(".", "").isalnum()


@pytest.mark.parametrize(
    ("environment", "platform", "folder"),
    [
        ({"XDG_CACHE_HOME": "/x"}, "linux", "/x"),
        ({"XDG_CACHE_HOME": "relative"}, "linux", "{home}/.cache"),
        ({}, "linux", "{home}/.cache"),
        ({}, "darwin", "{home}/Library/Caches"),
        ({"LOCALAPPDATA": "/local"}, "win32", "/local"),
    ],
)
def test_the_cache_is_where_the_system_has_it(
    environment: dict[str, str],
    platform: str,
    folder: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each system's own folder for what may be deleted at any time."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))

    assert cache_folder(environment, platform) == Path(folder.format(home=tmp_path))


def test_a_user_without_a_home_gets_a_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service user whose home does not exist can run the demo all the same."""
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setenv("USERPROFILE", "/nonexistent")

    assert cache_folder({"USER": "www"}, "linux").name == "cache-of-www"


def test_beginning_afresh_removes_all_of_the_demo_and_nothing_else(tmp_path: Path) -> None:
    """The database, what SQLite puts beside it, the planted and the uploaded files go."""
    place = Place(tmp_path / "demo.db")
    for folder in (place.planted, place.uploaded):
        folder.mkdir()
        (folder / "x.py").touch()
    for path in (*place.files_of_database, tmp_path / "mine.txt"):
        path.touch()

    remove(place)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    remove(place)


def test_a_database_that_is_not_a_demo_is_never_removed(tmp_path: Path) -> None:
    """`--fresh --database jobs.db` cannot destroy somebody's work."""
    place = Place(tmp_path / "jobs.db")
    place.database.write_bytes(b"precious")

    with pytest.raises(NotADemo, match=r"--database"):
        remove(place)

    assert place.database.read_bytes() == b"precious"
