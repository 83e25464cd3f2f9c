"""Stored files are checked before they are used, and removed when nobody uses them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.supervisor.attachments.conftest import counted_names, names_in

from overseen.attachments import AttachmentDamaged, Damage, Folder, NotRemoved, StoredFile
from overseen_actors.virtual import run_virtual

CONTENT = b"0123456789" * 200_000  # two pieces


@pytest.fixture
async def stored(folder: Folder) -> StoredFile:
    return await folder.write(7, "input", CONTENT)


def change_last_byte(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")


def truncate(path: Path) -> None:
    os.truncate(path, len(CONTENT) - 1)


def extend(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def swap(path: Path) -> None:
    path.with_name("other").write_bytes(CONTENT[::-1])
    path.with_name("other").replace(path)


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def lose_folder(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


def lose_folder_to_a_file(path: Path) -> None:
    lose_folder(path)
    path.parent.touch()


DAMAGES: list[tuple[Callable[[Path], None], Damage]] = [
    (Path.unlink, Damage.MISSING),
    (lose_folder, Damage.MISSING),
    (lose_folder_to_a_file, Damage.MISSING),
    (truncate, Damage.SIZE),
    (extend, Damage.SIZE),
    (change_last_byte, Damage.DIGEST),
    (swap, Damage.DIGEST),
    (link, Damage.NOT_A_FILE),
    (become_folder, Damage.NOT_A_FILE),
    (become_pipe, Damage.NOT_A_FILE),
]


@pytest.mark.parametrize(
    ("harm", "damage"), DAMAGES, ids=lambda value: getattr(value, "__name__", value)
)
async def test_whatever_happened_to_a_file_is_found(
    harm: Callable[[Path], None], damage: Damage, folder: Folder, stored: StoredFile
) -> None:
    """A file that is missing, shorter, longer, changed or swapped is not taken for what it was."""
    await folder.verify(stored.stored_name, stored.digest, stored.size_bytes)
    harm(folder.path_of(stored.stored_name))

    with pytest.raises(AttachmentDamaged, match=r"'7-1-1'.*restore the file") as caught:
        await folder.verify(stored.stored_name, stored.digest, stored.size_bytes)

    assert caught.value.damage is damage


BAD_STORED_NAMES = [
    "",
    ".",
    "..",
    "../jobs.db",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a..b",
    ".hidden",
    "trailing.",
    "7-1-1.part",
    "ü",
    "a b",
    "a\n",
    "a\0",
    "x" * 201,
]


@pytest.mark.parametrize("name", BAD_STORED_NAMES)
async def test_a_stored_name_cannot_lead_out_of_the_folder(name: str, folder: Folder) -> None:
    """Whatever somebody wrote into the database by hand, no other file is read or handed out."""
    with pytest.raises(AttachmentDamaged) as caught:
        folder.path_of(name)
    assert caught.value.damage is Damage.NAME
    with pytest.raises(AttachmentDamaged):
        await folder.verify(name, "0" * 64, 0)


async def test_files_are_removed_and_a_missing_one_is_fine(
    folder: Folder, stored: StoredFile, tmp_path: Path
) -> None:
    """Removing is done when the files are gone, whoever removed them."""
    other = await folder.write(8, "input", b"stays")

    assert await folder.remove([stored.stored_name, "9-9-9"]) == []
    assert await folder.remove([stored.stored_name]) == []
    assert names_in(tmp_path) == [other.stored_name]


async def test_what_cannot_be_removed_is_named_and_the_rest_goes(
    folder: Folder, stored: StoredFile, tmp_path: Path
) -> None:
    """One file that stays does not keep the others, and a name cannot point elsewhere."""
    (tmp_path / "precious").touch()
    (tmp_path / "jobs.db.files" / "8-1-1").mkdir()

    failures = await folder.remove(["8-1-1", "../precious", stored.stored_name])

    assert [failure.stored_name for failure in failures] == ["8-1-1", "../precious"]
    assert failures[1] == NotRemoved("../precious", "that is no name of a stored file")
    assert names_in(tmp_path) == ["8-1-1"]
    assert (tmp_path / "precious").exists()


async def test_removing_without_a_folder_is_fine(folder: Folder, tmp_path: Path) -> None:
    """Where no file was ever written there is nothing to remove, and nothing is made."""
    assert await folder.remove(["7-1-1"]) == []
    assert await folder.orphans(()) == []
    assert not (tmp_path / "jobs.db.files").exists()
    (tmp_path / "jobs.db.files").touch()
    assert await folder.remove(["7-1-1"]) == []
    assert await folder.orphans(()) == []


async def test_orphans_are_the_files_that_nobody_uses(
    folder: Folder, stored: StoredFile, tmp_path: Path
) -> None:
    """Whole or unfinished, but never what is not overseen's: folders, links, hidden files."""
    files = tmp_path / "jobs.db.files"
    await folder.write(8, "input", b"unused")
    (files / "9-1-1.part").touch()
    (files / "folder").mkdir()
    (files / "link").symlink_to(tmp_path)
    (files / ".nfs0001").touch()
    (files / "a name with blanks").touch()
    (files / "README.txt").touch()
    (files / "2024-11-22.log").touch()

    assert await folder.orphans({stored.stored_name}) == ["8-1-2", "9-1-1.part"]


def test_in_simulated_time_it_is_the_same_and_repeats(tmp_path: Path) -> None:
    """On a virtual loop files are written, checked and removed inline, without any thread."""

    async def life(base: Path) -> list[object]:
        folder = Folder(base / "files", executor=lambda: None, new_name=counted_names())
        stored = await folder.write(7, "input", CONTENT)
        await folder.verify(stored.stored_name, stored.digest, stored.size_bytes)
        seen: list[object] = [stored, await folder.orphans(()), await folder.remove(["7-1-1"])]
        await folder.close()
        return [*seen, await folder.orphans(())]

    first = run_virtual(life(tmp_path))

    assert first == run_virtual(life(tmp_path))
    assert first[1:] == [["7-1-1"], [], []]
