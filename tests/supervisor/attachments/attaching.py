"""Attaches files in a process of its own, where limits and file systems can be its own too.

python attaching.py WHAT BASE: prints JSON, or the word "writing" before it waits to be killed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import resource
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from overseen.attachments import AttachmentError, Folder, StoredFile, folder_beside

MEBIBYTE = 1 << 20
BASE = Path(sys.argv[2])


async def stream(mebibytes: int) -> AsyncIterator[bytes]:
    for number in range(mebibytes * 16):
        yield bytes([number % 251]) * (MEBIBYTE // 16)


async def error_of(folder: Folder) -> dict[str, object]:
    """Attach 3 MiB, which must not fit, then a little, which must."""
    try:
        await folder.write(7, "input", stream(3))
    except AttachmentError as error:
        left = [path.name for path in BASE.glob("*.files/*")]
        await folder.write(8, "input", b"little")
        return {"error": type(error).__name__, "message": str(error), "left": left}
    return {"error": None}


def lower(limit: int, value: int) -> None:
    resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


async def limited(folder: Folder) -> dict[str, object]:
    lower(resource.RLIMIT_FSIZE, 2 * MEBIBYTE + 1000)
    return await error_of(folder)


async def out_of_descriptors(folder: Folder) -> dict[str, object]:
    stored = await folder.write(7, "input", b"content")
    lowest_free = len(list(Path("/proc/self/fd").iterdir())) - 1  # without the listing's own
    lower(resource.RLIMIT_NOFILE, lowest_free)
    try:
        await folder.verify(stored.stored_name, stored.digest, stored.size_bytes)
    except AttachmentError as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {"error": None}


async def large(folder: Folder) -> dict[str, object]:
    """A stream, a file, and the check of both; each of 64 MiB, with the memory they took."""
    (BASE / "sparse").touch()
    with (BASE / "sparse").open("r+b") as file:
        file.truncate(64 * MEBIBYTE)
    await folder.write(1, "warm-up", stream(2))
    before = peak_bytes()
    for source in (stream(64), BASE / "sparse"):
        stored: StoredFile = await folder.write(7, "input", source)
        await folder.verify(stored.stored_name, stored.digest, stored.size_bytes)
        assert stored.size_bytes == 64 * MEBIBYTE
    return {"grown": peak_bytes() - before}


def peak_bytes() -> int:
    """The most memory this process ever had; the kernel's ru_maxrss would count its parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise LookupError("the kernel does not tell")


async def killed(folder: Folder) -> dict[str, object]:
    async def waits() -> AsyncIterator[bytes]:
        yield bytes(MEBIBYTE)
        sys.stdout.write("writing\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    await folder.write(7, "whole", b"content")
    await folder.write(7, "half", waits())
    return {}


async def one(folder: Folder) -> dict[str, object]:
    await folder.write(7, "input", stream(1))
    return {}


async def main() -> None:
    numbers = itertools.count(1)
    with ThreadPoolExecutor(1) as threads:
        folder = Folder(
            folder_beside(BASE / "jobs.db"),
            executor=lambda: threads,
            new_name=lambda job_id: f"{job_id}-1-{next(numbers)}",
        )
        what = {
            "full": error_of,
            "limited": limited,
            "out_of_descriptors": out_of_descriptors,
            "large": large,
            "killed": killed,
            "one": one,
        }
        sys.stdout.write(json.dumps(await what[sys.argv[1]](folder)))


if __name__ == "__main__":
    asyncio.run(main())
