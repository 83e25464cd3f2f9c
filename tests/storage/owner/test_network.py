"""A network file system is recognised by its mount, and a database there is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.storage.owner.conftest import RECORD

from overseen_storage.errors import NetworkFileSystem
from overseen_storage.sqlite import network
from overseen_storage.sqlite.network import is_unc_path, mount_of, network_message
from overseen_storage.sqlite.owner import OwnerLock

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 27 0:40 / /srv rw - nfs4 box:/srv rw
41 40 0:41 / /srv/local rw shared:2 master:3 - xfs /dev/vdb rw
42 27 0:42 / /mnt/my\040share rw - cifs //box/share rw
43 27 0:43 / /mnt/c rw - 9p drvfs rw,aname=drvfs
44 27 0:44 / /net rw - autofs auto rw
45 44 0:45 / /net rw - nfs box:/net rw
46 27 0:46 / /home/me/far rw - fuse.sshfs me@box: rw
not a line of the table
"""


@pytest.mark.parametrize(
    ("path", "file_system"),
    [
        ("/jobs.db", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/jobs.db", "nfs4"),
        ("/srv2/jobs.db", "ext4"),
        ("/srv/local/jobs.db", "xfs"),
        ("/mnt/my share/jobs.db", "cifs"),
        ("/mnt/my/jobs.db", "ext4"),
        ("/mnt/c/jobs.db", "9p"),
        ("/net/jobs.db", "nfs"),
        ("/home/me/far/away/jobs.db", "fuse.sshfs"),
    ],
)
def test_the_mount_of_a_path_is_found(path: str, file_system: str) -> None:
    """The longest mount point that holds the path wins, and of stacked mounts the last."""
    mount = mount_of(MOUNTS, path)
    assert mount is not None
    assert mount.file_system == file_system
    assert (file_system in network.NETWORK_FILE_SYSTEMS) == (file_system not in {"ext4", "xfs"})


def test_an_unknown_mount_is_no_mount() -> None:
    """A table that says nothing about the path gives no answer, not a guess."""
    assert mount_of("", "/jobs.db") is None
    assert mount_of("40 27 0:40 / /srv rw - nfs4 box:/srv rw", "/jobs.db") is None


def test_a_network_file_system_is_refused(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database there is not locked at all: no file is made, and the way out is told. (R53)"""
    table = Path("/proc/self/mountinfo")
    mount = mount_of(table.read_text(), str(database.resolve())) if table.exists() else None
    if mount is None:
        pytest.skip("no mount table here")
    monkeypatch.setattr(network, "NETWORK_FILE_SYSTEMS", frozenset({mount.file_system}))
    with pytest.raises(
        NetworkFileSystem, match=f"{mount.file_system}.*local disk.*ask the program"
    ):
        OwnerLock.acquire(database, RECORD)
    assert list(database.parent.iterdir()) == []


def test_wsl_users_are_told_about_wsl() -> None:
    """On 9p the message speaks of Windows drives; elsewhere it does not."""
    assert "WSL" in network_message("/mnt/c/jobs.db", "9p")
    assert "WSL" not in network_message("/srv/jobs.db", "nfs4")


@pytest.mark.parametrize(
    ("path", "is_unc"),
    [
        (r"\\server\share\jobs.db", True),
        (r"\\?\UNC\server\share\jobs.db", True),
        (r"\\?\C:\jobs.db", False),
        (r"C:\jobs.db", False),
        ("jobs.db", False),
    ],
)
def test_a_windows_share_is_recognised(path: str, is_unc: bool) -> None:
    """A UNC path is a network path; a long local path is not."""
    assert is_unc_path(path) is is_unc
