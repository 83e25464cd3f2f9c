"""What cannot be attached is refused in words, and leaves nothing behind."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import pytest
from tests.supervisor.attachments.conftest import names_in, pipe

from overseen.attachments import Folder, InvalidSource, Source


async def yields_text() -> AsyncIterator[str]:
    yield "text"


async def coroutine() -> bytes:
    return b""


def closed_file() -> io.BytesIO:
    file = io.BytesIO(b"content")
    file.close()
    return file


def closed_disk_file() -> io.BufferedReader:
    with Path(__file__).open("rb") as file:
        return file


class Upload:
    """As a web framework's: it reads for coroutines, from a file of its own."""

    def __init__(self, file: io.BytesIO) -> None:
        self.file = file

    async def read(self, size: int, /) -> bytes:
        return self.file.read(size)


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "number": (lambda: 5, "type int. It must be a path"),
    "none": (lambda: None, "type NoneType"),
    "list": (lambda: [b"a"], "type list"),
    "class": (lambda: io.BytesIO, "BytesIO itself. Call it"),
    "generator_not_called": (lambda: yields_text, "yields_text itself. Call it"),
    "coroutine": (coroutine, "Await it"),
    "stream_of_text": (yields_text, r"gave a str, not bytes\. .*encode"),
    "file_of_text": (lambda: io.StringIO("text"), r"gave a str, not bytes\. .*binary mode"),
    "missing": (lambda: "/no/such/file", r"no file '/no/such/file'.*text\.encode"),
    "empty_path": (lambda: "", "is a folder, not a file"),
    "folder": (lambda: Path("/"), "is a folder, not a file. .*pack"),
    "file_as_folder": (lambda: __file__ + "/x", "cannot be read"),
    "device": (lambda: "/dev/zero", "pipe, socket or device, not a file"),
    "unreadable": (lambda: "/proc/self/mem", "cannot be read: .*Input/output error"),
    "closed_file": (closed_file, "the file object is closed. .*Open it"),
    "closed_disk_file": (closed_disk_file, "the file object is closed"),
    "closed_upload": (lambda: Upload(closed_file()), "the file object is closed"),
    "nul_in_path": (lambda: "a\0b", "cannot be read: embedded null byte"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_source_that_is_none_is_explained(
    what: str, folder: Folder, tmp_path: Path
) -> None:
    """What cannot be attached is a typed error that says what to do, and leaves nothing."""
    make, said = WRONG[what]

    with pytest.raises(InvalidSource, match=said) as caught:
        await folder.write(7, "input", cast("Source", make()))
    assert caught.value.name == "input"
    assert names_in(tmp_path) == []


async def test_a_file_that_may_not_be_read_is_explained(folder: Folder, tmp_path: Path) -> None:
    """Missing rights are named."""
    if os.geteuid() == 0:
        pytest.skip("root may read everything; /proc/self/mem stands for it above")
    path = tmp_path / "private"
    path.write_bytes(b"secret")
    path.chmod(0)

    with pytest.raises(InvalidSource, match=r"cannot be read: .*Permission denied"):
        await folder.write(7, "input", path)


async def test_a_pipe_given_by_name_does_not_hang(folder: Folder, tmp_path: Path) -> None:
    """Opening a named pipe would wait for a writer for ever: it is refused at once."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(InvalidSource, match="pipe, socket or device"):
        await folder.write(7, "input", tmp_path / "pipe")
    assert names_in(tmp_path) == []


async def test_a_file_object_that_does_not_block_is_refused(folder: Folder, tmp_path: Path) -> None:
    """ "Nothing yet" is not the end: such a file object would be cut short."""
    with (
        pipe(blocking=False) as (reading, _writing),
        pytest.raises(InvalidSource, match="does not block"),
    ):
        await folder.write(7, "input", reading)
    assert names_in(tmp_path) == []
