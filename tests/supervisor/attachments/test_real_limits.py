"""Full disks, limits, kills, memory and durability, as the kernel sees them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.supervisor.attachments.conftest import names_in

import overseen
import overseen_actors
import overseen_storage
from overseen.attachments import Folder

PROGRAM = str(Path(__file__).with_name("attaching.py"))
ROOTS = os.pathsep.join(
    str(Path(package.__file__ or "").parents[1])
    for package in (overseen, overseen_actors, overseen_storage)
)
ENVIRONMENT = {**os.environ, "PYTHONPATH": ROOTS}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these tests ask Linux")


def run(what: str, base: Path, *, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*under, sys.executable, PROGRAM, what, str(base)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)


def answer_of(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_a_full_disk_is_a_typed_error_and_leaves_nothing(tmp_path: Path) -> None:
    """On a file system of 2 MiB, 3 MiB do not fit: nothing is left, and the space is free again."""
    own = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))
    mount = f"mount -t tmpfs -o size=2m none '{tmp_path}'"
    possible = subprocess.run([*own, "sh", "-c", mount], capture_output=True, check=False)
    if possible.returncode:
        pytest.skip("this user may not mount a file system of his own")

    done = run("full", tmp_path, under=(*own, "sh", "-c", f'{mount} && exec "$@"', "sh"))

    answer = answer_of(done)
    assert answer["error"] == "NoSpaceForFile"
    assert answer["left"] == []
    assert re.search(r"No space left on device.* Free some space", str(answer["message"]))


def test_a_limit_of_the_system_is_a_typed_error_and_leaves_nothing(tmp_path: Path) -> None:
    """A file may be larger than this process or its file system allows: nothing of it is left."""
    answer = answer_of(run("limited", tmp_path))

    assert answer["error"] == "FileNotWritten"
    assert answer["left"] == []
    assert "2,097,152 bytes: File too large" in str(answer["message"])


def test_a_want_of_descriptors_damages_no_file(tmp_path: Path) -> None:
    """That a file cannot be opened just now says nothing about its content, or about its job."""
    answer = answer_of(run("out_of_descriptors", tmp_path))

    assert answer["error"] == "FileNotRead"
    assert "Too many open files" in str(answer["message"])


def test_memory_does_not_grow_with_the_size(tmp_path: Path) -> None:
    """A stream and a file of 64 MiB, written and checked, take a few MiB of memory."""
    answer = answer_of(run("large", tmp_path))

    grown = answer["grown"]
    assert isinstance(grown, int)
    assert grown < 12 << 20


def kill_while_it_writes(base: Path) -> None:
    command = [sys.executable, PROGRAM, "killed", str(base)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.kill()


async def test_a_killed_process_leaves_an_orphan_that_is_found(
    folder: Folder, tmp_path: Path
) -> None:
    """A kill in the middle leaves a part: the next start finds it, and only it, and removes it."""
    kill_while_it_writes(tmp_path)
    assert names_in(tmp_path) == ["7-1-1", "7-1-2.part"]

    orphans = await folder.orphans({"7-1-1"})

    assert orphans == ["7-1-2.part"]
    assert await folder.remove(orphans) == []
    assert names_in(tmp_path) == ["7-1-1"]


def test_content_reaches_the_disk_before_the_name(tmp_path: Path) -> None:
    """Seen by the kernel: folder, its name; content; name; the folder that holds the name."""
    if shutil.which("strace") is None:
        pytest.skip("there is no strace here")
    calls = "trace=mkdir,openat,write,fsync,rename"
    trace = tmp_path / "trace"
    strace = ("strace", "-f", "-y", "-qq", "-e", calls, "-s", "1", "-o", str(trace))
    done = run("one", tmp_path, under=strace)
    if "ptrace" in done.stderr.lower():
        pytest.skip("this user may not trace")
    answer_of(done)

    files = f"{tmp_path}/jobs.db.files"
    seen = re.findall(
        r"^\d+ +(mkdir|fsync|write|rename|openat)\((.*)\) += ", trace.read_text(), re.MULTILINE
    )
    steps = [
        f"{call} {path}"
        for call, what in seen
        if (path := next(iter(re.findall(rf"{re.escape(str(tmp_path))}[^\">]*", what)), ""))
        if call != "openat" or "O_CREAT" in what
    ]
    assert steps == [
        f"mkdir {files}",
        f"fsync {tmp_path}",
        f"openat {files}/7-1-1.part",
        f"write {files}/7-1-1.part",
        f"fsync {files}/7-1-1.part",
        f"rename {files}/7-1-1.part",
        f"fsync {files}",
    ]
