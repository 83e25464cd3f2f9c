"""Is this path on a network file system? There a database cannot have one provable owner.

SQLite's WAL needs memory shared between its processes, and the owner lock needs a lock that every
process that can reach the file sees. Network file systems give neither reliably, so they are
refused, and no option allows them.

What is known comes from the kernel's mount table, so this answers on Linux; on Windows a UNC path
(``\\\\server\\share``) is recognised. Elsewhere, and where ``/proc`` is not mounted, nothing is
known and nothing is refused. ``virtiofs`` is not in the list: it is the root of many small
virtual machines, and within one guest its locks and shared memory are coherent.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from overseen_storage.errors import NetworkFileSystem

NETWORK_FILE_SYSTEMS = frozenset(
    {
        *("nfs", "nfs3", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "afs", "coda"),
        *("9p", "vboxsf", "vmhgfs", "prl_fs", "fuse.vmhgfs-fuse"),
        *("ceph", "glusterfs", "lustre", "beegfs", "gpfs", "pvfs2", "davfs"),
        *("fuse.sshfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.glusterfs", "fuse.s3fs"),
        *("fuse.gcsfuse", "fuse.rclone", "fuse.blobfuse", "fuse.blobfuse2", "fuse.juicefs"),
        *("fuse.seaweedfs", "fuse.mfs", "fuse.curlftpfs", "fuse.davfs", "fuse.davfs2"),
        *("fuse.nfs", "fuse.smbnetfs", "fuse.beegfs", "fuse.goofys"),
    }
)
"""Names as the mount table has them (the file system type, for FUSE with its subtype)."""

_MOUNT_TABLE = Path("/proc/self/mountinfo")
_OCTAL_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table, as far as it matters here."""

    mount_point: str
    """Where it is mounted: an absolute path."""
    file_system: str
    """Its type, for example ``ext4``, ``nfs4`` or ``fuse.sshfs``."""


def mount_of(mount_table: str, real_path: str) -> Mount | None:
    """The mount that ``real_path`` lives on, or None if the table names none.

    ``mount_table`` is the text of ``/proc/self/mountinfo`` and ``real_path`` an absolute path
    without symbolic links. The longest mount point wins; of mounts stacked on one point, the
    last, which hides the others.

    >>> mount_of("36 35 0:41 / /srv rw - nfs4 box:/srv rw", "/srv/jobs.db")
    Mount(mount_point='/srv', file_system='nfs4')
    """
    found: Mount | None = None
    for line in mount_table.split("\n"):
        mount = _parse_line(line)
        if mount is None or not _contains(mount.mount_point, real_path):
            continue
        if found is None or len(mount.mount_point) >= len(found.mount_point):
            found = mount
    return found


def refuse_network_file_system(real_path: str) -> None:
    """Raise `NetworkFileSystem` if ``real_path`` (absolute, links resolved) is on one."""
    file_system = _network_file_system(real_path)
    if file_system is not None:
        raise NetworkFileSystem(network_message(real_path, file_system))


def network_message(real_path: str, file_system: str) -> str:
    """What a user is told: which file, which file system, why not, and what to do instead."""
    message = (
        f"{real_path} is on a network file system ({file_system}). Locks and shared memory do "
        "not hold there, so two programs could own the database at once and damage it. Put the "
        "database on a local disk, and let other machines ask the program that runs there."
    )
    if file_system == "9p":
        message += (
            " (9p is how WSL shows Windows drives such as /mnt/c: keep the database inside "
            "Linux, for example under ~.)"
        )
    return message


def is_unc_path(path: str) -> bool:
    r"""Whether a Windows path names a share of another machine (``\\server\share\...``)."""
    drive = PureWindowsPath(path).drive.upper()
    if drive.startswith("\\\\?\\UNC\\"):
        return True
    return drive.startswith("\\\\") and not drive.startswith(("\\\\?\\", "\\\\.\\"))


def _network_file_system(real_path: str) -> str | None:
    if os.name == "nt":
        return "UNC path" if is_unc_path(real_path) else None
    try:
        # Bytes first: paths need not be UTF-8, and must compare equal to Python's own.
        mount_table = os.fsdecode(_MOUNT_TABLE.read_bytes())
    except OSError:
        return None  # no mount table here (not Linux, or no /proc): nothing is known
    mount = mount_of(mount_table, real_path)
    if mount is None or mount.file_system not in NETWORK_FILE_SYSTEMS:
        return None
    return mount.file_system


def _parse_line(line: str) -> Mount | None:
    # 36 35 98:0 /root /mount/point rw,noatime shared:1 - ext4 /dev/sda rw
    # A varying number of optional fields ends at the lone hyphen. Spaces inside the fields are
    # escaped as \040, so the first " - " is that hyphen.
    left, separator, right = line.partition(" - ")
    before, after = left.split(" "), right.split(" ")
    if not separator or len(before) < 5 or not after[0]:
        return None
    return Mount(mount_point=_unescape(before[4]), file_system=after[0])


def _unescape(field: str) -> str:
    return _OCTAL_ESCAPE.sub(lambda match: chr(int(match[1], 8)), field)


def _contains(mount_point: str, real_path: str) -> bool:
    # "/srv" holds "/srv/x" and itself, but not "/srv2".
    return real_path == mount_point or real_path.startswith(mount_point.rstrip("/") + "/")
